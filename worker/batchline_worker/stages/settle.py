"""Settle: end a job whose shards have all ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from batchline_shared.ledger import Ending, JobStatus, Stage
from batchline_shared.outcomes import ErrorType
from batchline_worker.attempts import backoff_s
from batchline_worker.copying import land_all_copies
from batchline_worker.landing import lost_rows_of
from batchline_worker.stages.live import give_up_asked
from batchline_worker.stages.quarantine import due_jobs, handling

if TYPE_CHECKING:
    from batchline_shared.ledger import JobMeta, JobWork, RowTally, ShardWork
    from batchline_worker.context import WorkerContext

__all__ = ["final_status", "work"]

_log = structlog.get_logger("batchline.settle")

_PAGE_ROWS = 8192

_AGAIN_S = 30.0
"""Seconds until a job is looked at again whose lost outcomes could not be fetched."""


def work(context: WorkerContext) -> int:
    """Settle one job that is due."""
    jobs = due_jobs(context, Stage.SETTLE, 1)
    for job in jobs:
        with handling(context, job, Stage.SETTLE):
            _settle(context, job)
    return len(jobs)


def _settle(context: WorkerContext, job: JobWork) -> None:
    before = context.jobs.find(job.id)
    # The bits before the record, so that the record's counts are not older than they; and within one attempt.
    tally = context.jobs.tally(job.id)
    meta = context.jobs.find(job.id)
    if meta is None or before is None:
        context.work.drop_job(job, Stage.SETTLE, clean_after_s=context.settings.clean_up_after_s)
        return
    if meta.attempt != before.attempt:
        return  # whoever has gone on holds the lease
    if not meta.is_final and tally.done < meta.total:
        _go_on(context, job, meta, tally)
        return
    retention_s = context.settings.retention_s if meta.retention_s is None else meta.retention_s
    status = JobStatus(meta.status) if meta.is_final else final_status(meta, cancelled=job.cancel)
    # The record first: should we die in between, the next tick comes here again.
    message = _message(meta, status)
    if not context.jobs.finish(job.id, status, message=message, retention_s=retention_s, done=tally.done):
        # A retry takes outcomes back: planning waits for it. Or a restart has lost some: settling finds out.
        context.work.replan(job)
        return
    if meta.idempotency:
        context.jobs.expire_claim(meta.idempotency, retention_s)
    counts = {
        f"ended.{status}": 1,
        "request.succeeded": meta.succeeded,
        "request.errored": meta.errored,
    }
    clean_after_s = context.settings.clean_up_after_s
    ending = _ending(meta, status)
    context.work.close_job(
        job, retention_s=retention_s, clean_after_s=clean_after_s, counts=counts, ending=ending
    )
    if ending is not None:
        context.nudge(Stage.NOTIFY)
    _log.info("finished", job=job.id, status=str(status), succeeded=meta.succeeded, errored=meta.errored)


def _ending(meta: JobMeta, status: JobStatus) -> Ending | None:
    """What is told of this end, and to whom; None where nobody is."""
    if not meta.on_complete and not meta.webhook:
        return None
    counts = {"total": meta.total, "succeeded": meta.succeeded, "errored": meta.errored}
    return Ending(meta.on_complete, meta.webhook, status, counts, meta.round)


def _go_on(context: WorkerContext, job: JobWork, meta: JobMeta, tally: RowTally) -> None:
    """Every shard has ended and rows have no outcome: they equal others, are tried again, or were lost."""
    waiting = context.jobs.waiting_copies(job.id, meta.total) if meta.duplicates else 0
    if waiting and tally.done + waiting >= meta.total:
        _copy_outcomes(context, job, meta)
        return
    if tally.done + tally.again + waiting >= meta.total:
        _plan_attempt(context, job, meta, context.jobs.begin_attempt(job.id, meta.attempt))
        return
    shards = context.work.shards_of(job.id)
    if tally.ready and all(shard.attempt < meta.attempt for shard in shards):
        # Begun, and not planned: its worker died in between.
        _plan_attempt(context, job, meta, meta.attempt)
        return
    # What is ready has been planned: its outcomes were lost, and it must not be sent once more.
    context.jobs.end_planning(job.id, meta.attempt)
    _recover(context, job, meta, shards)


def _copy_outcomes(context: WorkerContext, job: JobWork, meta: JobMeta) -> None:
    """Give requests that equal others the outcomes that these have: whoever landed those died before."""
    copied = land_all_copies(context.jobs, meta)
    context.work.postpone_job(job, Stage.SETTLE, 0.0 if copied else _AGAIN_S)
    _log.warning("copies_were_missing", job=job.id, copied=copied)


def _plan_attempt(context: WorkerContext, job: JobWork, meta: JobMeta, attempt: int) -> None:
    """Plan the rows that failed and are tried again, after their backoff."""
    delay_s = 0.0 if job.cancel else backoff_s(meta, attempt)
    context.work.replan(job, delay_s=delay_s)
    _log.info("next_attempt", job=job.id, attempt=attempt, in_s=round(delay_s, 1))


def _recover(context: WorkerContext, job: JobWork, meta: JobMeta, shards: list[ShardWork]) -> None:
    """Find the outcomes that were lost: Redis lost a moment, or a shard was closed early.

    Rows of a shard are collected again, which is free; only rows that no shard
    ever held are planned anew.
    """
    if meta.deadline is not None and meta.deadline.passed and give_up_asked(context, meta):
        # What was asked live cannot be looked for, and its batch knows nothing of it.
        context.work.postpone_job(job, Stage.SETTLE, 0.0)
        return
    reopened = 0
    spoken_for: set[int] = set()
    # A row that was tried again lies in several shards; the newest knows its outcome.
    for shard in reversed(shards):
        lost = lost_rows_of(context.jobs, job.id, shard.segment) if shard.batch_id else []
        if lost and spoken_for.isdisjoint(lost):
            reopened += context.work.reopen_shard(job, shard)
        spoken_for.update(lost)
    if reopened:
        context.nudge(Stage.COLLECT)
    elif spoken_for:
        # A batch ran these rows, but cannot be read again just now: planning them would pay twice.
        context.work.postpone_job(job, Stage.SETTLE, _AGAIN_S)
    else:
        for at in range(0, meta.total, _PAGE_ROWS):
            context.jobs.make_ready(
                job.id, context.jobs.lost_rows(job.id, at, min(_PAGE_ROWS, meta.total - at))
            )
        context.work.replan(job)
        context.nudge(Stage.PLAN)
    _log.warning("outcomes_were_missing", job=job.id, reopened=reopened)


def final_status(meta: JobMeta, *, cancelled: bool = False) -> JobStatus:
    """How a job has ended whose requests all have their outcome; `cancelled`: its work was marked so."""
    asked = (cancelled and not meta.overdue) or meta.status == JobStatus.CANCELLING
    if asked and meta.errors.get(ErrorType.CANCELLED):
        return JobStatus.CANCELLED
    if meta.succeeded:
        return JobStatus.COMPLETED
    expired = meta.errors.get(ErrorType.EXPIRED, 0)
    if expired and (meta.overdue or expired == meta.total):
        return JobStatus.EXPIRED
    return JobStatus.FAILED


def _message(meta: JobMeta, status: JobStatus) -> str:
    if status is JobStatus.COMPLETED:
        return ""
    if meta.message:
        return meta.message
    worst = max(meta.errors, key=lambda kind: meta.errors[kind], default="")
    return f"{meta.errors[worst]} of {meta.total} requests ended as {worst}" if worst else ""
