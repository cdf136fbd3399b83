"""A real server that a test may kill, fill or empty, and clients on it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from redis import Redis

from batchline import BatchClient, Settings
from batchline_ops.embedded import EmbeddedServer

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    with EmbeddedServer(tmp_path_factory.mktemp("server")) as server:
        yield server


@pytest.fixture
def server(shared_server: EmbeddedServer) -> Iterator[EmbeddedServer]:
    yield shared_server.start()  # again, where the test before has killed it
    shared_server.start()
    with Redis.from_url(shared_server.url) as ledger:
        ledger.config_set("maxmemory", "0")
        ledger.flushall()


@pytest.fixture
def ledger(server: EmbeddedServer) -> Iterator[Any]:
    with Redis.from_url(server.url) as ledger:
        yield ledger


@pytest.fixture
def client(server: EmbeddedServer) -> Iterator[BatchClient]:
    with BatchClient(settings=Settings(redis_url=server.url, broker_url="memory://")) as client:
        yield client
