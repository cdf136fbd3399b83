"""Ending a shard, and those that rode with it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from batchline_worker.landing import lost_rows_of
from batchline_worker.part_landing import PartLanding
from batchline_worker.parts import parts_of
from batchline_worker.stages import admitting
from batchline_worker.stages.adopted_rows import name_all
from batchline_worker.stages.reconcile import plan_on

if TYPE_CHECKING:
    from batchline_shared.ledger import ShardWork, Stage
    from batchline_shared.outcomes import ErrorType
    from batchline_worker.context import WorkerContext
    from batchline_worker.parts import Part

__all__ = ["close", "close_carrier", "close_rider", "close_unanswered"]

_KEPT_S: Final = 30 * 24 * 3600
"""Seconds for which a carrier's record is kept where jobs are kept for ever; theirs say all that matters."""

_CLEAN_BY: Final = 0.9
"""The part of that time after which its files are deleted at the latest: later, nobody knows them."""


def close_unanswered(
    context: WorkerContext, shard: ShardWork, stage: Stage, error_type: ErrorType, message: str
) -> None:
    """Give every row of a shard that has no outcome this one, and end the shard.

    Rows that wait for another attempt go on waiting.

    Does nothing once the lease is lost: whoever holds it now may know better.
    """
    if not context.work.renew(shard, stage):
        return
    fields: dict[str, str | bytes] = {"message": message}
    if shard.adopted:
        segment = name_all(context, shard)
        if segment is None:
            return
        shard = replace(shard, segment=segment)
        fields["segment"] = segment.encode()
    landing = PartLanding(context, shard, final=True)
    for part in parts_of(context.pools, shard):
        opened = landing.open(part)
        if opened is not None:
            for row in lost_rows_of(context.jobs, part.job_id, part.segment):
                opened.lander.unanswered(row, error_type, message)
    landing.flush()
    close(context, shard, stage, **fields)
    admitting.leave(context, shard)
    plan_on(context, shard)


def close(context: WorkerContext, shard: ShardWork, stage: Stage, **fields: str | int | bytes) -> bool:
    """End a shard whose rows all have their outcome; a carrier's riders before it, a rider out of its pool.

    Returns:
        False when the lease is lost.
    """
    if shard.carriage is not None:
        if not context.work.renew(shard, stage):
            return False
        parts = list(parts_of(context.pools, shard))
        ours = context.pools.passengers(shard, [part.shard_id for part in parts])
        for part in parts:
            if part.shard_id in ours:
                close_rider(context, shard, part, **fields)
            else:
                # Whoever put it out may have died before telling it to join another.
                context.work.wake_shard(part.job_id, part.shard_id)
        return close_carrier(context, shard, stage, **fields)
    if shard.ride is not None:
        context.pools.leave(shard.ride.pool, shard.id)
    return context.work.close_shard(shard, stage, **fields)


def close_rider(context: WorkerContext, carrier: ShardWork, part: Part, **fields: str | int | bytes) -> None:
    """End a rider whose rows all have their outcome, and leave with it what reading its lines again takes."""
    context.pools.close_rider(
        part.shard_id,
        carrier,
        batch_id=carrier.batch_id,
        wire_name=carrier.wire_name,
        first_position=part.first,
        # Its files are the carrier's to clean up.
        cleaned=1,
        **fields,
    )
    context.pools.put_out(carrier, part.shard_id)


def close_carrier(
    context: WorkerContext, carrier: ShardWork, stage: Stage, **fields: str | int | bytes
) -> bool:
    """End a carrier whose riders have all ended; False when the lease is lost."""
    kept_s = context.settings.retention_s or _KEPT_S
    clean_after_s = context.settings.clean_up_after_s
    if clean_after_s is not None:
        clean_after_s = min(clean_after_s, kept_s * _CLEAN_BY)
    return context.pools.close(carrier, stage, kept_s=kept_s, clean_after_s=clean_after_s, **fields)
