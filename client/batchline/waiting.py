"""Waiting for a job: told by the ledger, not by asking it again and again."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from batchline_shared.errors import QueueUnavailableError, WaitTimeoutError
from batchline_shared.ledger import keys

if TYPE_CHECKING:
    from collections.abc import Iterator

    from batchline.connection import Connection
    from batchline_shared.ledger import JobMeta

__all__ = ["watch"]

_LOOK_ANYWAY_S: Final = 30.0
"""A message may be lost with its connection; so look at the record this often all the same."""

_OUTAGE_S: Final = 60.0
"""How long Redis may be away before a waiter gives up."""

_SETTLE_S: Final = 0.05
"""Messages that come within this time are answered by one look."""


def watch(connection: Connection, job_id: str, timeout_s: float | None = None) -> Iterator[JobMeta]:
    """Yield the job's record now and whenever it has changed, the final one last.

    Args:
        connection: To the ledger.
        job_id: The job.
        timeout_s: Seconds to wait in all; None: for ever.

    Raises:
        JobNotFoundError: There is no such job.
        WaitTimeoutError: The job had not ended in time.
        QueueUnavailableError: Redis stayed away.
    """
    deadline = None if timeout_s is None else time.monotonic() + timeout_s
    away_since: float | None = None
    while True:
        try:
            with connection.errors():
                for meta in _watch_once(connection, job_id, deadline):
                    away_since = None
                    yield meta
                    if meta.is_final:
                        return
        except QueueUnavailableError as error:
            now = time.monotonic()
            away_since = away_since or now
            if now - away_since > _OUTAGE_S or (deadline is not None and now > deadline):
                raise QueueUnavailableError(
                    f"Redis has been away for {now - away_since:.0f} s; "
                    f"job {job_id} goes on, wait for it again"
                ) from error
            time.sleep(0.5)
        else:
            raise WaitTimeoutError(
                f"job {job_id} has not ended within {timeout_s:g} s; it goes on", job_id=job_id
            )


def _watch_once(connection: Connection, job_id: str, deadline: float | None) -> Iterator[JobMeta]:
    """Follow the job on one connection; return when the time is up."""
    client: Any = connection.redis  # redis-py leaves pubsub() untyped
    pubsub = client.pubsub()
    try:
        pubsub.subscribe(keys.events(job_id))
        pubsub.get_message(timeout=5.0)  # subscribed: from here on nothing is missed
        while True:
            yield connection.jobs.meta(job_id)
            if not _wait_for_message(pubsub, deadline):
                # Whoever reads slowly may find the time up though the job has ended meanwhile.
                yield connection.jobs.meta(job_id)
                return
    finally:
        pubsub.close()


def _wait_for_message(pubsub: Any, deadline: float | None) -> bool:
    """Wait until the record may have changed; False when the time is up."""
    pause = _LOOK_ANYWAY_S
    if deadline is not None:
        pause = min(pause, deadline - time.monotonic())
        if pause <= 0:
            return False
    if pubsub.get_message(timeout=pause) is not None:
        settle = time.monotonic() + _SETTLE_S
        while pubsub.get_message(timeout=max(0.0, settle - time.monotonic())) is not None:
            pass
    return True
