"""A ledger in memory."""

from __future__ import annotations

import fakeredis
import pytest

from batchline_shared.ledger import JobStore, WorkQueue


@pytest.fixture
def redis() -> fakeredis.FakeRedis:
    return fakeredis.FakeRedis()


@pytest.fixture
def queue(redis: fakeredis.FakeRedis) -> WorkQueue:
    return WorkQueue(redis, lease_s=60, durable=False)


@pytest.fixture
def store(redis: fakeredis.FakeRedis) -> JobStore:
    return JobStore(redis, durable=False)
