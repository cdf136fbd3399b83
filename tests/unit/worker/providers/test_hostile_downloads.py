"""A provider, or a ledger somebody wrote to, can make a download only read the named file, piece by piece."""

from __future__ import annotations

import gzip
import threading
import zlib
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

from batchline_shared.errors import ProviderRejectedError
from batchline_worker.providers.anthropic_client import AnthropicClient
from batchline_worker.providers.openai_client import OpenAIClient
from batchline_worker.providers.openai_links import Place

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

UNPACKED_BYTES = 64 * 1024 * 1024
PIECE_BYTES = 2 * 1024 * 1024


@contextmanager
def _server(body: bytes, encoding: str) -> Iterator[tuple[str, list[str]]]:
    """Serve one body to every GET; yields the base URL and the paths that were asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.send_header("content-encoding", encoding)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/v1", asked
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def _client(base_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenAIClient]:
    monkeypatch.setenv("TEST_KEY", "sk-test")
    client = OpenAIClient(
        "openai", api_key_env="TEST_KEY", base_url=base_url, connect_timeout_s=5, read_timeout_s=5
    )
    try:
        yield client
    finally:
        client._get().close()


@pytest.mark.parametrize(("encoding", "pack"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
@pytest.mark.parametrize("by_link", [False, True], ids=["by id", "by link"])
def test_a_bomb_is_unpacked_in_small_pieces(
    encoding: str, pack: Callable[[bytes], bytes], monkeypatch: pytest.MonkeyPatch, *, by_link: bool
) -> None:
    with (
        _server(pack(bytes(UNPACKED_BYTES)), encoding) as (url, _),
        _client(url, monkeypatch) as client,
    ):
        place = Place("", f"{url}/results/7") if by_link else Place("file-1", "")
        sizes = [len(piece) for piece in client.content(place, silence_s=5)]

    assert sum(sizes) == UNPACKED_BYTES
    assert max(sizes) <= PIECE_BYTES


@pytest.mark.parametrize("file_id", ["a/../../../admin", "../batches/b1", "x?y=1", "x#y", "a\\..\\b"])
def test_no_file_id_reaches_another_path(file_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with _server(b"{}", "identity") as (url, asked), _client(url, monkeypatch) as client:
        list(client.content(Place(file_id, ""), silence_s=5))

    (path,) = asked
    assert path.startswith("/v1/files/")
    assert path.endswith("/content")
    named = path.removeprefix("/v1/files/").removesuffix("/content")
    assert not set("/?#\\") & set(named)


@pytest.mark.parametrize("batch_id", ["../../files/secret", "a/b", "x?y=1", "a#b", "..\\.."])
def test_no_batch_id_reaches_another_path(batch_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_KEY", "sk-test")
    with _server(b"{}\n", "identity") as (base_url, asked):
        client = AnthropicClient(
            "anthropic",
            api_key_env="TEST_KEY",
            base_url=base_url.removesuffix("/v1"),
            connect_timeout_s=5,
            read_timeout_s=5,
        )
        list(client.results(batch_id, silence_s=5))
        client._get().close()

    (path,) = asked
    assert path.startswith("/v1/messages/batches/")
    assert path.endswith("/results")
    assert path.count("/") == len(["", "v1", "messages", "batches", "x", "results"]) - 1


@pytest.mark.parametrize("batch_id", [".", ".."])
def test_dots_are_no_batch_id(batch_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_KEY", "sk-test")
    client = AnthropicClient(
        "anthropic", api_key_env="TEST_KEY", base_url=None, connect_timeout_s=5, read_timeout_s=5
    )

    with pytest.raises(ProviderRejectedError, match="no id of a batch"):
        next(client.results(batch_id, silence_s=5))
