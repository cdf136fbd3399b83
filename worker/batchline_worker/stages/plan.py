"""Plan: cut a job into shards, each as large as one provider batch may be."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import structlog

from batchline_shared.accounts import parse_model
from batchline_shared.ledger import JobStatus, Segment, Stage, shard_id
from batchline_shared.ledger.records import STAGING
from batchline_shared.outcomes import ErrorType
from batchline_worker.attempts import Attempt
from batchline_worker.building import dialect_of, wire_prefix
from batchline_worker.landing import Lander, RowNames

if TYPE_CHECKING:
    from collections.abc import Iterator

    from batchline_shared.ledger import ChunkInfo, JobMeta, JobStore, JobWork
    from batchline_worker.context import WorkerContext

__all__ = ["PlannedShard", "ShardLimits", "segments", "work"]

_log = structlog.get_logger("batchline.plan")

_STAGING_S = 30.0
"""Seconds until a job whose enqueue is under way is looked at again; its client wakes us before."""

_MAX_WAITS = 3
"""How often planning waits for a retry that does not end, before it goes on without its client."""

_PAGE_CHUNKS = 256


class ShardLimits(NamedTuple):
    """What one shard may hold."""

    requests: int
    bytes: int
    line_bytes: int
    """What a line takes besides its row."""


class PlannedShard(NamedTuple):
    """A shard to be made, and where planning goes on after it."""

    segment: Segment
    cursor: str
    """`chunk,row`."""


def work(context: WorkerContext) -> int:
    """Plan one job that is due."""
    jobs = context.work.lease_jobs(Stage.PLAN, 1)
    for job in jobs:
        with context.leases.holding(job, Stage.PLAN):
            _plan(context, job)
    return len(jobs)


def _plan(context: WorkerContext, job: JobWork) -> None:
    meta = context.jobs.find(job.id)
    if meta is None:
        # Its client died before committing, or Redis lost it: there is nothing to plan.
        context.work.drop_job(job, Stage.PLAN, clean_after_s=context.settings.clean_up_after_s)
    elif meta.status == STAGING:
        context.work.postpone_job(job, Stage.PLAN, _STAGING_S)
    elif meta.retrying and job.waited < _MAX_WAITS:
        context.work.postpone_job(job, Stage.PLAN, _STAGING_S, waited=job.waited + 1)
    elif meta.is_final:
        context.work.plan_done(job)
        context.nudge(Stage.SETTLE)
    else:
        if meta.retrying:
            context.jobs.end_retry(meta.id)
        if job.cancel:
            _cancel_unplanned(context, job, meta)
        elif not _make_shards(context, job, meta):
            return
        # Before: were we to die in between, planning would go on at the end.
        context.jobs.end_planning(meta.id, meta.attempt)
        context.work.plan_done(job)
        context.jobs.set_status(meta.id, JobStatus.SUBMITTING, since=[JobStatus.QUEUED])
        context.nudge(Stage.SETTLE if job.cancel else Stage.SUBMIT)


def _make_shards(context: WorkerContext, job: JobWork, meta: JobMeta) -> bool:
    """Create the job's shards from its cursor on; False when somebody else does."""
    limits = shard_limits(context, meta)
    cursor, number = job.cursor, job.next_shard
    for planned in segments(context.jobs, meta, limits, cursor, sparse=job.sparse):
        made = context.work.plan_shard(
            job,
            shard_id=shard_id(meta.id, number),
            number=number,
            cursor=(cursor, planned.cursor),
            route=parse_model(meta.model).route,
            segment=planned.segment,
            attempt=meta.attempt,
        )
        if not made:
            _log.info("planning_lost", job=job.id)
            return False
        cursor, number = planned.cursor, number + 1
        context.nudge(Stage.SUBMIT)
    _log.info("planned", job=job.id, shards=number, requests=meta.total)
    return True


def shard_limits(context: WorkerContext, meta: JobMeta) -> ShardLimits:
    """The provider's limits, or the settings' where they are lower."""
    speech = dialect_of(context.settings, meta)
    ours = context.settings
    around = sum(map(len, speech.line_ends(meta.template)))
    longest_id = len(wire_prefix(shard_id(meta.id, 99_999_999))) + 8
    return ShardLimits(
        requests=min(speech.limits.max_requests, ours.shard_max_requests or speech.limits.max_requests),
        bytes=min(speech.limits.max_bytes, ours.shard_max_bytes or speech.limits.max_bytes),
        line_bytes=around + longest_id,
    )


def segments(
    store: JobStore, meta: JobMeta, limits: ShardLimits, cursor: str, *, sparse: bool
) -> Iterator[PlannedShard]:
    """Cut the rows from `cursor` on into shards, as few as the limits allow; the same input, the same cut.

    Args:
        store: Where the job lies.
        meta: The job.
        limits: Of one shard.
        cursor: `chunk,row` to begin at.
        sparse: Only rows that are to be sent another time.
    """
    chunk, row = map(int, cursor.split(","))
    draft = _Draft(limits)
    for number, info in _infos(store, meta, chunk):
        end = info.first_row + info.rows
        start = max(row, info.first_row)
        rows = (
            store.ready_rows(meta.id, start, end - start)
            if sparse and start < end
            else list(range(start, end))
        )
        while rows:
            taken = draft.take(number, info, rows)
            if taken < len(rows):
                yield draft.close(number, rows[taken])
            rows = rows[taken:]
    if draft.rows:
        yield draft.close(meta.chunks, meta.total)


def _infos(store: JobStore, meta: JobMeta, start: int) -> Iterator[tuple[int, ChunkInfo]]:
    for page in range(start, meta.chunks, _PAGE_CHUNKS):
        infos = store.infos(meta.id, page, min(page + _PAGE_CHUNKS, meta.chunks))
        yield from enumerate(infos, start=page)


class _Draft:
    """The shard that is being filled."""

    def __init__(self, limits: ShardLimits) -> None:
        self._limits = limits
        self.rows: list[int] = []
        self._bytes = 0
        self._inputs = 0
        self._chunk_from = 0
        self._chunk_to = 0

    def take(self, chunk: int, info: ChunkInfo, rows: list[int]) -> int:
        """Take as many of a chunk's rows as fit; at least one into an empty shard."""
        count, all_of_it = len(rows), len(rows) == info.rows
        room, seats = self._limits.bytes - self._bytes, self._limits.requests - self._inputs
        whole = info.bytes if all_of_it else count * info.max_row_bytes
        inputs = info.inputs or count if all_of_it else count * info.max_row_inputs
        if inputs > seats or whole + count * self._limits.line_bytes > room:
            # Only the largest row's size is known, so count each as that one.
            each = info.max_row_bytes + self._limits.line_bytes
            count = max(min(count, seats // info.max_row_inputs, room // each), 0)
            whole, inputs = count * info.max_row_bytes, count * info.max_row_inputs
        if not self.rows:
            # A request larger than the setting still goes out, alone; enqueue has
            # made sure that it is not larger than the provider allows.
            if count < 1:
                count, whole, inputs = 1, info.max_row_bytes, info.max_row_inputs
            self._chunk_from = chunk
        if count > 0:
            self.rows += rows[:count]
            self._inputs += inputs
            self._bytes += whole + count * self._limits.line_bytes
            self._chunk_to = chunk + 1
        return count

    def close(self, next_chunk: int, next_row: int) -> PlannedShard:
        """The shard as it is, and an empty draft for the next one."""
        segment = Segment.of(self.rows, self._chunk_from, self._chunk_to)
        planned = PlannedShard(segment, f"{next_chunk},{next_row}")
        self.rows, self._bytes, self._inputs = [], 0, 0
        return planned


def _cancel_unplanned(context: WorkerContext, job: JobWork, meta: JobMeta) -> None:
    """Rows that no shard holds yet end here; those of shards end with them."""
    chunk, row = map(int, job.cursor.split(","))
    unplanned = context.jobs.ready_rows if job.sparse else context.jobs.open_rows
    for number, info in _infos(context.jobs, meta, chunk):
        start = max(row, info.first_row)
        count = info.first_row + info.rows - start
        segment = Segment(start, count, number, number + 1)
        lander = Lander(context.jobs, meta.id, RowNames(context.jobs, meta, segment), Attempt(meta.attempt))
        for open_row in unplanned(meta.id, start, count) if count > 0 else ():
            lander.unanswered(
                open_row, ErrorType.CANCELLED, "the job was cancelled before this request was sent"
            )
        lander.flush()
