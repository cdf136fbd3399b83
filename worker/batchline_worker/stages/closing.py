"""Ending a shard whose requests will get no answer."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from batchline_worker.attempts import Attempt
from batchline_worker.landing import Lander, RowNames, lost_rows_of
from batchline_worker.reasking import Rounds
from batchline_worker.stages import admitting
from batchline_worker.stages.adopted_rows import name_all
from batchline_worker.stages.reconcile import plan_on

if TYPE_CHECKING:
    from batchline_shared.ledger import ShardWork, Stage
    from batchline_shared.outcomes import ErrorType
    from batchline_worker.context import WorkerContext

__all__ = ["close_unanswered"]


def close_unanswered(
    context: WorkerContext, shard: ShardWork, stage: Stage, error_type: ErrorType, message: str
) -> None:
    """Give every row of a shard that has no outcome this one, and end the shard.

    Rows that wait for another attempt go on waiting.

    Does nothing once the lease is lost: whoever holds it now may know better.
    """
    if not context.work.renew(shard, stage):
        return
    fields: dict[str, str | bytes] = {"message": message}
    if shard.adopted:
        segment = name_all(context, shard)
        if segment is None:
            return
        shard = replace(shard, segment=segment)
        fields["segment"] = segment.encode()
    meta = context.jobs.find(shard.job_id)
    if meta is not None:
        names = RowNames(context.jobs, meta, shard.segment)
        rounds = Rounds(context.jobs, meta, shard.segment, shard.attempt)
        lander = Lander(context.jobs, meta.id, names, Attempt.ending(meta, shard.attempt), rounds)
        for row in lost_rows_of(context.jobs, meta.id, shard.segment):
            lander.unanswered(row, error_type, message)
        lander.flush()
    context.work.close_shard(shard, stage, **fields)
    admitting.leave(context, shard)
    plan_on(context, shard)
