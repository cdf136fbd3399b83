"""Deadline: stop what a job has under way once its time is over.

Its batches are cancelled and collected, like those of a job that a user cancels; what was not run ends as
expired, or goes on to the live API. The timer goes last: a worker that dies on the way does it again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from batchline_shared.ledger import Stage
from batchline_shared.ledger.records import STAGING
from batchline_worker.stages.quarantine import handling

if TYPE_CHECKING:
    from batchline_shared.ledger import Deadline, JobTimer
    from batchline_worker.context import WorkerContext

__all__ = ["work"]

_log = structlog.get_logger("batchline.deadline")

_STAGING_S = 30.0
"""Seconds until a job is looked at again whose deadline passed while it was being enqueued."""


def work(context: WorkerContext) -> int:
    """See to one deadline that has been reached."""
    timers = context.timers.lease(1)
    for timer in timers:
        with handling(context, timer, Stage.DEADLINE):
            _reached(context, timer)
    return len(timers)


def _reached(context: WorkerContext, timer: JobTimer) -> None:
    meta = context.jobs.find(timer.job_id)
    if meta is not None and meta.status == STAGING:
        context.timers.postpone(timer, _STAGING_S)
        return
    if meta is not None and meta.deadline is not None:
        # The record first: whoever finds a shard to be cancelled must see why.
        passed = context.jobs.pass_deadline(meta.id, f"its deadline, {meta.deadline}, has passed")
        if passed < 0:
            # The server's clock was set back, or the deadline is a later one than the timer's.
            context.timers.postpone(timer, -passed / 1000)
            return
        if passed:
            _stop(context, meta.id, meta.deadline)
    context.timers.drop(timer)


def _stop(context: WorkerContext, job_id: str, deadline: Deadline) -> None:
    stopped = context.work.cancel(job_id)
    for stage in (Stage.PLAN, Stage.SUBMIT, Stage.POLL):
        context.nudge(stage)
    _log.info("deadline_passed", job=job_id, then=str(deadline.action), stopped=stopped)
