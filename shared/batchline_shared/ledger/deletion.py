"""Deleting a finished job before its retention ends.

The record goes last, and is marked first: a crash on the way leaves a job that
is still listed, cannot be retried, and is deleted by calling again. In between
go its work, which makes what it left at the provider due for cleaning up, and
its idempotency key.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from batchline_shared.errors import JobNotFoundError
from batchline_shared.ledger import keys
from batchline_shared.ledger.deadlines import timer_of
from batchline_shared.ledger.scripts import Scripts
from batchline_shared.ledger.timers import timer_keys
from batchline_shared.ledger.work_records import Stage

if TYPE_CHECKING:
    from redis import Redis

__all__ = ["Deletion"]

_GRACE_S: Final = 48 * 3600
"""Longest time that a shard's record outlives its job: cleaning up tries for less."""


class Deletion:
    """The steps of a deletion, in their order; each is safe to repeat."""

    def __init__(self, client: Redis) -> None:
        # redis-py types every reply as str or bytes, whatever the client decodes; ours are bytes.
        self._client: Any = client
        self._scripts = Scripts(client)

    def begin(self, job_id: str) -> bool:
        """Mark a job as being deleted; False when it has not ended.

        Raises:
            JobNotFoundError: There is no such job.
        """
        reply = self._scripts.begin_delete(keys=[keys.meta(job_id)], args=[])
        if reply < 0:
            raise JobNotFoundError(job_id)
        return bool(reply)

    def forget_work(self, job_id: str) -> bool:
        """Forget its work, but for what is to be cleaned up; False while a worker has not closed it."""
        partition = keys.partition_of(job_id)
        return bool(
            self._scripts.delete_work(
                keys=[
                    keys.work(partition, job_id),
                    keys.shards(partition, job_id),
                    keys.due(partition, Stage.CLEAN),
                    keys.due(partition, Stage.PLAN),
                    keys.tally(partition),
                    *timer_keys(job_id),
                    keys.due(partition, Stage.NOTIFY),
                ],
                args=[keys.work_prefix(partition), _GRACE_S * 1000, job_id, timer_of(job_id)],
            )
        )

    def forget(self, job_id: str, idempotency: str) -> None:
        """Forget everything else of a job that is marked.

        Args:
            job_id: The job.
            idempotency: SHA-256 of its idempotency key; empty where it has none.
        """
        if idempotency:
            self._scripts.unclaim(keys=[keys.idempotency(idempotency)], args=[job_id])
        self._scripts.delete_job(keys=keys.job_keys(job_id), args=[keys.events(job_id)])
        self._client.zrem(keys.ALL_JOBS, job_id)
