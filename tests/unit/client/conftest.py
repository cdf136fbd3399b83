"""A client on a ledger in memory, and the worker's side of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import fakeredis
import pytest

from batchline import BatchClient, BatchProcessor, Settings
from unit.client.sketches import User
from unit.client.worker_desk import WorkerDesk

if TYPE_CHECKING:
    from collections.abc import Callable

    from redis import Redis


@pytest.fixture
def ledger() -> Redis:
    return fakeredis.FakeRedis()


@pytest.fixture
def client_on() -> Callable[[Redis], BatchClient]:
    """Make clients on any Redis; their nudges go to a broker in memory."""
    settings = Settings(redis_url="redis://in-memory/0", broker_url="memory://")
    return lambda ledger: BatchClient(settings=settings, redis=ledger)


@pytest.fixture
def client(ledger: Redis, client_on: Callable[[Redis], BatchClient]) -> BatchClient:
    return client_on(ledger)


@pytest.fixture
def processor(client: BatchClient) -> BatchProcessor[User]:
    return BatchProcessor("openai/gpt-4o-mini", User, client=client)


@pytest.fixture
def desk(ledger: Redis) -> WorkerDesk:
    return WorkerDesk(ledger)
