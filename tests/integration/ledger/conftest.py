"""The ledger on every server: in memory, Valkey, and Redis 7 where it is installed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from batchline_shared.ledger import JobStore, WorkQueue
from ledger_servers import SERVERS, serve

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module", params=SERVERS)
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    yield from serve(request.param, tmp_path_factory.mktemp("ledger"))


@pytest.fixture
def redis(server: Any) -> Any:
    server.flushall()
    return server


@pytest.fixture
def queue(redis: Any) -> WorkQueue:
    return WorkQueue(redis, lease_s=60)


@pytest.fixture
def store(redis: Any) -> JobStore:
    return JobStore(redis)
