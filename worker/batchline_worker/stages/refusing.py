"""What follows when a provider refuses a shard, and nothing was accepted: again later, or given up."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from batchline_shared.errors import ProviderAuthError, ProviderBusyError, ProviderError, ProviderRejectedError
from batchline_shared.ledger import ShardState, Stage
from batchline_shared.outcomes import ErrorType
from batchline_worker.backoff import delay_s
from batchline_worker.orders import find_order
from batchline_worker.stages import admitting, gating, pooling
from batchline_worker.stages.closing import close_unanswered
from batchline_worker.stages.telling import explain

if TYPE_CHECKING:
    from batchline_shared.ledger import ShardWork
    from batchline_worker.context import WorkerContext

__all__ = ["MAX_UPLOADS", "MAX_WAIT_S", "give_up", "kind_of", "no_room", "refused", "rejected", "turned_away"]

_log = structlog.get_logger("batchline.submit")

_AGAIN = (Stage.SUBMIT, Stage.SUBMIT)

MAX_UPLOADS = 5
"""How often a file that the provider cannot find is uploaded again; it says so by mistake at times."""

_TOO_MANY = 429
"""HTTP's own number."""

MAX_WAIT_S = 600.0
"""Longest wait after a refusal, whatever the provider asks for: limits may be lifted meanwhile."""

_PATIENCE_S = 24 * 3600.0
"""For how long a shard is tried again whose provider fails or is busy: that passes, unlike a missing key."""


def rejected(context: WorkerContext, shard: ShardWork, error: ProviderRejectedError) -> None:
    """The same creation would be refused again; but a file that has expired may be uploaded anew."""
    file_is_gone = error.status_code in (400, 404) and "file" in str(error).lower()
    if file_is_gone and shard.uploads < MAX_UPLOADS:
        refused(context, shard, ShardState.PENDING, error, file_id="", uploads=shard.uploads + 1)
    else:
        turned_away(context, shard, str(error))


def turned_away(context: WorkerContext, shard: ShardWork, message: str) -> None:
    """A shard cannot be sent, for good: it ends, or its riders go out again in two halves."""
    if pooling.split(context, shard, Stage.SUBMIT, message):
        gating.leave(context, shard)
        admitting.leave(context, shard)
    else:
        give_up(context, shard, ErrorType.INVALID_REQUEST, message)


def refused(
    context: WorkerContext, shard: ShardWork, state: ShardState, error: ProviderError, **more: str | int
) -> None:
    """Nothing was accepted: try again later, or give up once it has gone on for too long."""
    message = str(error)
    fields: dict[str, str | int] = {**more, "attempts": shard.attempts + 1, "message": message}
    if not shard.refused_ms:
        fields["refused_ms"] = "@now"
    elif _refused_for_s(context, shard) > _patience_s(context, error):
        give_up(context, shard, kind_of(error), message)
        return
    wait_s = delay_s(shard.attempts)
    if isinstance(error, ProviderBusyError) and error.retry_after_s is not None:
        wait_s = min(max(wait_s, error.retry_after_s), MAX_WAIT_S)
    context.work.release(shard, state, _AGAIN, wait_s, **fields)
    gating.leave(context, shard)
    admitting.note_failure(context, shard, error)
    if _is_full(error):
        no_room(context, shard)
    else:
        admitting.leave(context, shard)
    explain(context, shard, message)
    _log.warning("refused", shard=shard.id, again_in_s=round(wait_s, 1), reason=message)


def no_room(
    context: WorkerContext, shard: ShardWork, *, tokens: int | None = None, requests: int | None = None
) -> None:
    """Send a shard back to its place in line that the provider had no room for; with limits that it named."""
    order = find_order(context, shard)
    if order is not None:
        room, name = context.admission, order.named.name
        woken = room.learn(shard.route, name, shard_id=shard.id, limit_tokens=tokens, limit_requests=requests)
        admitting.wake(context, woken)


def _is_full(error: ProviderError) -> bool:
    """Whether a refusal may be for want of room: it says neither what is wrong nor when to come again."""
    busy = isinstance(error, ProviderBusyError) and error.retry_after_s is None
    return busy and error.status_code == _TOO_MANY and error.code != "insufficient_quota"


def _patience_s(context: WorkerContext, error: ProviderError) -> float:
    """Seconds of refusals after which it is given up; an outage passes by itself, a missing key does not."""
    passes = not isinstance(error, ProviderAuthError) and error.code != "insufficient_quota"
    give_up_s = context.settings.submit_give_up_s
    return max(give_up_s, _PATIENCE_S) if passes else give_up_s


def _refused_for_s(context: WorkerContext, shard: ShardWork) -> float:
    return context.work.now_ms() / 1000 - shard.refused_ms / 1000


def kind_of(error: ProviderError) -> ErrorType:
    """What to say of requests that a provider has refused for too long."""
    if error.code == "insufficient_quota":
        return ErrorType.QUOTA_EXHAUSTED
    if isinstance(error, ProviderAuthError):
        return ErrorType.PROVIDER_ERROR
    return ErrorType.RATE_LIMITED if isinstance(error, ProviderBusyError) else ErrorType.PROVIDER_ERROR


def give_up(context: WorkerContext, shard: ShardWork, kind: ErrorType, message: str) -> None:
    """End a shard that the provider will not take."""
    explain(context, shard, message)
    close_unanswered(context, shard, Stage.SUBMIT, kind, message)
    gating.leave(context, shard)
    context.nudge(Stage.SETTLE)
    _log.warning("given_up", shard=shard.id, error_type=str(kind), reason=message)
