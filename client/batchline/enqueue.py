"""Streaming a job's requests into the ledger, in bounded memory."""

from __future__ import annotations

import itertools
import logging
import secrets
import time
from typing import TYPE_CHECKING

from redis.exceptions import RedisError

from batchline.chunking import chunked
from batchline.duplicates import marking
from batchline.estimating import Meter, within_budget
from batchline_shared.errors import IdempotencyConflictError, InvalidInputError, QueueUnavailableError
from batchline_shared.ledger import Stage
from batchline_shared.ledger.deletion import Deletion
from batchline_shared.ledger.payload import Written
from batchline_shared.ledger.records import STAGING
from batchline_shared.pricing import rate_card

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from batchline.chunking import EncodedRequest
    from batchline.connection import Connection
    from batchline.duplicates import DuplicateFinder
    from batchline.job_plan import JobPlan
    from batchline_shared.ledger import InputChunk, JobStore

__all__ = ["commit_job", "enqueue_job", "enqueue_rows"]

_PLAN_AFTER_S = 60.0
"""When workers first look at a job whose enqueue has not ended; they put it off again."""

_RESTARTS = 3
"""How often Redis may restart while one job is committed."""

_STALLED_S = 30.0
"""How long an enqueue with the same idempotency key may stand still before it counts as dead."""

_ALIVE_S = 5.0
"""How often an enqueue whose requests come slowly shows that it moves."""

_FLUSH_CHUNKS = 4

_FLUSH_COPIES = 200
"""Lists of equal requests that are written at once; each is short, or has 500."""

_log = logging.getLogger("batchline")


def enqueue_rows(connection: Connection, plan: JobPlan, requests: Iterable[EncodedRequest]) -> str:
    """Write a job and its requests; when this returns, the job survives any crash.

    Returns:
        The job's id; that of the earlier job where the idempotency key stands for one.

    Raises:
        InvalidInputError: There is no request, one is bad, or the deadline has passed; nothing is left in the
            ledger.
        IdempotencyConflictError: The key stands for a job of another model.
        QueueUnavailableError, QueueFullError: Redis; nothing was enqueued.
    """
    with marking(requests, deduplicate=plan.deduplicate) as (marked, finder):
        return _enqueue(connection, plan, iter(_affordable(plan, marked)), finder)


def _enqueue(
    connection: Connection, plan: JobPlan, stream: Iterator[EncodedRequest], finder: DuplicateFinder | None
) -> str:
    first = next(stream, None)
    if first is None:
        raise InvalidInputError("there is no request to enqueue: the list is empty")

    def write(job_id: str) -> None:
        rows = itertools.chain([first], stream)
        alive = _alive(connection.jobs, job_id, rows) if plan.digest else rows
        _write(connection, plan, job_id, alive, finder)

    return enqueue_job(connection, plan, write)


def enqueue_job(connection: Connection, plan: JobPlan, write: Callable[[str], None]) -> str:
    """Write a job's record, let `write` write the rest and commit it, and wake the workers.

    Returns:
        The job's id; that of the earlier job where the idempotency key stands for one.

    Raises:
        IdempotencyConflictError: The key stands for another job.
        ConfigurationError: Redis would delete parts of it when it is full.
        QueueUnavailableError, QueueFullError: Redis; nothing was enqueued.
    """
    job_id = f"job_{secrets.token_hex(10)}"
    with connection.errors():
        connection.require_no_eviction()
        store = connection.jobs
        try:
            # The record before the claim: a key that stands for no record counts as free.
            store.begin(job_id, plan.fields())
            held = _claim(store, plan, job_id) if plan.digest else job_id
            if held != job_id:
                store.abandon(job_id)
                return held
            write(job_id)
        except BaseException as error:
            # Whatever went wrong (the user's own iterator included): leave nothing behind. But the
            # answer to the commit, or the disk's, may be what was lost: then the job is real, and
            # an error would have its caller enqueue it, and pay for it, twice.
            real = _committed(connection, plan, job_id)
            if not real or not isinstance(error, RedisError | QueueUnavailableError):
                raise
            _log.warning("job %s is on the queue, but Redis was slow to confirm it: %s", job_id, error)
        try:
            connection.work.wake_job(job_id)
            connection.nudge(Stage.PLAN)
        except RedisError as error:
            _log.warning(
                "job %s is on the queue, but the workers could not be told (%s); they look within %g s",
                job_id,
                type(error).__name__,
                _PLAN_AFTER_S,
            )
    return job_id


def _affordable(plan: JobPlan, requests: Iterable[EncodedRequest]) -> Iterable[EncodedRequest]:
    if plan.max_cost_usd is None:
        return requests
    meter = Meter(plan.dialect, plan.template, rate_card(plan.model, plan.price_list))
    return within_budget(requests, meter, plan.max_cost_usd)


def _write(
    connection: Connection,
    plan: JobPlan,
    job_id: str,
    requests: Iterator[EncodedRequest],
    finder: DuplicateFinder | None,
) -> None:
    """Write what follows the record."""
    store = connection.jobs
    # Not before the claim: a key that stands for a job gives it, though its deadline has passed.
    now_ms = connection.work.now_ms
    deadline_ms = plan.deadline.at_ms(now_ms(), linger_s=plan.linger_s) if plan.deadline else None
    total = chunks = identifiers = parts = 0
    batch: list[InputChunk] = []
    for chunk in chunked(requests, plan):
        total += chunk.info.rows
        chunks += 1
        identifiers += chunk.custom_ids is not None
        batch.append(chunk)
        if len(batch) == _FLUSH_CHUNKS:
            if plan.digest:
                store.claim(plan.digest, job_id, instead_of=job_id)
            store.write_chunks(job_id, batch)
            batch.clear()
    store.write_chunks(job_id, batch)
    found: dict[str, str | int | bytes] = {
        "total": total,
        "chunks": chunks,
        "given_ids": int(identifiers > 0),
    }
    if finder is not None:
        copies = finder.copies()
        while some := list(itertools.islice(copies, _FLUSH_COPIES)):
            store.write_copies(job_id, some)
            parts += len(some)
        found["duplicates"] = finder.found
    written = Written(chunks, identifiers, finder.found if finder is not None else 0, parts)
    commit_job(connection, plan, job_id, found, written, deadline_ms=deadline_ms)


def commit_job(
    connection: Connection,
    plan: JobPlan,
    job_id: str,
    fields: dict[str, str | int | bytes],
    written: Written,
    *,
    deadline_ms: int | None = None,
) -> None:
    """Make a job real whose parts are written.

    Raises:
        QueueUnavailableError: Redis lost a part of it, or restarts again and again.
    """
    store = connection.jobs
    if deadline_ms is not None:
        fields = fields | {"deadline_ms": deadline_ms}
    for _ in range(_RESTARTS):
        # Due first, then committed: a crash at any point leaves either nothing that
        # lives on, or a committed job that is listed and due.
        connection.work.open_job(job_id, delay_s=_PLAN_AFTER_S, deadline_ms=deadline_ms)
        if plan.digest and store.claim(plan.digest, job_id, instead_of=job_id, staging=False) != job_id:
            raise QueueUnavailableError(
                "Redis lost the idempotency key to another enqueue with the same one; "
                "call again, which gives that one's job"
            )
        if store.commit(job_id, fields, written):
            return
        # What was written before a restart may be lost: the list of jobs, the key, when it is due.
        store.begin(job_id, plan.fields())
    raise QueueUnavailableError(
        "Redis restarts or stands still again and again; look at the server, and call again"
    )


def _alive(store: JobStore, job_id: str, requests: Iterator[EncodedRequest]) -> Iterator[EncodedRequest]:
    """Pass requests on, and show those who wait for the same key that they come, however slowly."""
    shown_at = time.monotonic()
    for request in requests:
        if time.monotonic() - shown_at > _ALIVE_S:
            store.touch(job_id)
            shown_at = time.monotonic()
        yield request


def _committed(connection: Connection, plan: JobPlan, job_id: str) -> bool:
    """Whether a job whose enqueue went wrong is real all the same; if not, forget it."""
    try:
        if not connection.jobs.abandon(job_id):
            return True
        if plan.digest:
            connection.jobs.unclaim(plan.digest, job_id)
        Deletion(connection.redis).forget_work(job_id)
    except RedisError:
        pass  # what is left expires by itself, or the next worker drops it; the first error is the one to see
    return False


def _claim(store: JobStore, plan: JobPlan, job_id: str) -> str:
    """Make the idempotency key stand for our job, or find the job that it stands for.

    An enqueue with the same key may be under way elsewhere: wait for it while
    it moves, and replace it once it stands still, by deleting its record first,
    so that it cannot commit any more.
    """
    held = store.claim(plan.digest, job_id)
    moved_at, seen = time.monotonic(), -1
    while held != job_id:
        staged = store.staged(held)
        if staged is None:
            found = store.find(held)
            if found is not None:
                if found.status == STAGING:
                    continue  # it has begun again since the look
                if (conflict := plan.conflict(found)) is not None:
                    raise IdempotencyConflictError(conflict)
                return held
            held = store.claim(plan.digest, job_id, instead_of=held)  # gone: it died, was deleted, or expired
        elif staged != seen:
            moved_at, seen = time.monotonic(), staged
        elif time.monotonic() - moved_at > _STALLED_S:
            store.abandon(held)
        if held != job_id:
            time.sleep(0.1)
    return held
