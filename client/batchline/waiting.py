"""Waiting for a job: told by the ledger, not by asking it again and again.

What a waiter does is written once, as steps: an iterator that looks at the
ledger and, where there is nothing more to see, gives a `Pause`. Who drives the
steps waits through the pauses: a thread here (`blocking`), a coroutine in
`async_job`.
"""

from __future__ import annotations

import threading
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

from batchline_shared.errors import QueueUnavailableError, WaitTimeoutError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from batchline.connection import Connection
    from batchline_shared.ledger import JobMeta

__all__ = ["Pause", "blocking", "watching"]

V = TypeVar("V")

_LOOK_ANYWAY_S: Final = 30.0
"""A message may be lost with its connection; so look at the record this often all the same."""

_OUTAGE_S: Final = 60.0
"""How long Redis may be away before a waiter gives up."""

_AGAIN_S: Final = 0.5
"""Seconds between two looks while it is."""


class Pause(NamedTuple):
    """A step that says: wait until the job's bell rings, but no longer than this."""

    longest_s: float


def watching(
    connection: Connection, job_id: str, timeout_s: float | None = None
) -> Iterator[JobMeta | Pause]:
    """Give the job's record now and whenever it may have changed, the final one last.

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
        now = time.monotonic()
        late = deadline is not None and now >= deadline
        try:
            with connection.errors():
                meta = connection.jobs.meta(job_id)
        except QueueUnavailableError as error:
            away_since = away_since or now
            if late or now - away_since > _OUTAGE_S:
                raise QueueUnavailableError(
                    f"Redis has been away for {now - away_since:.0f} s; "
                    f"job {job_id} goes on, wait for it again"
                ) from error
            yield Pause(_AGAIN_S)
            continue
        away_since = None
        yield meta
        if meta.is_final:
            return
        if late:
            raise WaitTimeoutError(
                f"job {job_id} has not ended within {timeout_s:g} s; it goes on", job_id=job_id
            )
        # Whoever reads slowly may come back after the time; then one more look tells whether it ended.
        left = _LOOK_ANYWAY_S if deadline is None else max(0.0, deadline - time.monotonic())
        yield Pause(min(_LOOK_ANYWAY_S, left))


def blocking(connection: Connection, job_id: str, steps: Iterator[V | Pause]) -> Iterator[V]:
    """Drive steps from a thread, which sleeps through the pauses."""
    bell = threading.Event()
    with ExitStack() as hearing:
        heard = False
        for step in steps:
            if not isinstance(step, Pause):
                yield step
                continue
            if not heard:
                hearing.enter_context(connection.listener.hears(job_id, bell.set))
                connection.listener.stir()
                heard = True
            bell.wait(step.longest_s)
            bell.clear()
