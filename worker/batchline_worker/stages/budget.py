"""Holding back what would take a job above its `max_cost_usd`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from batchline_shared.ledger import ShardState, Stage
from batchline_shared.pricing import over_budget
from batchline_worker.landing import open_rows_of

if TYPE_CHECKING:
    from batchline_shared.ledger import JobMeta, ShardWork
    from batchline_worker.context import WorkerContext

__all__ = ["hold_back"]

_log = structlog.get_logger("batchline.budget")

_AGAIN_S = 60.0
"""Seconds until it is looked at again whether a job may spend more: what was under way may have cost less."""

_MAY_COST = (
    ShardState.POOLED,
    ShardState.SUBMITTING,
    ShardState.SUBMITTED,
    ShardState.IN_DOUBT,
    ShardState.COLLECTING,
)
"""States of a shard that a batch runs, or may run."""


def hold_back(context: WorkerContext, meta: JobMeta, shard: ShardWork) -> bool:
    """Give a shard's lease back, with the reason, while its job may spend no more; else do nothing."""
    if meta.max_cost_usd is None:
        return False
    told = over_budget(meta, in_flight=_in_flight(context, shard))
    if told is None:
        return False
    state = ShardState(shard.state)
    context.work.release(shard, state, (Stage.SUBMIT, Stage.SUBMIT), _AGAIN_S, message=told)
    if meta.message != told:
        context.jobs.explain(meta.id, told)
        _log.warning("held_by_budget", job=meta.id, reason=told)
    return True


def _in_flight(context: WorkerContext, shard: ShardWork) -> int:
    """Requests of a job that batches of its other shards hold, or may hold, and that have no outcome yet."""
    return sum(
        len(open_rows_of(context.jobs, shard.job_id, one.segment))
        for one in context.work.shards_of(shard.job_id)
        # One that was left out of its batch has the state still, but is what is to be sent.
        if one.state in _MAY_COST and one.id != shard.id
    )
