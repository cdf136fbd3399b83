"""A live call's body is the one that stands in the batch's line, whatever an SDK would make of it."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from google.oauth2.credentials import Credentials

from batchline_shared.accounts import Account
from batchline_worker.providers.base import LiveCall
from batchline_worker.providers.registry import make_provider
from batchline_worker.settings import WorkerSettings
from sdk_connections import hang_up

if TYPE_CHECKING:
    from collections.abc import Iterator

CHAT = {
    "model": "m",
    "messages": [{"role": "user", "content": "é"}],
    "temperature": 0.1,
    "new_field": [1, None],
}
CONTENTS = [
    {
        "role": "user",
        "parts": [
            {"text": "é"},
            {"inlineData": {"mimeType": "image/png", "data": "QUJD"}},
            {"fileData": {"mimeType": "image/png", "fileUri": "gs://b/o"}},
            {"futurePart": {"a": 1}},
        ],
    },
    {"role": "model", "parts": [{"text": "so", "thoughtSignature": "QUJD"}]},
]
GENERATE = {
    "contents": CONTENTS,
    "systemInstruction": {"parts": [{"text": "brief"}]},
    "generationConfig": {
        "maxOutputTokens": 70,
        "temperature": 0.0,
        "responseMimeType": "application/json",
        "responseSchema": {
            "type": "OBJECT",
            "properties": {"b": {"type": "STRING"}},
            "propertyOrdering": ["b"],
        },
        "thinkingConfig": {"thinkingBudget": 0},
        "futureField": 1,
    },
    "safetySettings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}],
    "labels": {"team": "x"},
}
LINES: dict[str, tuple[str, dict[str, Any], str, str]] = {
    "openai": ("/v1/chat/completions", CHAT, "body", "/v1/chat/completions"),
    "anthropic": ("/v1/messages", {**CHAT, "max_tokens": 200_000}, "params", "/v1/messages"),
    "gemini": ("/generateContent", GENERATE, "request", "/v1beta/models/m:generateContent"),
    "google": (
        "/generateContent",
        GENERATE,
        "request",
        "/v1beta1/projects/p/locations/l/publishers/google/models/m:generateContent",
    ),
}


class Recorder(BaseHTTPRequestHandler):
    """Keeps what it is sent, and refuses it."""

    sent: list[tuple[str, Any]]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.sent.append((self.path, orjson.loads(body)))
        reply = b'{"error":{"message":"no","code":400,"type":"invalid_request_error"}}'
        self.send_response(400)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(reply)))
        self.end_headers()
        self.wfile.write(reply)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name in the base
        """Say nothing."""


@pytest.fixture
def recorder() -> Iterator[tuple[str, list[tuple[str, Any]]]]:
    sent: list[tuple[str, Any]] = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Own", (Recorder,), {"sent": sent}))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", sent
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("name", LINES)
def test_the_body_goes_out_as_it_stands_in_the_line(
    name: str, recorder: tuple[str, list[tuple[str, Any]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    url, sent = recorder
    endpoint, body, field, path = LINES[name]
    monkeypatch.setenv("KEY", "sk-0")
    monkeypatch.setattr("google.auth.default", lambda **_: (Credentials("token"), None))  # type: ignore[no-untyped-call]
    base_url = f"{url}/v1" if name == "openai" else url
    account = Account(provider=name, base_url=base_url, api_key_env="KEY", project="p", location="l")
    settings = WorkerSettings.load(accounts={"a": account})
    provider = make_provider(f"{name}@a", settings)
    line = orjson.dumps({"custom_id": "c", "key": "c", field: body})
    try:
        answer = orjson.loads(provider.ask(LiveCall(endpoint, "m", line, 5.0)))
    finally:
        hang_up(provider)  # type: ignore[arg-type]

    assert sent == [(path, body)]
    assert b"no (HTTP 400" in orjson.dumps(answer)
