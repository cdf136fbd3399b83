"""Poll: look how the provider's batches stand, many at a time."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import structlog
from redis.exceptions import RedisError

from batchline_shared.errors import ProviderError, ProviderRejectedError
from batchline_shared.ledger import ShardState, Stage
from batchline_shared.ledger.admission import REFUSED_S
from batchline_shared.outcomes import ErrorType
from batchline_worker.backoff import delay_s, jittered_s
from batchline_worker.providers.base import BatchPhase, SendAgain
from batchline_worker.stages import admitting, hinting
from batchline_worker.stages.adoption import UNKNOWN_AFTER, accepts, denied, is_unseen, noted, refuse
from batchline_worker.stages.closing import close_unanswered
from batchline_worker.stages.quarantine import due_shards, uncounted
from batchline_worker.stages.reconcile import dead_with, ready_state
from batchline_worker.stages.refusing import MAX_UPLOADS, no_room
from batchline_worker.stages.telling import explain, mark_started

if TYPE_CHECKING:
    from collections.abc import Iterator

    from batchline_shared.ledger import ShardWork
    from batchline_worker.context import WorkerContext
    from batchline_worker.providers.base import RemoteBatch

__all__ = ["LOST_AFTER", "NO_ROOM_AFTER", "work"]

_log = structlog.get_logger("batchline.poll")

_AT_ONCE = 50

LOST_AFTER = 80
"""How often in a row the provider must not know a batch, or its results, before they count as lost: about
an hour, because they are paid for, and whoever tries their requests again pays for them twice."""

NO_ROOM_AFTER = 1440
"""How often there must be no room for a request alone before it is given up: about a day, as others' batches
may take the room until they end."""

_AGAIN = (Stage.POLL, Stage.POLL)


def work(context: WorkerContext) -> int:
    """Look at all batches that are due, up to fifty."""
    shards = due_shards(context, Stage.POLL, _AT_ONCE)
    by_route: dict[str, list[ShardWork]] = {}
    for shard in shards:
        by_route.setdefault(shard.route, []).append(shard)
    with uncounted(context, shards, Stage.POLL):
        for name, mine in by_route.items():
            with _apart(name):
                _poll(context, name, mine)
        for shard in shards:
            if shard.is_suspect:
                context.work.leave_alone(shard, Stage.POLL)
    return len(shards)


@contextmanager
def _apart(name: str) -> Iterator[None]:
    """Keep what goes wrong with one batch or provider from the others; its lease brings it back."""
    try:
        yield
    except RedisError:
        raise
    except Exception:  # noqa: BLE001 - logged; nothing is written, so nothing is lost
        _log.exception("poll_broke", of=name)


def _poll(context: WorkerContext, name: str, shards: list[ShardWork]) -> None:
    # Single calls to a provider that hangs may together outlast the leases, and a worker that is to stop.
    until = time.monotonic() + context.settings.lease_s / 2

    def in_time() -> bool:
        return time.monotonic() < until and not context.stopping.is_set()

    # One that cannot be cancelled is followed like the others: it may have ended.
    followed = [
        shard for shard in shards if not (_to_cancel(shard) and in_time() and _cancelled(context, shard))
    ]
    for shard in filter(is_unseen, followed):
        # Alone, as it may be none of this account: that must not stop the others.
        with _apart(shard.id):
            _look_first(context, shard)
    followed = [shard for shard in followed if not is_unseen(shard)]
    if not followed:
        return
    try:
        batches = context.provider(name).poll_many([shard.batch_id for shard in followed])
    except ProviderError as error:
        for shard in followed:
            _later(context, shard, str(error))
        return
    for shard in followed:
        with _apart(shard.id):
            batch = batches.get(shard.batch_id)
            if batch is not None:
                _note(context, shard, batch)
            elif in_time():
                _poll_alone(context, shard)
            else:
                _later(context, shard, "there was no time left to look at this batch")


def _to_cancel(shard: ShardWork) -> bool:
    # One that may be another's must not be cancelled; it ends by itself.
    return shard.cancel and not shard.cancel_sent and not shard.unconfirmed and not is_unseen(shard)


def _cancelled(context: WorkerContext, shard: ShardWork) -> bool:
    """Ask for the batch to be cancelled; False when that failed, and is to be tried again."""
    try:
        batch = context.provider(shard.route).cancel(shard.batch_id)
    except ProviderError as error:
        _log.warning("cancel_failed", shard=shard.id, reason=str(error))
        return False
    wait_s = jittered_s(context.settings.poll_interval_s)
    context.work.release(
        shard, ShardState.SUBMITTED, _AGAIN, wait_s, cancel_sent=1, provider_status=batch.status
    )
    _log.info("cancel_sent", shard=shard.id, batch=shard.batch_id)
    return True


def _look_first(context: WorkerContext, shard: ShardWork) -> None:
    """Look whether there is an adopted batch, and whether it may be adopted."""
    try:
        batch = context.provider(shard.route).poll(shard.batch_id)
    except ProviderError as error:
        unseen = shard.unseen + int(denied(error))
        if unseen >= UNKNOWN_AFTER:
            reason = f"{shard.route} does not show batch {shard.batch_id} to this account: {error}"
            refuse(context, shard, Stage.POLL, reason)
        else:
            context.jobs.explain(shard.job_id, str(error))
            _later(context, shard, str(error), unseen=unseen)
    else:
        if accepts(context, shard, batch):
            context.jobs.explain(shard.job_id, "")
            hinting.expect(context, shard, shard.batch_id)
            _note(context, shard, batch)


def _poll_alone(context: WorkerContext, shard: ShardWork) -> None:
    try:
        batch = context.provider(shard.route).poll(shard.batch_id)
    except ProviderRejectedError as error:
        # A batch may be unknown for moments after it was created.
        if shard.unseen + 1 < LOST_AFTER:
            _later(context, shard, str(error), unseen=shard.unseen + 1)
            return
        close_unanswered(
            context, shard, Stage.POLL, ErrorType.MISSING, f"the provider lost the batch: {error}"
        )
        context.nudge(Stage.SETTLE)
    except ProviderError as error:
        _later(context, shard, str(error))
    else:
        _note(context, shard, batch)


def _note(context: WorkerContext, shard: ShardWork, batch: RemoteBatch) -> None:
    if batch.phase is BatchPhase.FAILED and not shard.adopted and _try_again(context, shard, batch):
        return
    counted = noted(context, shard, batch)
    if batch.phase.is_final:
        fields = {"provider_status": batch.status, "idle_polls": 0, "unseen": 0, **counted}
        context.work.release(shard, ShardState.COLLECTING, (Stage.POLL, Stage.COLLECT), 0.0, **fields)
        admitting.leave(context, shard)
        context.nudge(Stage.COLLECT)
        hinting.forget(context, shard)
        _log.info("ended", shard=shard.id, batch=batch.id, status=batch.status)
        return
    before = (shard.provider_status, shard.completed, shard.failed)
    idle = shard.idle_polls + 1 if before == (batch.status, batch.completed, batch.failed) else 0
    if not idle and shard.carriage is None:
        # Whoever submitted it may have died before saying so. A carrier's riders look for themselves.
        mark_started(context, shard)
    context.work.release(
        shard,
        ShardState.SUBMITTED,
        _AGAIN,
        _interval_s(context, idle),
        provider_status=batch.status,
        completed=batch.completed,
        failed=batch.failed,
        idle_polls=idle,
        unseen=0,
        **counted,
    )


def _interval_s(context: WorkerContext, idle: int) -> float:
    """The poll interval, half again as long for every poll that found nothing new."""
    shortest, longest = context.settings.poll_interval_s, context.settings.poll_max_interval_s
    return jittered_s(min(max(longest, shortest), shortest * 1.5 ** min(idle, 63)))


def _later(context: WorkerContext, shard: ShardWork, message: str, **fields: int) -> None:
    """The batch could not be looked at; it goes on all the same."""
    wait_s = max(jittered_s(context.settings.poll_interval_s), delay_s(shard.idle_polls))
    idle = shard.idle_polls + 1
    context.work.release(
        shard, ShardState.SUBMITTED, _AGAIN, wait_s, idle_polls=idle, message=message, **fields
    )
    _log.warning("poll_failed", shard=shard.id, again_in_s=round(wait_s, 1), reason=message)


def _try_again(context: WorkerContext, shard: ShardWork, batch: RemoteBatch) -> bool:
    """Send a batch again that was refused as a whole, unread: nothing ran, nothing is billed."""
    message = batch.errors[0].message if batch.errors else f"the batch failed ({batch.status})"
    refused = shard.no_room + 1
    if batch.send_again is SendAgain.NO_ROOM and shard.segment.rows == 1 and refused >= NO_ROOM_AFTER:
        message = f"the provider had no room for this request, {refused} times: {message}"
        close_unanswered(context, shard, Stage.POLL, ErrorType.RATE_LIMITED, message)
        context.nudge(Stage.SETTLE)
        return True
    if batch.send_again is SendAgain.NO_ROOM:
        # Its turn comes once a batch of its model ends, and wakes it then; others may use the account, too.
        wait_s = jittered_s(REFUSED_S)
        _send_again(context, shard, ready_state(shard.file_id), wait_s, message, no_room=refused)
        tokens, requests = batch.enqueued_limit_tokens, batch.enqueued_limit_requests
        no_room(context, shard, tokens=tokens, requests=requests)
        return True
    if batch.send_again is not None and shard.uploads < MAX_UPLOADS:
        wait_s = delay_s(shard.uploads)
        uploads = shard.uploads + 1
        return _send_again(context, shard, ShardState.PENDING, wait_s, message, uploads=uploads)
    return False


def _send_again(
    context: WorkerContext, shard: ShardWork, state: ShardState, wait_s: float, message: str, **counts: int
) -> bool:
    """Back to submission, which also ends it there if it was cancelled."""
    fields: dict[str, str | int] = {
        **counts,
        "batch_id": "",
        "dead_batches": dead_with(shard, shard.batch_id),
        "provider_status": "",
        "idle_polls": 0,
        "unseen": 0,
        "message": message,
    }
    wait_s = 0.0 if shard.cancel else wait_s
    context.work.release(shard, state, (Stage.POLL, Stage.SUBMIT), wait_s, **fields)
    hinting.forget(context, shard)
    explain(context, shard, message)
    _log.warning("refused_as_a_whole", shard=shard.id, again_in_s=round(wait_s, 1), reason=message)
    return True
