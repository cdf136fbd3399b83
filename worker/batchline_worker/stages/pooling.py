"""Pooling: small shards of many jobs go to the provider in one batch.

A *rider* joins the *carrier* that its pool is filling, writes that it did (`pooled`), and waits: the carrier
goes the way of any shard, and ends its riders when it ends. Before a carrier's input is built, it is asked
who is on board: whoever has left, or has not written yet that it joined, is left out, and joins another.
So a rider is in one batch at most, whoever dies in between.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import structlog

from batchline_shared.accounts import parse_model
from batchline_shared.ledger import Carriage, OnDeadline, Ride, ShardState, Stage, half_of, pool_of
from batchline_worker.backoff import jittered_s
from batchline_worker.building import dialect_of
from batchline_worker.cutting import shard_limits
from batchline_worker.parts import parts_of
from batchline_worker.stages import admitting, gating
from batchline_worker.stages.budget import hold_back
from batchline_worker.stages.closing import close_carrier
from batchline_worker.stages.telling import explain, mark_started

if TYPE_CHECKING:
    from batchline_shared.ledger import JobMeta, ShardWork
    from batchline_worker.context import WorkerContext
    from batchline_worker.cutting import PlannedShard, ShardLimits

__all__ = ["board", "muster", "ride_of", "seal", "split"]

_log = structlog.get_logger("batchline.pooling")

_AGAIN = (Stage.SUBMIT, Stage.SUBMIT)

_LOOK_S: Final = 3600.0
"""Seconds until a rider looks by itself how its carrier stands; the carrier ends it without that."""

_SEAL_S: Final = 1.0
"""Seconds between a carrier's last call and its departure: who has just joined must have written it."""

_HALF_S: Final = 10.0
"""Longest wait of what was refused together, and is to go out again in two halves."""

_ANY_TOKENS: Final = 2**50
"""More than any account may have enqueued."""

_ID_BYTES: Final = 16
"""What a line's id may take more in a carrier than in a shard of its own."""


def ride_of(context: WorkerContext, meta: JobMeta, planned: PlannedShard, limits: ShardLimits) -> Ride | None:
    """How a planned shard shares a batch; None: it has one of its own.

    What is asked live after a deadline must not be in a batch any more, and a shared one is not stopped.
    """
    if meta.deadline is not None and meta.deadline.action is OnDeadline.LIVE:
        return None
    last = planned.cursor == f"{meta.chunks},{meta.total}"
    held = planned.manifest
    size = planned.bytes + held.segment.rows * _ID_BYTES
    full = held.inputs >= limits.requests or held.tokens >= limits.tokens or size >= limits.bytes
    if not meta.linger_s or not last or full:
        return None
    return Ride(_pool(context, meta), size)


def _pool(context: WorkerContext, meta: JobMeta) -> str:
    shared = meta.template if dialect_of(context.settings, meta).one_template else b""
    return pool_of(parse_model(meta.model).route, _carriage(meta), shared)


def _carriage(meta: JobMeta) -> Carriage:
    return Carriage(parse_model(meta.model).name, meta.endpoint, meta.priority)


def board(context: WorkerContext, rider: ShardWork, meta: JobMeta) -> None:
    """Let a rider join its pool, or look whether the carrier that it is in goes on."""
    if rider.state == ShardState.POOLED and not _missed(context, rider):
        return
    if hold_back(context, meta, rider):
        return
    limits = shard_limits(context, meta, parse_model(meta.model))
    most = (limits.requests, int(min(limits.tokens, _ANY_TOKENS)), limits.bytes)
    # A half of a refused carrier waits for nobody but its own.
    halved = rider.ride is not None and rider.ride.pool != _pool(context, meta)
    linger_s = min(meta.linger_s, _HALF_S) if halved else meta.linger_s
    carrier = context.pools.join(rider, _carriage(meta), linger_s=linger_s, most=most)
    wait_s = jittered_s(_LOOK_S)
    written = context.work.release(rider, ShardState.POOLED, _AGAIN, wait_s, carrier=carrier, message="")
    if written is not None and context.pools.carrier_of(rider) != carrier:
        # It left without us, because we had not written yet that we are on board.
        context.work.wake_shard(rider.job_id, rider.id)


def _missed(context: WorkerContext, rider: ShardWork) -> bool:
    """Whether a rider is to join again, as its carrier left without it; if not, its lease is given back."""
    ride = rider.ride
    if ride is None or not ride.carrier:
        return True
    carrier = context.work.shard(ride.carrier)
    if carrier is not None and carrier.state != ShardState.DONE:
        if context.pools.carrier_of(rider) != ride.carrier:
            return True
        if carrier.batch_id:
            mark_started(context, rider)
        context.work.release(rider, ShardState.POOLED, _AGAIN, jittered_s(_LOOK_S))
        return False
    part = parts_of(context.pools, carrier).of_rider(rider.id) if carrier is not None else None
    if carrier is None and context.pools.carrier_of(rider) == ride.carrier:
        message = (
            f"the record of its carrier {ride.carrier} is gone: it cannot be told whether a batch ran it"
        )
        context.work.release(rider, ShardState.IN_DOUBT, _AGAIN, None, message=message)
        context.jobs.explain(rider.job_id, f"shard {rider.id} is in doubt: {message}")
        _log.error("rider_in_doubt", shard=rider.id, carrier=ride.carrier)
        return False
    if carrier is None or part is None or not carrier.batch_id:
        context.pools.leave(ride.pool, rider.id, ride.carrier)
        return True
    # Its end was lost: its lines can be read once more.
    context.work.release(
        rider,
        ShardState.COLLECTING,
        (Stage.SUBMIT, Stage.COLLECT),
        0.0,
        batch_id=carrier.batch_id,
        wire_name=carrier.wire_name,
        first_position=part.first,
        cleaned=1,
    )
    context.nudge(Stage.COLLECT)
    return False


def seal(context: WorkerContext, carrier: ShardWork) -> None:
    """Let nobody join a carrier any more; it departs shortly after."""
    context.work.release(carrier, ShardState.PENDING, _AGAIN, _SEAL_S)


def muster(context: WorkerContext, carrier: ShardWork) -> ShardWork | None:
    """Leave out whoever is not on board of a carrier whose input is about to be built.

    Returns:
        The carrier as it is now; None when the lease is lost, or nobody is left and it has ended.
    """
    if carrier.carriage is None or carrier.state != ShardState.PENDING:
        return carrier
    parts = parts_of(context.pools, carrier)
    aboard = context.pools.aboard(carrier, [part.shard_id for part in parts])
    left = [part for part in parts if part.shard_id not in aboard]
    for part in left:
        # Before it is written that it is left out: else it would wait for a batch that goes without it.
        if not context.pools.put_out(carrier, part.shard_id):
            return None
        # It may have written in between that it is on board, and sleep.
        context.work.wake_shard(part.job_id, part.shard_id)
    if len(left) == len(parts):
        if close_carrier(context, carrier, Stage.SUBMIT, message="nobody was left on board"):
            gating.leave(context, carrier)
            admitting.leave(context, carrier)
        return None
    if not left:
        return carrier
    left_out = parts.left_out.union(*(range(part.first, part.end) for part in left))
    # Under another name: what was uploaded under this one holds other lines.
    cuts = carrier.cuts + 1
    field = Carriage.left_out_field(left_out)
    if context.work.keep(carrier, ShardState.PENDING, Stage.SUBMIT, left_out=field, cuts=cuts) is None:
        return None
    _log.info("left_out", shard=carrier.id, riders=len(left))
    carriage = carrier.carriage._replace(left_out=tuple(sorted(left_out)))
    return replace(carrier, cuts=cuts, carriage=carriage)


def split(context: WorkerContext, carrier: ShardWork, stage: Stage, message: str) -> bool:
    """Send a carrier's riders out again in two, because it was refused as a whole and nothing ran.

    What is wrong with one is no reason to fail the others; halved often enough, it stands alone.

    Returns:
        False when it is no carrier, or the refusal is of the one rider that it has.
    """
    if carrier.carriage is None:
        return False
    parts = list(parts_of(context.pools, carrier))
    alone = len(parts) == 1
    if not parts or (alone and (stage is not Stage.SUBMIT or carrier.segment.rows == 1)):
        return False
    if stage is Stage.SUBMIT:
        # It must not be created again from a file that holds those who have gone.
        if context.work.keep(carrier, ShardState.PENDING, stage) is None:
            return True
    elif not context.work.renew(carrier, stage):
        return True
    explain(context, carrier, message)
    for n, part in enumerate(parts):
        # One that is alone and may be cut, or was counted with those that left, has a batch of its own now.
        pool = "" if alone else half_of(carrier.id, int(n >= len(parts) // 2))
        # First, and under our lease: once it may go with another, nobody must send it with this one.
        if not context.pools.put_out(carrier, part.shard_id):
            return True
        context.pools.send_back(part.shard_id, carrier, pool)
    close_carrier(context, carrier, stage, message=message)
    context.nudge(Stage.SUBMIT)
    _log.warning("split", shard=carrier.id, riders=len(parts), reason=message)
    return True
