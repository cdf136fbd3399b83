"""A server that says what a test tells it to, over real HTTP."""

from __future__ import annotations

import socket
import sys
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from batchline_worker.providers.openai import OpenAIProvider
from sdk_connections import hang_up

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@dataclass
class Reply:
    """One answer: a status, a body (bytes as they are, anything else as JSON) and headers."""

    body: Any = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    drop: bool = False  # read the request, then reset the connection
    cut_bytes: int = 0  # promise so many bytes more than are sent
    delay_s: float = 0.0  # wait before answering
    framed: bool = True  # False: no length, so that the end of the connection is the end of the body


@dataclass
class Seen:
    """One request as it came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class ScriptedServer(ThreadingHTTPServer):
    """Answers with `replies` in turn; the last one again and again."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.replies: list[Reply] = []
        self.seen: list[Seen] = []

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that did not wait for their answer: some tests are about them."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"


class _Handler(BaseHTTPRequestHandler):
    server: ScriptedServer

    def handle_one_call(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.seen.append(Seen(self.command, self.path, headers, body))
        replies = self.server.replies
        reply = replies.pop(0) if len(replies) > 1 else replies[0]
        time.sleep(reply.delay_s)
        if reply.drop:
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        content = reply.body if isinstance(reply.body, bytes) else orjson.dumps(reply.body)
        self.send_response(reply.status)
        if reply.framed:
            self.send_header("content-length", str(len(content) + reply.cut_bytes))
        for name, value in ({"content-type": "application/json"} | reply.headers).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_DELETE = handle_one_call  # noqa: N815 - the base class looks for these names

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Keep the test's output clean."""


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., OpenAIProvider]]:
    """Make providers with a planted key, whose connections end with the test."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-planted-key")
    providers: list[OpenAIProvider] = []

    def make(**options: Any) -> OpenAIProvider:
        providers.append(OpenAIProvider(**options))
        return providers[-1]

    yield make
    for provider in providers:
        hang_up(provider)


@pytest.fixture
def openai(server: ScriptedServer, made: Callable[..., OpenAIProvider]) -> OpenAIProvider:
    return made(base_url=server.base_url, retry_waits_s=(0.0, 0.0))


@pytest.fixture
def reply() -> type[Reply]:
    return Reply
