"""One process's way to the ledger."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, NamedTuple

from batchline.listening import Listener
from batchline.nudge import nudge
from batchline_shared.ledger import JobStore, Stage, WorkQueue, open_ledger, redis_errors, server_name
from batchline_shared.ledger.connection import check_schema
from batchline_shared.ledger.safety import dangers, require_no_eviction
from batchline_shared.settings import Settings

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from redis import Redis

__all__ = ["Connection"]

_log = logging.getLogger("batchline")


class Connection:
    """The ledger's two halves, opened on first use, and the nudge. Safe to share between threads."""

    def __init__(
        self, redis_url: str | None = None, *, settings: Settings | None = None, redis: Redis | None = None
    ) -> None:
        """Keep the settings; nothing is sent yet.

        Args:
            redis_url: The ledger; None: as the settings say.
            settings: All settings at once, instead of the environment's.
            redis: A client that is used instead of one for `redis_url`; it must not decode replies.

        Raises:
            ConfigurationError: A setting is wrong.
        """
        if settings is None:
            settings = Settings.load(**({"redis_url": redis_url} if redis_url else {}))
        self.settings = settings
        self._given = redis
        self._lock = threading.Lock()
        self._opened: _Opened | None = None
        self.listener = Listener(lambda: self.redis)
        """Tells waiters that a job has changed."""

    @property
    def redis(self) -> Redis:
        """The Redis client; the first use checks that the ledger is one of our version."""
        return self._open().redis

    @property
    def jobs(self) -> JobStore:
        """Records, payload and outcomes."""
        return self._open().jobs

    @property
    def work(self) -> WorkQueue:
        """Who may do what next."""
        return self._open().work

    def errors(self) -> AbstractContextManager[None]:
        """Map redis-py's exceptions to ours while the context is open."""
        return redis_errors(server_name(self.redis))

    def require_no_eviction(self) -> None:
        """Refuse a server that would delete what is enqueued; see `safety.require_no_eviction`."""
        require_no_eviction(self.redis)

    def nudge(self, stage: Stage) -> None:
        """Tell the workers that something is due."""
        nudge(self.redis, self.settings, stage)

    def nudge_all(self) -> None:
        """Tell the workers that something may be due in any stage."""
        for stage in Stage:
            self.nudge(stage)

    def close(self) -> None:
        """Give the sockets back, but those of a client that was handed in; the next use opens new ones."""
        self.listener.close()
        with self._lock:
            opened, self._opened = self._opened, None
        if opened is not None and opened.redis is not self._given:
            opened.redis.close()

    def _open(self) -> _Opened:
        opened = self._opened
        if opened is not None:
            return opened
        with self._lock:
            if self._opened is None:
                client = self._given
                if client is None:
                    client = open_ledger(self.settings.redis_url)
                else:
                    with redis_errors(server_name(client)):
                        check_schema(client)
                _warn(client)
                durable = self.settings.durable_writes
                self._opened = _Opened(
                    client,
                    JobStore(client, durable=durable),
                    WorkQueue(client, lease_s=self.settings.lease_s, durable=durable),
                )
            return self._opened


def _warn(client: Redis) -> None:
    with redis_errors(server_name(client)):
        for danger in dangers(client):
            _log.warning("Redis at %s may lose jobs: %s", server_name(client), danger)


class _Opened(NamedTuple):
    redis: Redis
    jobs: JobStore
    work: WorkQueue
