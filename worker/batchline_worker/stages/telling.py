"""Showing at a job what happened to its shard; at every rider's job, where the shard is a carrier."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchline_shared.ledger import JobStatus, job_of
from batchline_worker.parts import parts_of

if TYPE_CHECKING:
    from batchline_shared.ledger import ShardWork
    from batchline_worker.context import WorkerContext

__all__ = ["explain", "mark_started"]


def explain(context: WorkerContext, shard: ShardWork, message: str) -> None:
    """Say what keeps a shard's jobs waiting; shown beside their status."""
    for job_id in _jobs_of(context, shard):
        context.jobs.explain(job_id, message)


def mark_started(context: WorkerContext, shard: ShardWork) -> None:
    """Show that a batch of its jobs has been accepted; safe to repeat."""
    before = [JobStatus.QUEUED, JobStatus.SUBMITTING]
    for job_id in _jobs_of(context, shard):
        context.jobs.set_status(job_id, JobStatus.IN_PROGRESS, since=before, stamp="submitted_ms")


def _jobs_of(context: WorkerContext, shard: ShardWork) -> list[str]:
    if shard.carriage is None:
        return [shard.job_id]
    # One that has ended, cancelled, is not told of what goes on without it.
    riders = [part.shard_id for part in parts_of(context.pools, shard)]
    return [job_of(rider) for rider in context.pools.aboard(shard, riders)]
