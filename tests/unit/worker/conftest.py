"""A worker's bench on a ledger in memory."""

from __future__ import annotations

import fakeredis
import pytest

from worker_bench import WorkerBench


@pytest.fixture
def bench() -> WorkerBench:
    return WorkerBench(fakeredis.FakeRedis())
