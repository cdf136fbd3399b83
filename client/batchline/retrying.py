"""Sending the failed requests of a finished job again.

Their outcomes are taken back chunk by chunk, each in one script; planning then
makes shards of the rows that have none. A crash on the way leaves fewer
requests to be tried again, never one with two outcomes or none.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import orjson

from batchline_shared.errors import InvalidInputError, JobNotReadyError
from batchline_shared.ledger import Stage
from batchline_shared.ledger.chunks import unpack
from batchline_shared.outcome_rows import error_type_of
from batchline_shared.outcomes import RETRY_MAY_HELP, BatchError, ErrorType

if TYPE_CHECKING:
    from collections.abc import Collection

    from batchline.connection import Connection
    from batchline_shared.ledger import JobMeta
    from batchline_shared.outcome_rows import OutcomeReader

__all__ = ["retry_failed"]

_HOLD_S = 60.0
"""How long planning waits for us, should we die on the way."""

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
    if not meta.is_final:
        raise JobNotReadyError(
            f"job {meta.id} is {meta.status}; only a finished job can be retried", job_id=meta.id
        )
    if not _any_wanted(connection, meta, reader, wanted):
        return 0
    jobs, work = connection.jobs, connection.work
    deadline_ms = _deadline_ms(connection, meta)
    # The work first: whatever happens later, somebody will look at the job.
    _open(connection, meta.id, deadline_ms)
    if meta.idempotency:
        # Should it go on the way, an enqueue with the same key would make, and pay for, a second job.
        jobs.keep_claim(meta.idempotency)
    if not jobs.begin_retry(meta.id):
        raise JobNotReadyError(f"job {meta.id} is being retried already, or deleted", job_id=meta.id)
    taken = 0
    for landing in range(meta.landed):
        taken += _take_back(connection, meta.id, landing, reader, wanted)
    jobs.end_retry(meta.id)
    # Had we stood still for a minute before `begin_retry`, a worker would have closed the work again.
    work.open_job(meta.id, delay_s=0.0, sparse=True, deadline_ms=deadline_ms)
    work.wake_job(meta.id)
    connection.nudge(Stage.PLAN)
    return taken


def _deadline_ms(connection: Connection, meta: JobMeta) -> int | None:
    """The deadline, if it binds another round too: one that has passed does not."""
    if meta.deadline is None or meta.deadline.at_ms <= connection.work.now_ms():
        return None
    return meta.deadline.at_ms


def _open(connection: Connection, job_id: str, deadline_ms: int | None) -> None:
    """Reopen the job's work; a worker may still be closing it, moments after it made the job final.

    Raises:
        JobNotReadyError: Somebody else retries it.
    """
    until = time.monotonic() + _CLOSING_S
    while not connection.work.open_job(job_id, delay_s=_HOLD_S, sparse=True, deadline_ms=deadline_ms):
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


def _take_back(
    connection: Connection,
    job_id: str,
    landing: int,
    reader: OutcomeReader[Any],
    wanted: frozenset[ErrorType],
) -> int:
    before = connection.jobs.outcome_chunk(job_id, landing)
    kept: list[bytes] = []
    taken: list[bytes] = []
    rows: list[int] = []
    counts: dict[str, int] = {}
    for row in unpack(before):
        if not row:
            kept.append(row)
            continue
        stored = orjson.loads(row)
        kind = error_type_of(stored)
        counted = f"err.{kind}" if kind is not None else ""
        if kind is None:
            outcome = reader.read(row)
            kind = outcome.error_type if isinstance(outcome, BatchError) else None
        if kind not in wanted:
            kept.append(row)
            continue
        kept.append(b"")  # readers' cursors count on every row's place
        taken.append(row)
        rows.append(stored["n"])
        names = ["errored", counted] if counted else ["succeeded"]
        for name in [*names, "copied"] if "of" in stored else names:
            counts[name] = counts.get(name, 0) + 1
    if rows and not connection.jobs.take_back(job_id, landing, before, kept, taken, rows, counts):
        return 0
    return len(rows)
