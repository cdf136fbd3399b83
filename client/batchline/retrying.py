"""Sending requests of a finished job again: those that failed, or that somebody else names.

Their outcomes are taken back chunk by chunk, each in one script; planning then
makes shards of the rows that have none. A crash on the way leaves fewer
requests to be tried again, never one with two outcomes or none.
"""

from __future__ import annotations

import secrets
import time
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from batchline_shared.errors import InvalidInputError, JobNotReadyError, QueueUnavailableError
from batchline_shared.ledger import Stage
from batchline_shared.ledger.chunks import unpack
from batchline_shared.outcome_rows import error_type_of
from batchline_shared.outcomes import RETRY_MAY_HELP, BatchError, ErrorType

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from typing import Self

    from batchline.connection import Connection
    from batchline_shared.ledger import JobMeta, Note
    from batchline_shared.outcome_reader import OutcomeReader

__all__ = ["Taken", "retry_failed", "send_again"]


class Taken(NamedTuple):
    """An outcome that is taken back."""

    row: int
    counted: tuple[str, ...]
    """The counts of the job that it is in."""
    note: Note | None = None
    """What the row's conversation grows by; None: the same is sent again."""

    @classmethod
    def of(cls, stored: dict[str, Any], note: Note | None = None) -> Self:
        """For an outcome as it is stored."""
        kind = error_type_of(stored)
        counted = ("succeeded",) if kind is None else ("errored", f"err.{kind}")
        # A copy is not sent: what the other's conversation grows by is the other's.
        return (
            cls(stored["n"], (*counted, "copied"), None)
            if "of" in stored
            else cls(stored["n"], counted, note)
        )


_HOLD_S = 60.0
"""How long planning waits for us, should we die on the way."""

_RESTARTS = 3
"""How often Redis may restart while one job is reopened."""

_CLOSING_S = 10.0
"""How long a worker may take from making a job final to closing its work."""


def retry_failed(
    connection: Connection,
    meta: JobMeta,
    reader: OutcomeReader[Any],
    error_types: Collection[ErrorType | str] | None,
) -> int:
    """See `Job.retry_failed`."""
    wanted = _wanted(error_types)
    if meta.adopted:
        raise InvalidInputError(
            f"job {meta.id} was adopted, so Batchline does not have its requests: enqueue those again whose "
            "custom ids its results name as failed"
        )
    if not meta.is_final:
        raise JobNotReadyError(
            f"job {meta.id} is {meta.status}; only a finished job can be retried", job_id=meta.id
        )
    if not _any_wanted(connection, meta, reader, wanted):
        return 0
    return send_again(connection, meta, partial(_failed, reader, wanted))


def send_again(connection: Connection, meta: JobMeta, take: Callable[[bytes], Taken | None]) -> int:
    """Reopen a finished job, and take back those of its outcomes that `take` names.

    Returns:
        How many requests are sent again.

    Raises:
        JobNotReadyError: Somebody else reopens it, or deletes it.
        QueueUnavailableError: Redis restarts again and again.
    """
    deadline_ms = _deadline_ms(connection, meta)
    retrier = secrets.token_hex(8)
    for _ in range(_RESTARTS):
        _reopen(connection, meta, deadline_ms, retrier)
        for landing in range(meta.landed):
            _take_back(connection, meta.id, landing, take)
        taken = connection.jobs.end_retry(meta.id, retrier)
        if taken is not None:
            break
    else:
        raise QueueUnavailableError("Redis restarts again and again; look at the server, and call again")
    # Had we stood still for a minute before `begin_retry`, a worker would have closed the work again.
    connection.work.open_job(meta.id, delay_s=0.0, sparse=True, deadline_ms=deadline_ms)
    connection.work.wake_job(meta.id)
    connection.nudge(Stage.PLAN)
    return taken


def _reopen(connection: Connection, meta: JobMeta, deadline_ms: int | None, retrier: str) -> None:
    """Reopen a job and its work; again for the same one changes nothing."""
    # The work first: whatever happens later, somebody will look at the job.
    _open(connection, meta.id, deadline_ms, retrier)
    if meta.idempotency:
        # Should it go on the way, an enqueue with the same key would make, and pay for, a second job.
        connection.jobs.keep_claim(meta.idempotency)
    if not connection.jobs.begin_retry(meta.id, retrier):
        raise JobNotReadyError(f"job {meta.id} is being retried already, or deleted", job_id=meta.id)
    # Once more: a restart in between may have lost it, and nobody would ever look at a job without work.
    connection.work.open_job(meta.id, delay_s=_HOLD_S, sparse=True, deadline_ms=deadline_ms, opener=retrier)


def _deadline_ms(connection: Connection, meta: JobMeta) -> int | None:
    """The deadline, if it binds another round too: one that has passed does not."""
    if meta.deadline is None or meta.deadline.at_ms <= connection.work.now_ms():
        return None
    return meta.deadline.at_ms


def _open(connection: Connection, job_id: str, deadline_ms: int | None, retrier: str) -> None:
    """Reopen the job's work; a worker may still be closing it, moments after it made the job final.

    Raises:
        JobNotReadyError: Somebody else retries it.
    """
    until = time.monotonic() + _CLOSING_S
    while not connection.work.open_job(
        job_id, delay_s=_HOLD_S, sparse=True, deadline_ms=deadline_ms, opener=retrier
    ):
        if time.monotonic() > until or not connection.jobs.meta(job_id).is_final:
            raise JobNotReadyError(f"job {job_id} is being retried already", job_id=job_id)
        time.sleep(0.02)


def _wanted(error_types: Collection[ErrorType | str] | None) -> frozenset[ErrorType]:
    if error_types is None:
        return frozenset(kind for kind, helps in RETRY_MAY_HELP.items() if helps)
    try:
        return frozenset(ErrorType(kind) for kind in error_types)
    except ValueError as error:
        known = ", ".join(ErrorType)
        raise InvalidInputError(f"error_types: {error}; known are {known}") from None


def _any_wanted(
    connection: Connection, meta: JobMeta, reader: OutcomeReader[Any], wanted: frozenset[ErrorType]
) -> bool:
    if any(meta.errors.get(kind) for kind in wanted):
        return True
    if ErrorType.INVALID_OUTPUT not in wanted:
        return False
    # Whether an answer fits the model, only reading tells.
    return any(
        isinstance(outcome := reader.read(row), BatchError) and outcome.error_type in wanted
        for rows in connection.jobs.outcome_rows(meta.id, 0, meta.landed)
        for row in rows
    )


def _failed(reader: OutcomeReader[Any], wanted: frozenset[ErrorType], row: bytes) -> Taken | None:
    stored = orjson.loads(row)
    kind = error_type_of(stored)
    if kind is None:
        outcome = reader.read(row)
        kind = outcome.error_type if isinstance(outcome, BatchError) else None
    return Taken.of(stored) if kind in wanted else None


def _take_back(
    connection: Connection, job_id: str, landing: int, take: Callable[[bytes], Taken | None]
) -> None:
    before = connection.jobs.outcome_chunk(job_id, landing)
    kept: list[bytes] = []
    lines: list[bytes] = []
    taken: list[Taken] = []
    counts: dict[str, int] = {}
    for row in unpack(before):
        found = take(row) if row else None
        if found is None:
            kept.append(row)
            continue
        kept.append(b"")  # readers' cursors count on every row's place
        lines.append(row)
        taken.append(found)
        for name in found.counted:
            counts[name] = counts.get(name, 0) + 1
    rows = [one.row for one in taken]
    notes = [one.note for one in taken if one.note is not None]
    if rows:
        connection.jobs.take_back(job_id, landing, before, kept, lines, rows, counts, notes)
