"""A client and a worker with real transports on a ledger in memory, to face a simulated provider."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import fakeredis

from batchline import BatchClient
from batchline_worker.context import WorkerContext
from batchline_worker.settings import WorkerSettings
from sdk_connections import hang_up
from worker_bench import WORK

if TYPE_CHECKING:
    from collections.abc import Iterator

    from batchline import Job

__all__ = ["Pipeline", "pipeline"]

_LONGEST_S = 30.0


class Pipeline:
    """Jobs go in, and come to their end."""

    def __init__(self, redis: Any = None, **settings: Any) -> None:
        self.settings = WorkerSettings.load(
            redis_url="redis://127.0.0.1:1/0",
            broker_url="memory://",
            poll_interval_s=0.05,
            poll_max_interval_s=0.1,
            durable_writes=False,
            **{"max_attempts": 1} | settings,
        )
        redis = fakeredis.FakeRedis() if redis is None else redis
        self.client = BatchClient(settings=self.settings, redis=redis)
        self.context = WorkerContext(self.settings, send=lambda _: None, redis=redis)

    def rest(self) -> None:
        """Work until nothing is due."""
        while sum(work(self.context) for work in WORK.values()):
            pass

    def finish(self, *jobs: Job[Any]) -> None:
        """Work until all of these have ended."""
        deadline = time.monotonic() + _LONGEST_S
        while not all(job.status().is_final for job in jobs):
            assert time.monotonic() < deadline, [job.info() for job in jobs]
            if not sum(work(self.context) for work in WORK.values()):
                time.sleep(0.02)


@contextmanager
def pipeline(redis: Any = None, **settings: Any) -> Iterator[Pipeline]:
    """Build a pipeline, in memory unless a Redis is given, and close its connections."""
    made = Pipeline(redis, **settings)
    try:
        yield made
    finally:
        for provider in made.context._providers.values():
            hang_up(provider)  # type: ignore[arg-type]
