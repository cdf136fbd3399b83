"""What all lines of a shard are for, and whose turn it is when it waits for room."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from batchline_shared.accounts import parse_model
from batchline_shared.ledger import Priority

if TYPE_CHECKING:
    from batchline_shared.accounts import ModelName
    from batchline_shared.ledger import JobMeta, ShardWork
    from batchline_worker.context import WorkerContext

__all__ = ["Order", "find_order", "order_of"]


class Order(NamedTuple):
    """What a shard asks its provider for."""

    model: str
    """`provider/model-name`, as users give it."""
    endpoint: str
    priority: Priority
    flow: str
    """Whose share of the account's room it takes: the job's, or the pool's."""

    @property
    def named(self) -> ModelName:
        """The model, taken apart."""
        return parse_model(self.model)


def order_of(meta: JobMeta) -> Order:
    """What a job's own shards are for."""
    return Order(meta.model, meta.endpoint, meta.priority, meta.id)


def find_order(context: WorkerContext, shard: ShardWork) -> Order | None:
    """What a shard is for; None when its job is gone."""
    if shard.carriage is not None:
        model, endpoint, priority, _ = shard.carriage
        return Order(f"{shard.route}/{model}", endpoint, Priority(priority), shard.job_id)
    meta = context.jobs.find(shard.job_id)
    return None if meta is None else order_of(meta)
