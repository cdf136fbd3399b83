"""Asking for a share of the account's room before a batch is created, and giving it back once it has ended.

See `ledger.admission`. A shard holds its share from the moment it may be created until its batch has
ended; what a worker that died left is swept.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from batchline_shared.errors import (
    LedgerError,
    ProviderBusyError,
    ProviderError,
    ProviderRejectedError,
    ProviderUnavailableError,
)
from batchline_shared.ledger import Admitted, ShardState, Stage, TooLarge, keys
from batchline_shared.ledger.admission_records import Reason
from batchline_shared.ledger.work_records import job_of
from batchline_worker.backoff import jittered_s
from batchline_worker.cutting import budgets_of, pieces
from batchline_worker.orders import Order, find_order
from batchline_worker.stages.telling import explain

if TYPE_CHECKING:
    from collections.abc import Iterable

    from batchline_shared.ledger import ShardWork, Wait
    from batchline_worker.context import WorkerContext
    from batchline_worker.part_landing import Sums

__all__ = ["enter", "leave", "note_failure", "refine", "sweep", "wake"]

_log = structlog.get_logger("batchline.admission")

_LOOK_S = 30.0
"""Seconds until a shard that waits for room asks again; whoever makes room wakes it before."""

_SOON_S = 1.0

_LONGEST_S = 600.0

_SWEEP_S = 60
"""Seconds between two looks at who holds room in an account."""

_TRIED_ALONE = 3
"""How often a single request is tried that seems larger than any room, before that is believed."""

_HALVED_AT = frozenset({2, 8, 32, 128, 512})
"""Which refusals for want of room halve a shard that has enough by our estimate: that may be too low. But
where others fill the account, smaller batches do not help: so the next one comes ever later."""

_PARTED_AT = 32
"""The same of a carrier, whose halves do not know what befell it."""

_DOUBT_S = 26 * 3600
"""Seconds after which a batch that may exist has ended: no window is longer than a day."""

_HOLDS = (ShardState.PENDING, ShardState.UPLOADED, ShardState.SUBMITTING, ShardState.SUBMITTED)

_MISSING_ROOM = {
    Reason.TOKENS: "room among the enqueued tokens of {model}",
    Reason.REQUESTS: "room among the enqueued requests of {model}",
    Reason.BATCHES: "another batch of {route} to end",
    Reason.CREATIONS: "the next hour's creations of {route}",
    Reason.REFUSED: "a batch of {model} to end: the provider has no room, although there seemed to be",
    Reason.PAUSED: "{route}, which has asked for a pause",
    Reason.OUTAGE: "{route}, which fails or does not answer",
    Reason.TURN: "its turn in {route}",
}


def enter(context: WorkerContext, order: Order, shard: ShardWork) -> bool:
    """Whether a shard may be created now; if not, its lease is given back, with the reason.

    One that is too large for any room is cut instead.

    Raises:
        ProviderAuthError: This worker has no such account, and so does not know its limits.
        ProviderRejectedError: It is a single request that the account has no room for at all, or a carrier,
            which cannot be cut.
    """
    context.provider(shard.route)
    if shard.segment.rows > 1 and _seems_to_fit(shard):
        leave(context, shard)
        if shard.carriage is not None:
            raise ProviderRejectedError(shard.route, shard.message)
        _cut(context, shard, TooLarge(2 * shard.tokens, None), no_room=shard.no_room + 1)
        return False
    answer = _ask(context, order, shard)
    if isinstance(answer, TooLarge):
        if shard.segment.rows == 1 or shard.carriage is not None:
            raise ProviderRejectedError(shard.route, _too_large(shard, answer))
        _cut(context, shard, answer)
        return False
    wake(context, answer.wake)
    if isinstance(answer, Admitted):
        return True
    _wait(context, order, shard, answer)
    return False


def _seems_to_fit(shard: ShardWork) -> bool:
    """Whether it was refused for want of room so often that our estimate may be wrong."""
    return shard.no_room >= _PARTED_AT if shard.carriage is not None else shard.no_room in _HALVED_AT


def _ask(context: WorkerContext, order: Order, shard: ShardWork) -> Admitted | Wait | TooLarge:
    """Ask for room; for a single request, which cannot be cut, for all that there is at most."""
    model = order.named
    context.routes.add(model.route)
    tokens, inputs = max(1, shard.tokens), shard.inputs or shard.segment.rows
    alone = shard.segment.rows == 1 and shard.no_room < _TRIED_ALONE
    if shard.segment.rows == 1 and not alone:
        # Its place in line was for less than it seems to need; and those behind it have waited for its tries.
        leave(context, shard)
    budgets = budgets_of(context, model)
    while True:
        answer = context.admission.ask(
            model.route,
            model.name,
            shard.id,
            tokens=tokens,
            requests=inputs,
            weight=order.priority.weight,
            flow=order.flow,
            limits=budgets,
        )
        if not isinstance(answer, TooLarge) or not alone:
            return answer
        # Estimates may be wrong: with the whole room to itself, the provider is to decide.
        tokens = max(1, min(tokens - 1, answer.limit_tokens or tokens))
        inputs = min(inputs, answer.limit_requests or inputs)


def _wait(context: WorkerContext, order: Order, shard: ShardWork, answer: Wait) -> None:
    """Give the lease of a shard back that waits in line, and say what for."""
    text = "waits for " + _MISSING_ROOM[answer.reason].format(model=order.model, route=shard.route)
    known_s = min(answer.again_in_s, _LONGEST_S) if answer.again_in_s else _LOOK_S
    wait_s = _SOON_S if answer.reason is Reason.TURN else known_s
    stages = (Stage.SUBMIT, Stage.SUBMIT)
    context.work.release(shard, ShardState(shard.state), stages, jittered_s(wait_s) + 0.1, message=text)
    if shard.message != text:
        explain(context, shard, text)
    _log.info("waits", shard=shard.id, position=answer.position, reason=str(answer.reason))


def _cut(context: WorkerContext, shard: ShardWork, limits: TooLarge, *, no_room: int = 0) -> None:
    """Cut a shard that alone exceeds a limit; its parts ask for themselves.

    `no_room`: how often there was none for them, as part of it.
    """
    parts = pieces(shard, tokens=limits.limit_tokens, inputs=limits.limit_requests)
    if not context.work.cut_shard(shard, parts, no_room=no_room):
        return
    _log.info("cut", shard=shard.id, parts=len(parts), rows=shard.segment.rows)
    if shard.file_id and context.settings.clean_up_after_s is not None:
        try:
            context.provider(shard.route).clean_up(file_id=shard.file_id, batch_id="")
        except ProviderError as error:
            _log.warning("input_left", shard=shard.id, file=shard.file_id, reason=str(error))
    context.nudge(Stage.SUBMIT)


def _too_large(shard: ShardWork, limits: TooLarge) -> str:
    what = "this request has" if shard.segment.rows == 1 else "these requests, which share a batch, have"
    held = f"about {shard.tokens} input tokens" if limits.limit_tokens else f"{shard.inputs} inputs"
    return (
        f"{what} {held}, and the account may have {limits.limit_tokens or limits.limit_requests} "
        "enqueued at most; make it smaller, or have the account's limit raised"
    )


def leave(context: WorkerContext, shard: ShardWork) -> None:
    """Give a shard's share back, or its place in line; safe to call for any."""
    wake(context, context.admission.give_back(shard.route, shard.id))


def wake(context: WorkerContext, shards: Iterable[str]) -> None:
    """Have those look again whose turn it is."""
    if sum(context.work.wake_shard(job_of(shard), shard) for shard in shards):
        context.nudge(Stage.SUBMIT)


def refine(context: WorkerContext, shard: ShardWork, sums: Sums) -> None:
    """Compare what a batch used with what was estimated, for the next ones of its model."""
    order = find_order(context, shard)
    if order is not None:
        estimated = shard.tokens * sums.answered_rows // shard.segment.rows
        context.admission.refine(
            shard.route, order.named.name, estimated_tokens=estimated, actual_tokens=sums.input_tokens
        )


def note_failure(context: WorkerContext, shard: ShardWork, error: ProviderError) -> None:
    """Mind what a failed call says of the account: that it is to pause, is full, or is not there."""
    if isinstance(error, ProviderUnavailableError) or error.status_code is None:
        stopped_s = context.admission.failed(shard.route)
        if stopped_s:
            _log.warning("account_stopped", route=shard.route, for_s=round(stopped_s), reason=str(error))
    elif isinstance(error, ProviderBusyError) and error.retry_after_s:
        context.admission.pause(shard.route, min(error.retry_after_s, _LONGEST_S))


def sweep(context: WorkerContext) -> None:
    """Give back what shards hold whose worker died before doing so; once a minute for each account."""

    def holds(shard_id: str) -> bool:
        try:
            shard = context.work.shard(shard_id)
        except LedgerError:
            return False
        if shard is not None and shard.state == ShardState.IN_DOUBT:
            return context.work.now_ms() - shard.intent_ms < _DOUBT_S * 1000
        return shard is not None and shard.state in _HOLDS

    for route in list(context.routes):
        if context.redis.set(keys.sweep(route), 1, nx=True, ex=_SWEEP_S):
            wake(context, context.admission.sweep(route, holds))
