"""An HTTP endpoint that takes webhooks, keeps them as they came, and answers as it is told."""

from __future__ import annotations

import json
import threading
from collections import deque
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, NamedTuple

from openai import OpenAI

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["SECRET", "Received", "Receiver", "receiver"]

SECRET = "whsec_cGxhbnRlZC1zZWNyZXQtb2Ytb3VyLW93bi1lbmRwb2ludA=="


class Received(NamedTuple):
    """One request."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def event(self) -> Any:
        return json.loads(self.body)

    def verify(self, secret: str = SECRET) -> None:
        """Raise unless it is signed: by OpenAI's own verification, which shares no code with our signing."""
        OpenAI(api_key="none").webhooks.verify_signature(self.body, self.headers, secret=secret)


class Receiver:
    """What the endpoint has got, and what it answers."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}/hook?token=planted-token"
        self.received: list[Received] = []
        self.statuses: deque[int] = deque()
        """Of the next answers; then 204."""
        self.slow = threading.Event()
        """Once it is set, answers come when `go` is."""
        self.go = threading.Event()


@contextmanager
def receiver() -> Iterator[Receiver]:
    """Serve on loopback while the context is open."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            made.received.append(Received(self.path, headers, body))
            if made.slow.is_set():
                made.go.wait(20)
            status = made.statuses.popleft() if made.statuses else 204
            self.send_response(status)
            if 300 <= status < 400:
                self.send_header("location", "/elsewhere")
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made = Receiver(server.server_port)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield made
    finally:
        made.go.set()
        server.shutdown()
        server.server_close()
        thread.join()
