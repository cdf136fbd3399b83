"""Clean: delete what a finished job's batches left at the provider, requests and results.

Outcomes are in the ledger by then. What cannot be deleted after some tries is left, and logged: the
providers drop most files by themselves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from batchline_shared.errors import ProviderError
from batchline_shared.ledger import ShardState, Stage
from batchline_worker.backoff import delay_s
from batchline_worker.stages.quarantine import due_shards, handling

if TYPE_CHECKING:
    from batchline_shared.ledger import ShardWork
    from batchline_worker.context import WorkerContext

__all__ = ["work"]

_log = structlog.get_logger("batchline.clean")

_TRIES = 17
"""With growing waits, about half a day."""

_LONGEST_WAIT_S = 2 * 3600.0

_RETRIED_S = 3600.0
"""Seconds until a shard is looked at again that is, or whose job is, at work once more: its results may be
needed again."""

_AGAIN = (Stage.CLEAN, Stage.CLEAN)


def work(context: WorkerContext) -> int:
    """Clean up after one shard that is due."""
    shards = due_shards(context, Stage.CLEAN, 1)
    for shard in shards:
        with handling(context, shard, Stage.CLEAN):
            _clean(context, shard)
    return len(shards)


def _clean(context: WorkerContext, shard: ShardWork) -> None:
    meta = context.jobs.find(shard.job_id)
    if shard.state != ShardState.DONE or (meta is not None and not meta.is_final):
        context.work.release(shard, ShardState(shard.state), _AGAIN, _RETRIED_S)
        return
    # What the provider loses now, a power cut must not have the ledger want again.
    if not context.work.renew_durably(shard, Stage.CLEAN):
        return
    try:
        # A batch that may be another's, as the results never proved it ours, is not ours to delete.
        batch_id = "" if shard.unconfirmed else shard.batch_id
        provider = context.provider(shard.route)
        for file_id in shard.left_files:
            provider.clean_up(file_id=file_id, batch_id="")
        provider.clean_up(file_id=shard.file_id, batch_id=batch_id)
    except ProviderError as error:
        tries = shard.idle_polls + 1
        wait_s = delay_s(tries, base_s=10.0, cap_s=_LONGEST_WAIT_S) if tries < _TRIES else None
        context.work.release(shard, ShardState.DONE, _AGAIN, wait_s, idle_polls=tries)
        _log.warning(
            "clean_up_failed", shard=shard.id, tries=tries, given_up=wait_s is None, reason=str(error)
        )
    else:
        context.work.release(shard, ShardState.DONE, _AGAIN, None, cleaned=1)
        _log.info("cleaned_up", shard=shard.id)
