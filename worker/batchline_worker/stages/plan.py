"""Plan: cut a job into shards, each as large as one provider batch may be."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from batchline_shared.accounts import parse_model
from batchline_shared.ledger import JobStatus, Segment, Stage
from batchline_shared.ledger.records import STAGING
from batchline_shared.outcomes import ErrorType
from batchline_worker.attempts import Attempt
from batchline_worker.backoff import jittered_s
from batchline_worker.cutting import chunk_infos, manifests, shard_limits
from batchline_worker.landing import Lander, RowNames
from batchline_worker.reasking import Rounds
from batchline_worker.stages.adoption import make_shard
from batchline_worker.stages.pooling import ride_of
from batchline_worker.stages.quarantine import due_jobs, handling

if TYPE_CHECKING:
    from batchline_shared.ledger import JobMeta, JobWork
    from batchline_worker.context import WorkerContext

__all__ = ["work"]

_log = structlog.get_logger("batchline.plan")

_STAGING_S = 30.0
"""Seconds until a job whose enqueue is under way is looked at again; its client wakes us before."""

_MAX_WAITS = 3
"""How often planning waits for a retry that does not end, before it goes on without its client."""

_AHEAD = 16
"""Shards of a job that may wait to be created. So a small job's shards stand behind few of a large one's, and
what is planned later knows what was learned of the account's limits meanwhile."""

_LIVE_ROWS = 250
_MOST_LIVE_SHARDS = 2000

_LOOK_S = 10.0
"""Seconds until a job is looked at again that has that many; whoever creates one of them wakes it before."""


def work(context: WorkerContext) -> int:
    """Plan one job that is due."""
    jobs = due_jobs(context, Stage.PLAN, 1)
    for job in jobs:
        with handling(context, job, Stage.PLAN):
            _plan(context, job)
    return len(jobs)


def _plan(context: WorkerContext, job: JobWork) -> None:
    meta = context.jobs.find(job.id)
    if meta is None:
        # Its client died before committing, or Redis lost it: there is nothing to plan.
        context.work.drop_job(job, Stage.PLAN, clean_after_s=context.settings.clean_up_after_s)
    elif meta.status == STAGING:
        _hold_key(context, meta)
        context.work.postpone_job(job, Stage.PLAN, _STAGING_S)
    elif meta.retrying and job.waited < _MAX_WAITS:
        context.work.postpone_job(job, Stage.PLAN, _STAGING_S, waited=job.waited + 1)
    elif meta.is_final:
        context.work.plan_done(job)
        context.nudge(Stage.SETTLE)
    else:
        _hold_key(context, meta)
        if meta.retrying:
            context.jobs.break_retry(meta.id)
        if not _plan_rows(context, job, meta):
            return
        # Before: were we to die in between, planning would go on at the end.
        context.jobs.end_planning(meta.id, meta.attempt)
        context.work.plan_done(job)
        context.jobs.set_status(meta.id, JobStatus.SUBMITTING, since=[JobStatus.QUEUED])
        context.nudge(Stage.SETTLE if job.cancel else Stage.SUBMIT)


def _hold_key(context: WorkerContext, meta: JobMeta) -> None:
    """Let a job's idempotency key stand for as long as its record does.

    Its client may have died right before the commit, and then nobody else lets the key go.
    """
    if meta.idempotency:
        staging = meta.status == STAGING
        context.jobs.claim(meta.idempotency, meta.id, instead_of=meta.id, staging=staging)


def _plan_rows(context: WorkerContext, job: JobWork, meta: JobMeta) -> bool:
    """Put what is not in a shard into shards, or end it; False when that is not done, or done by others."""
    if meta.adopted:
        return make_shard(context, job, meta)
    if job.cancel and not meta.goes_live:
        _cancel_unplanned(context, job, meta)
        return True
    return _make_shards(context, job, meta)


def _make_shards(context: WorkerContext, job: JobWork, meta: JobMeta) -> bool:
    """Create the job's shards from its cursor on; False when somebody else does, or enough of them wait."""
    model = parse_model(meta.model)
    limits, live = shard_limits(context, meta, model), meta.goes_live
    if live:
        limits = limits._replace(requests=min(limits.requests, _live_rows(meta)))
    cursor, number = job.cursor, job.next_shard
    for planned in manifests(context.jobs, meta, limits, cursor, sparse=job.sparse):
        if context.work.unsent(job.id, range(max(0, number - _AHEAD), number)) >= _AHEAD:
            _go_on_later(context, job, meta)
            return False
        made = context.work.plan_shard(
            job,
            cursor=(cursor, planned.cursor),
            route=model.route,
            manifest=planned.manifest,
            attempt=meta.attempt,
            live=live,
            ride=ride_of(context, meta, planned, limits),
        )
        if made is None:
            _log.info("planning_lost", job=job.id)
            return False
        cursor, number = planned.cursor, made + 1
        context.nudge(Stage.LIVE if live else Stage.SUBMIT)
    _log.info("planned", job=job.id, shards=number, requests=meta.total)
    return True


def _live_rows(meta: JobMeta) -> int:
    """Rows of a shard that is asked live: few, so that many workers share a job, but not a million shards."""
    return max(_LIVE_ROWS, meta.total // _MOST_LIVE_SHARDS)


def _go_on_later(context: WorkerContext, job: JobWork, meta: JobMeta) -> None:
    """Wait until some of the shards are created: whoever creates one wakes the job."""
    context.jobs.set_status(meta.id, JobStatus.SUBMITTING, since=[JobStatus.QUEUED])
    context.work.postpone_job(job, Stage.PLAN, jittered_s(_LOOK_S))


def _cancel_unplanned(context: WorkerContext, job: JobWork, meta: JobMeta) -> None:
    """Rows that no shard holds yet end here; those of shards end with them."""
    chunk, row = map(int, job.cursor.split(","))
    unplanned = context.jobs.ready_rows if job.sparse else context.jobs.open_rows
    for number, info in chunk_infos(context.jobs, meta, chunk):
        start = max(row, info.first_row)
        count = info.first_row + info.rows - start
        segment = Segment(start, count, number, number + 1)
        names = RowNames(context.jobs, meta, segment)
        rounds = Rounds(context.jobs, meta, segment, meta.attempt)
        lander = Lander(context.jobs, meta.id, names, Attempt.ending(meta, meta.attempt), rounds)
        for open_row in unplanned(meta.id, start, count) if count > 0 else ():
            lander.unanswered(
                open_row, ErrorType.CANCELLED, "the job was cancelled before this request was sent"
            )
        lander.flush()
