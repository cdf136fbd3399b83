"""One process's way to the ledger."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchline.nudge import nudge
from batchline_shared.ledger import JobStore, Stage, WorkQueue, open_ledger, redis_errors, server_name
from batchline_shared.settings import Settings

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from redis import Redis

__all__ = ["Connection"]


class Connection:
    """The ledger's two halves, opened on first use, and the nudge."""

    def __init__(self, redis_url: str | None = None, *, settings: Settings | None = None) -> None:
        """Keep the settings; nothing is sent yet.

        Raises:
            ConfigurationError: A setting is wrong.
        """
        if settings is None:
            settings = Settings.load(**({"redis_url": redis_url} if redis_url else {}))
        self.settings = settings
        self._redis: Redis | None = None

    @property
    def redis(self) -> Redis:
        """The Redis client; the first use checks that the ledger is one of our version."""
        if self._redis is None:
            self._redis = open_ledger(self.settings.redis_url)
            self._jobs = JobStore(self._redis, durable=self.settings.durable_writes)
            self._work = WorkQueue(
                self._redis, lease_s=self.settings.lease_s, durable=self.settings.durable_writes
            )
        return self._redis

    @property
    def jobs(self) -> JobStore:
        """Records, payload and outcomes."""
        _ = self.redis
        return self._jobs

    @property
    def work(self) -> WorkQueue:
        """Who may do what next."""
        _ = self.redis
        return self._work

    def errors(self) -> AbstractContextManager[None]:
        """Map redis-py's exceptions to ours while the context is open."""
        return redis_errors(server_name(self.redis))

    def nudge(self, stage: Stage) -> None:
        """Tell the workers that something is due."""
        nudge(self.redis, self.settings, stage)

    def nudge_all(self) -> None:
        """Tell the workers that something may be due in any stage."""
        for stage in Stage:
            self.nudge(stage)

    def close(self) -> None:
        """Give the sockets back; the next use opens new ones."""
        if self._redis is not None:
            self._redis.close()
            self._redis = None
