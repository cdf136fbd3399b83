"""Keeping known which shard a batch is, while its provider may hint that it has ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchline_shared.hints import HINT_SECRETS

if TYPE_CHECKING:
    from batchline_shared.ledger import ShardWork
    from batchline_worker.context import WorkerContext

__all__ = ["expect", "forget"]


def expect(context: WorkerContext, shard: ShardWork, batch_id: str) -> None:
    """A batch has been recorded; a hint that came before is lost, and its poll comes in time."""
    if _hints(shard):
        context.batch_index.note(shard.route, batch_id, shard.id)


def forget(context: WorkerContext, shard: ShardWork) -> None:
    """A shard's batch has ended."""
    if _hints(shard):
        context.batch_index.forget(shard.route, shard.batch_id)


def _hints(shard: ShardWork) -> bool:
    return shard.route.partition("@")[0] in HINT_SECRETS
