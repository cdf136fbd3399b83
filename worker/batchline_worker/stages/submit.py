"""Submit: build, upload, create. The stage that spends money.

`pending → uploaded → submitting → submitted`. From `submitting` on, a batch may
exist; whoever finds a shard there looks at the provider first (`reconcile`).
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, BinaryIO

import structlog

from batchline_shared.errors import (
    JobNotFoundError,
    LedgerError,
    ProviderAuthError,
    ProviderBusyError,
    ProviderError,
    ProviderRejectedError,
)
from batchline_shared.ledger import ShardState, Stage, decided_batch
from batchline_shared.outcomes import ErrorType
from batchline_worker.backoff import delay_s, jittered_s
from batchline_worker.building import build_input
from batchline_worker.orders import Order, find_order, order_of
from batchline_worker.parts import parts_of
from batchline_worker.providers.base import Submission
from batchline_worker.stages import admitting, audit, gating, hinting, pooling
from batchline_worker.stages.budget import hold_back
from batchline_worker.stages.closing import close, close_unanswered
from batchline_worker.stages.quarantine import due_shards, handling
from batchline_worker.stages.reconcile import FRESH, plan_on, ready_state, reconcile, stop_double
from batchline_worker.stages.refusing import refused, rejected, turned_away
from batchline_worker.stages.resolving import resolve
from batchline_worker.stages.telling import explain, mark_started

if TYPE_CHECKING:
    from batchline_shared.ledger import ShardWork
    from batchline_worker.context import WorkerContext
    from batchline_worker.leases import Hold
    from batchline_worker.providers.base import Provider, RemoteBatch

__all__ = ["work"]

_log = structlog.get_logger("batchline.submit")

_AGAIN = (Stage.SUBMIT, Stage.SUBMIT)

_MARGIN_S = 2.0
"""What a lease must hold beyond the create's time-out when the call starts."""

_GATE_S = 1.5
"""Longest wait while another creation of the account is under way, in seconds; most last a moment."""


def work(context: WorkerContext) -> int:
    """Submit, or find again, one shard that is due."""
    shards = due_shards(context, Stage.SUBMIT, 1)
    for shard in shards:
        with handling(context, shard, Stage.SUBMIT) as hold:
            if shard.state == ShardState.SUBMITTING:
                reconcile(context, shard)
            elif shard.state == ShardState.IN_DOUBT or decided_batch(shard.decision):
                resolve(context, shard)
            elif shard.cancel:
                _close_cancelled(context, shard)
            elif shard.state == ShardState.GATHERING:
                pooling.seal(context, shard)
            else:
                _submit(context, shard, hold)
    return len(shards)


def _submit(context: WorkerContext, shard: ShardWork, hold: Hold) -> None:
    order = _order(context, shard)
    if order is None:
        return
    try:
        if not _may_go(context, order, shard):
            return
        mustered = pooling.muster(context, shard)
        if mustered is None:
            return
        shard = mustered
        prepared = _prepared(context, order, shard)
    except ProviderRejectedError as error:
        turned_away(context, shard, str(error))
    except ProviderError as error:
        refused(context, shard, ShardState.PENDING, error)
    except Exception as error:
        # Nothing has been announced, so nothing is in question: others need not wait for our lease to end.
        gating.leave(context, shard)
        if not _parted(context, shard, error):
            raise
    else:
        with prepared.buffer or nullcontext():
            if prepared.file_id == shard.file_id or _keep_file(context, shard, prepared.file_id):
                _create(context, shard, prepared, hold)


def _parted(context: WorkerContext, shard: ShardWork, error: Exception) -> bool:
    """Whether a carrier's riders go on without each other, as the requests of one cannot be read."""
    damaged = isinstance(error, LedgerError | JobNotFoundError)
    if not damaged or not pooling.split(context, shard, Stage.SUBMIT, str(error)):
        return False
    admitting.leave(context, shard)
    return True


def _order(context: WorkerContext, shard: ShardWork) -> Order | None:
    """What a shard is for; None: it is not to be submitted by itself, and its lease is given back."""
    if shard.carriage is not None:
        return find_order(context, shard)
    meta = context.jobs.find(shard.job_id)
    if meta is None:
        close(context, shard, Stage.SUBMIT, message="the job was deleted")
        admitting.leave(context, shard)
        return None
    if shard.ride is not None:
        pooling.board(context, shard, meta)
        return None
    return None if hold_back(context, meta, shard) else order_of(meta)


def _may_go(context: WorkerContext, order: Order, shard: ShardWork) -> bool:
    """Whether the account has room and nothing in question; if not, the lease is given back."""
    if not admitting.enter(context, order, shard):
        return False
    if gating.enter(context, shard):
        return True
    wait_s = delay_s(shard.idle_polls, base_s=0.2, cap_s=_GATE_S)
    context.work.release(shard, ShardState(shard.state), _AGAIN, wait_s, idle_polls=shard.idle_polls + 1)
    return False


def _prepared(context: WorkerContext, order: Order, shard: ShardWork) -> Submission:
    """Upload the shard's input, or build it where the creation sends it; the buffer is the caller's."""
    provider = context.provider(shard.route)
    submission = Submission(
        shard_id=shard.wire_name,
        job_id=shard.job_id,
        endpoint=order.endpoint,
        model=order.named.name,
        requests=shard.requests,
        ledger_id=context.ledger_id,
    )
    if not provider.takes_files:
        return replace(submission, buffer=_built(context, shard))
    known = shard.file_id if shard.state == ShardState.UPLOADED else ""
    return replace(submission, file_id=known or _upload(context, provider, shard))


def _built(context: WorkerContext, shard: ShardWork) -> BinaryIO:
    return build_input(context.jobs, context.settings, shard.wire_name, parts_of(context.pools, shard))


def _upload(context: WorkerContext, provider: Provider, shard: ShardWork) -> str:
    """Safe to repeat: a file costs nothing."""
    # The name of another try must differ: the provider has lost the file of the last one.
    name = f"bl-{shard.wire_name}-{shard.uploads}"
    with _built(context, shard) as buffer:
        return provider.upload(buffer, name=name)


def _keep_file(context: WorkerContext, shard: ShardWork, file_id: str) -> bool:
    """Write that the input is at the provider; False when the lease is lost, or the job was cancelled."""
    kept = context.work.keep(shard, ShardState.UPLOADED, Stage.SUBMIT, file_id=file_id)
    if kept is not None and kept.cancel:
        _close_cancelled(context, shard)
    return kept is not None and not kept.cancel


def _create(context: WorkerContext, shard: ShardWork, submission: Submission, hold: Hold) -> None:
    """Create the batch: exactly one call, announced durably before it is made."""
    if not context.leases.renew(hold):
        return
    audit.expect(context, shard.route)
    announced = context.work.announce(shard)
    if announced is None:
        return
    if announced.cancel:
        # Nothing has been sent under this intent, so there is nothing to look for.
        _close_cancelled(context, shard)
        return
    if hold.remaining_s < context.settings.create_timeout_s + _MARGIN_S:
        # We were frozen since the renewal. The intent stands, so this shard goes
        # the careful way, but nothing has been sent.
        _unknown(context, shard, "the worker was paused before the call")
        return
    try:
        batch = context.provider(shard.route).create(submission)
    except ProviderRejectedError as error:
        context.admission.succeeded(shard.route)
        rejected(context, shard, error)
    except (ProviderAuthError, ProviderBusyError) as error:
        refused(context, shard, ready_state(submission.file_id), error)
    except ProviderError as error:
        # Only what proves a refusal may be followed by another creation.
        admitting.note_failure(context, shard, error)
        _unknown(context, shard, str(error))
    else:
        context.admission.succeeded(shard.route)
        _record(context, shard, batch)


def _record(context: WorkerContext, shard: ShardWork, batch: RemoteBatch) -> None:
    recorded = context.work.release(
        shard,
        ShardState.SUBMITTED,
        (Stage.SUBMIT, Stage.POLL),
        jittered_s(context.settings.poll_interval_s),
        batch_id=batch.id,
        provider_status=batch.status,
        **FRESH,
    )
    if recorded is None and not _is_recorded(context, shard, batch):
        return
    _log.info("submitted", shard=shard.id, batch=batch.id, requests=shard.requests)
    gating.leave(context, shard, batch_id=batch.id)
    hinting.expect(context, shard, batch.id)
    mark_started(context, shard)
    plan_on(context, shard)
    if shard.message or shard.carriage is not None:
        # A rider may have been told of the refusal of another batch before this one.
        explain(context, shard, "")


def _is_recorded(context: WorkerContext, shard: ShardWork, batch: RemoteBatch) -> bool:
    """Whether a batch is its shard's although writing that was refused; if it is a second one, stop it."""
    now = context.work.shard(shard.id)
    if now is not None and now.batch_id == batch.id:
        return True  # the first answer to the write was lost, or somebody has found the batch
    _log.warning("submitted_but_lease_lost", shard=shard.id, batch=batch.id)
    # In `submitting`, whoever holds the shard will find the batch. Later states do not look for one:
    # we were frozen between our last look at the clock and the call. But one that was found by time and
    # size may be another's, and ours the right one: its results will tell, and then ours is found.
    if now is not None and not now.unconfirmed and (now.batch_id or now.state == ShardState.DONE):
        stop_double(context, shard, batch, kept=now.batch_id)
    return False


def _unknown(context: WorkerContext, shard: ShardWork, message: str) -> None:
    """Leave the shard in `submitting`; after the quiet period, look whether a batch exists."""
    quiet_s = context.settings.reconcile_quiet_s
    context.work.release(shard, ShardState.SUBMITTING, _AGAIN, quiet_s, message=message)
    _log.warning("submission_unknown", shard=shard.id, quiet_s=quiet_s, reason=message)


def _close_cancelled(context: WorkerContext, shard: ShardWork) -> None:
    rode = shard.state == ShardState.POOLED
    message = "the job was cancelled" if rode else "the job was cancelled before this request was sent"
    close_unanswered(context, shard, Stage.SUBMIT, ErrorType.CANCELLED, message)
    gating.leave(context, shard)
    context.nudge(Stage.SETTLE)
