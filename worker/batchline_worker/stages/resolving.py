"""Carrying out what was decided of a shard in doubt: which batch is its own, or that there is none.

What is decided is checked with the provider as far as that can tell. A decision that cannot be is refused,
and the shard stays in doubt, with the reason in its message.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import structlog

from batchline_shared.errors import ProviderError
from batchline_shared.ledger import NO_BATCH, ShardState, Stage, decided_batch
from batchline_worker.backoff import delay_s
from batchline_worker.stages import gating
from batchline_worker.stages.adoption import denied
from batchline_worker.stages.reconcile import adopt, is_foreign, ready_state
from batchline_worker.stages.telling import explain

if TYPE_CHECKING:
    from batchline_shared.ledger import ShardWork
    from batchline_worker.context import WorkerContext
    from batchline_worker.providers.base import RemoteBatch

__all__ = ["resolve"]

_log = structlog.get_logger("batchline.resolve")

_AGAIN = (Stage.SUBMIT, Stage.SUBMIT)

_CARRIED_OUT: Final[dict[str, str | int]] = {
    "decision": "",
    "idle_polls": 0,
    "absent": 0,
    "blind_ms": 0,
    "attempts": 0,
    "vanished": 0,
    "refused_ms": 0,
}


def resolve(context: WorkerContext, shard: ShardWork) -> None:
    """Carry out what was decided of a shard: of one in doubt, or of one whose batch an audit has found."""
    batch_id = decided_batch(shard.decision)
    if shard.decision == NO_BATCH:
        _send_again(context, shard)
    elif not batch_id:
        _stay(context, shard)
    elif shard.ride is not None:
        # Its place in the batch went with the carrier's record.
        _refuse(context, shard, "its answers cannot be told from those of other jobs in a shared batch")
    else:
        _take(context, shard, batch_id)


def _send_again(context: WorkerContext, shard: ShardWork) -> None:
    """There is no batch: the shard goes on as if it were proven absent; a rider joins another pool."""
    fields = {**_CARRIED_OUT, "message": "a person has decided that it has no batch; creating again"}
    state = ready_state(shard.file_id)
    if shard.ride is not None:
        context.pools.leave(shard.ride.pool, shard.id)
        state, fields = ShardState.PENDING, {**fields, "carrier": ""}
    if context.work.release(shard, state, _AGAIN, 0.0, **fields) is not None:
        explain(context, shard, "")
        _log.warning("resolved", shard=shard.id, batch=None)


def _take(context: WorkerContext, shard: ShardWork, batch_id: str) -> None:
    """The batch is the shard's, unless the provider shows that it cannot be."""
    try:
        batch = context.provider(shard.route).poll(batch_id)
    except ProviderError as error:
        if denied(error) and shard.state != ShardState.IN_DOUBT:
            _doubt(context, shard, f"an audit has found batch {batch_id}, which is not shown now: {error}")
        elif denied(error):
            _refuse(context, shard, f"{shard.route} does not show batch {batch_id} to this account: {error}")
        else:
            _later(context, shard, str(error))
        return
    objection = _objection(context, shard, batch)
    if objection and shard.state != ShardState.IN_DOUBT and not batch.ran_nothing:
        _doubt(context, shard, f"an audit has found batch {batch_id}, but {objection}")
        return
    if objection:
        _refuse(context, shard, f"batch {batch_id} is not its own: {objection}")
        return
    explain(context, shard, "")
    adopt(context, shard, [batch], confirmed=_is_proven(shard, batch))
    context.nudge(Stage.POLL)
    _log.warning("resolved", shard=shard.id, batch=batch_id)


def _doubt(context: WorkerContext, shard: ShardWork, reason: str) -> None:
    """An audit has seen its batch, which may run: that it is unknown, or has another count, proves little."""
    written = context.work.release(shard, ShardState.IN_DOUBT, _AGAIN, None, decision="", message=reason)
    if written is not None:
        gating.leave(context, shard)
        explain(context, shard, f"shard {shard.id} is in doubt: {reason}")
        _log.error("in_doubt", shard=shard.id, reason=reason)


def _is_proven(shard: ShardWork, batch: RemoteBatch) -> bool:
    """Whether mark or input prove it; if not, the results' ids will have to."""
    return batch.shard_id == shard.wire_name or (shard.file_id != "" and batch.input_file_id == shard.file_id)


def _objection(context: WorkerContext, shard: ShardWork, batch: RemoteBatch) -> str:
    """What speaks against a batch being a shard's; empty where nothing does."""
    told = _anothers(context, shard, batch)
    if told:
        return told
    if batch.ran_nothing:
        return "it was refused as a whole, and ran nothing; decide that there is none"
    if batch.total and batch.total != shard.requests:
        return f"it has {batch.total} requests, and the shard {shard.requests}"
    return ""


def _anothers(context: WorkerContext, shard: ShardWork, batch: RemoteBatch) -> str:
    if batch.shard_id is not None and batch.shard_id != shard.wire_name:
        return f"it was made for shard {batch.shard_id}"
    if is_foreign(context, shard, batch):
        return "it is another installation's"
    if not batch.shard_id and shard.file_id and batch.input_file_id not in (None, shard.file_id):
        return f"it runs another input ({batch.input_file_id})"
    if batch.id in shard.dead_batches:
        return "it was looked at before, and came to nothing, or was another's"
    if gating.known_batches(context, shard, [batch.id]):
        return "another shard has it"
    return ""


def _refuse(context: WorkerContext, shard: ShardWork, reason: str) -> None:
    if _stay(context, shard, decision="", message=reason):
        _log.warning("decision_refused", shard=shard.id, reason=reason)
        if shard.state == ShardState.IN_DOUBT:
            explain(context, shard, f"shard {shard.id} is in doubt: {reason}")


def _stay(context: WorkerContext, shard: ShardWork, **fields: str) -> bool:
    """Leave a shard as it is; one in doubt is not looked at again, another one at once."""
    wait_s = None if shard.state == ShardState.IN_DOUBT else 0.0
    return context.work.release(shard, ShardState(shard.state), _AGAIN, wait_s, **fields) is not None


def _later(context: WorkerContext, shard: ShardWork, message: str) -> None:
    """The provider cannot be asked just now; the decision stands."""
    wait_s = delay_s(shard.idle_polls)
    fields: dict[str, str | int] = {"idle_polls": shard.idle_polls + 1, "message": message}
    context.work.release(shard, ShardState(shard.state), _AGAIN, wait_s, **fields)
    _log.warning("cannot_resolve", shard=shard.id, again_in_s=round(wait_s, 1), reason=message)
