"""An OpenAI-compatible server of the test's own, over real HTTP.

What it says is up to a function; it counts how many requests it held at once.
"""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

__all__ = ["Asked", "FakeUpstream", "Said", "chat_reply", "running_upstream"]


@dataclass(frozen=True)
class Asked:
    """One request as it came."""

    path: str
    body: dict[str, Any]
    authorization: str | None


@dataclass(frozen=True)
class Said:
    """One reply."""

    body: Any
    """JSON, or bytes that are sent as they are."""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


def chat_reply(text: str, *, finish: str = "stop", **more: Any) -> Said:
    """Answer as a small server does, with no key that it could leave out."""
    message = {"role": "assistant", "content": text} | more
    usage = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
    return Said({"choices": [{"message": message, "finish_reason": finish}], "usage": usage})


class FakeUpstream:
    """The server; `asked` and `most_at_once` tell what came."""

    def __init__(self, answer: Callable[[Asked], Said]) -> None:
        self.answer = answer
        self.asked: list[Asked] = []
        self.most_at_once = 0
        self._at_once = 0
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def texts(self) -> list[str]:
        """Return the last message of every chat completion that was asked, in the order of arrival."""
        with self._lock:
            return [asked.body["messages"][-1]["content"] for asked in self.asked]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _reply_to(self, asked: Asked) -> Said:
        with self._lock:
            self.asked.append(asked)
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            return self.answer(asked)
        finally:
            with self._lock:
                self._at_once -= 1

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        upstream = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                said = upstream._reply_to(Asked(self.path, body, self.headers["authorization"]))
                content = said.body if isinstance(said.body, bytes) else json.dumps(said.body).encode()
                try:
                    self.send_response(said.status)
                    for name, value in {**said.headers, "content-length": str(len(content))}.items():
                        self.send_header(name, value)
                    self.end_headers()
                    self.wfile.write(content)
                except (BrokenPipeError, ConnectionResetError):
                    self.close_connection = True

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it so
                del format, args

        return Handler


@contextmanager
def running_upstream(answer: Callable[[Asked], Said]) -> Iterator[FakeUpstream]:
    """Run a server for the length of a `with` block."""
    upstream = FakeUpstream(answer)
    try:
        yield upstream
    finally:
        upstream.close()
