"""Finding out whether a creation of unknown outcome made a batch.

Never creates. Ends in one of three ways: the batch is found and adopted; it is
proven absent, by two look-ups after the quiet period, and the shard may be
created again; or it cannot be told, and the shard becomes `in_doubt`, which
only a person ends.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import structlog

from batchline_shared.errors import ProviderError
from batchline_shared.ledger import ShardState, Stage
from batchline_worker.backoff import delay_s, jittered_s
from batchline_worker.providers.base import BatchPhase, Search
from batchline_worker.stages import gating, hinting
from batchline_worker.stages.telling import explain, mark_started

if TYPE_CHECKING:
    from batchline_shared.ledger import ShardWork
    from batchline_worker.context import WorkerContext
    from batchline_worker.providers.base import RemoteBatch

__all__ = [
    "FRESH",
    "adopt",
    "dead_with",
    "doubt",
    "is_foreign",
    "plan_on",
    "ready_state",
    "reconcile",
    "stop_double",
]

_log = structlog.get_logger("batchline.reconcile")

_SKEW_S = 300.0
"""How far the provider's clock may be from Redis' without a batch being overlooked."""

_ABSENT_TWICE = 2

_MAX_ATTEMPTS = 20
"""Creations of unknown outcome after which something is wrong that waiting will not mend."""

_DEAD_BATCHES = 32
"""Batches of a shard that are remembered after they came to nothing. Each takes half a minute at least, so
that those of the last five minutes are among them; older ones are known by their age."""

FRESH: Final[dict[str, str | int]] = {
    "attempts": 0,
    "vanished": 0,
    "refused_ms": 0,
    "idle_polls": 0,
    "unseen": 0,
    "decision": "",
    "message": "",
}
"""Fields of a shard whose batch has just been accepted: what went wrong before counts no more."""

_AGAIN = (Stage.SUBMIT, Stage.SUBMIT)


def reconcile(context: WorkerContext, shard: ShardWork) -> None:
    """Look for the batch of a shard that is in `submitting`."""
    since_s = (context.work.now_ms() - shard.intent_ms) / 1000
    quiet_s = context.settings.reconcile_quiet_s
    if since_s < quiet_s:
        # Its creator died, or its lease ended, before the call can have ended.
        context.work.release(shard, ShardState.SUBMITTING, _AGAIN, quiet_s - since_s + 0.01)
        return
    search = Search(
        shard_id=shard.wire_name,
        file_id=shard.file_id,
        requests=shard.requests,
        since_s=shard.intent_ms / 1000 - _SKEW_S,
        until_s=shard.intent_ms / 1000 + context.settings.create_timeout_s + _SKEW_S,
    )
    try:
        if not gating.enter(context, shard):
            # It has given a batch back; of the creation in question now, it could take the batch for its own.
            context.work.release(shard, ShardState.SUBMITTING, _AGAIN, quiet_s / 2)
            return
        provider = context.provider(shard.route)
        found = provider.find(search)
    except ProviderError as error:
        _cannot_tell(context, shard, str(error))
        return
    others = gating.known_batches(context, shard, [batch.id for batch in found])
    found = [b for b in found if b.id not in others and not _is_dead(shard, b, search.since_s)]
    found = [b for b in found if not is_foreign(context, shard, b)]
    if found and (provider.marks_batches or len(found) == 1):
        adopt(context, shard, found, confirmed=provider.marks_batches)
    elif found:
        names = ", ".join(batch.id for batch in found)
        doubt(context, shard, f"{len(found)} batches of its time and size that no shard has: {names}")
    elif shard.absent + 1 < _ABSENT_TWICE:
        # A list may lag behind; one empty look proves little.
        fields: dict[str, str | int] = {"absent": shard.absent + 1, "blind_ms": 0, "idle_polls": 0}
        context.work.release(shard, ShardState.SUBMITTING, _AGAIN, quiet_s / 2, **fields)
    elif shard.vanished + 1 >= _MAX_ATTEMPTS:
        doubt(context, shard, f"{_MAX_ATTEMPTS} creations of unknown outcome, and no batch to be found")
    else:
        _log.info("proven_absent", shard=shard.id)
        fields = {
            "vanished": shard.vanished + 1,
            "message": "the provider has no batch for it; creating again",
        }
        context.work.release(shard, ready_state(shard.file_id), _AGAIN, delay_s(shard.attempts), **fields)
        gating.leave(context, shard)


def is_foreign(context: WorkerContext, shard: ShardWork, batch: RemoteBatch) -> bool:
    """Whether a batch is another installation's, for all that its mark is a shard's of ours.

    A job's id is random, a pool's is not: two installations in one account may make carriers of one name.
    """
    if shard.carriage is None or batch.ledger_id in (None, context.ledger_id):
        return False
    return not shard.file_id or batch.input_file_id != shard.file_id


def _is_dead(shard: ShardWork, batch: RemoteBatch, earliest_s: float) -> bool:
    """Whether a batch was refused before the last intent: a list may show it, but it is not the answer."""
    refused_before = batch.phase is BatchPhase.FAILED and (batch.created_at_s or earliest_s) < earliest_s
    return refused_before or batch.id in shard.dead_batches


def adopt(context: WorkerContext, shard: ShardWork, found: list[RemoteBatch], *, confirmed: bool) -> None:
    """Take the oldest batch that was not refused as ours; any other is a second one, and is stopped."""
    ours = next((batch for batch in found if batch.phase is not BatchPhase.FAILED), found[0])
    doubles = [batch for batch in found if batch is not ours]
    adopted = context.work.release(
        shard,
        ShardState.SUBMITTED,
        (Stage.SUBMIT, Stage.POLL),
        0.0 if shard.cancel else jittered_s(context.settings.poll_interval_s),
        batch_id=ours.id,
        provider_status=ours.status,
        dead_batches=dead_with(shard, *(double.id for double in doubles)),
        unconfirmed=int(not confirmed),
        **FRESH,
    )
    if adopted is None:
        return
    gating.leave(context, shard, batch_id=ours.id)
    hinting.expect(context, shard, ours.id)
    _log.info("adopted", shard=shard.id, batch=ours.id)
    mark_started(context, shard)
    plan_on(context, shard)
    for double in doubles:
        if not double.phase.is_final:
            stop_double(context, shard, double, kept=ours.id)


def stop_double(context: WorkerContext, shard: ShardWork, double: RemoteBatch, *, kept: str) -> None:
    """Cancel a second batch of a shard, so that no more of it is run and paid for."""
    _log.error("double_batch", shard=shard.id, kept=kept, cancelled=double.id)
    try:
        context.provider(shard.route).cancel(double.id)
    except ProviderError as error:
        _log.error("double_batch_not_cancelled", batch=double.id, reason=str(error))


def plan_on(context: WorkerContext, shard: ShardWork) -> None:
    """Let a job's planning go on that waited for this shard to be created, or given up."""
    if context.work.wake_job(shard.job_id):
        context.nudge(Stage.PLAN)


def ready_state(file_id: str) -> ShardState:
    """Where a shard stands that may be created again: with its file, or, where there is none, without."""
    return ShardState.UPLOADED if file_id else ShardState.PENDING


def dead_with(shard: ShardWork, *batch_ids: str) -> str:
    """The shard's `dead_batches` field with these batches added."""
    return " ".join([*shard.dead_batches, *batch_ids][-_DEAD_BATCHES:])


def _cannot_tell(context: WorkerContext, shard: ShardWork, message: str) -> None:
    fields: dict[str, str | int] = {"idle_polls": shard.idle_polls + 1, "message": message}
    if not shard.blind_ms:
        fields["blind_ms"] = "@now"
    elif (
        context.work.now_ms() - shard.blind_ms > context.settings.doubt_after_s * 1000
        and not context.admission.paused(shard.route)
    ):
        doubt(context, shard, message)
        return
    wait_s = delay_s(shard.idle_polls)
    context.work.release(shard, ShardState.SUBMITTING, _AGAIN, wait_s, **fields)
    _log.warning("cannot_reconcile", shard=shard.id, again_in_s=round(wait_s, 1), reason=message)


def doubt(context: WorkerContext, shard: ShardWork, message: str) -> None:
    """Let a person decide whether a shard has a batch."""
    context.work.release(shard, ShardState.IN_DOUBT, _AGAIN, None, message=message)
    gating.leave(context, shard)
    text = (
        f"shard {shard.id} is in doubt: it cannot be told whether {shard.route} "
        f"made a batch for it ({message})"
    )
    explain(context, shard, text)
    _log.error("in_doubt", shard=shard.id, reason=message)
