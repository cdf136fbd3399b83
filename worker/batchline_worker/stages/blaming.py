"""What a provider refused as a whole: nothing of it ran, so what is not to blame goes out again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from batchline_shared.errors import ProviderError
from batchline_shared.ledger import Carriage, ShardState, Stage
from batchline_shared.outcomes import ErrorType
from batchline_worker.cutting import part_of
from batchline_worker.landing import lost_rows_of
from batchline_worker.stages.closing import close_rider
from batchline_worker.stages.reconcile import dead_with

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batchline_shared.ledger import ShardWork
    from batchline_worker.context import WorkerContext
    from batchline_worker.part_landing import PartLanding
    from batchline_worker.parts import Parts
    from batchline_worker.providers.base import LineError, RemoteBatch

__all__ = ["blamed_rows", "refusal", "said_of", "without_blamed"]

_log = structlog.get_logger("batchline.blaming")

_MAX_CUTS = 20
"""How often a batch goes out again without rows that its provider blamed."""


def refusal(shard: ShardWork, batch: RemoteBatch) -> str:
    """What to say of a batch that was refused as a whole."""
    first = batch.errors[0].message if batch.errors else "it does not say why"
    return f"{shard.route} refused batch {batch.id}: {first}"


def without_blamed(
    context: WorkerContext, shard: ShardWork, parts: Parts, landing: PartLanding, batch: RemoteBatch
) -> bool:
    """Give rows that a refusal names their outcome, and send the others again at once: nothing of them ran.

    Returns:
        Whether the shard is on its way again; the others count no attempt.
    """
    hopeless = shard.cuts >= _MAX_CUTS or any(error.line is None for error in batch.errors)
    if shard.cancel or shard.adopted or hopeless:
        return False
    blamed = blamed_rows(shard, parts, batch)
    for part in parts:
        opened = landing.open(part) if part.first in blamed else None
        if opened is not None:
            for row, said in blamed[part.first].items():
                opened.lander.unanswered(row, *said)
            landing.end(part)
    rest = _rest(context, shard, parts, blamed)
    if rest is None:
        return False
    left, fields = rest
    _forget_refused(context, shard)
    message = f"sent again without {shard.requests - left} requests that {shard.route} refused"
    context.work.release(
        shard,
        ShardState.PENDING,
        (Stage.COLLECT, Stage.SUBMIT),
        0.0,
        batch_id="",
        file_id="",
        dead_batches=dead_with(shard, shard.batch_id),
        provider_status="",
        cleaned=0,
        gone=0,
        cuts=shard.cuts + 1,
        message=message,
        **fields,
    )
    context.nudge(Stage.SUBMIT)
    _log.warning("sent_again_without_blamed", shard=shard.id, batch=batch.id, left=left)
    return True


def _rest(
    context: WorkerContext, shard: ShardWork, parts: Parts, blamed: Mapping[int, Mapping[int, object]]
) -> tuple[int, dict[str, bytes | int]] | None:
    """How many requests are left without the blamed, and the fields that say which; None: all or none."""
    if shard.carriage is None:
        segment = shard.segment
        rows = lost_rows_of(context.jobs, shard.job_id, segment)
        if not 0 < len(rows) < segment.rows:
            return None
        return len(rows), part_of(shard, rows).fields()
    out = {
        at
        for part in parts
        for at in range(part.first, part.end)
        if part.row(at) in blamed.get(part.first, ())
    }
    left = shard.requests - len(out - parts.left_out)
    if not 0 < left < shard.requests:
        return None
    left_out = parts.left_out | out
    for part in parts:
        if part.first in blamed and left_out.issuperset(range(part.first, part.end)):
            close_rider(context, shard, part)
    return left, {"left_out": Carriage.left_out_field(left_out)}


def _forget_refused(context: WorkerContext, shard: ShardWork) -> None:
    """Delete a refused batch's input: the shard will know of its next one only."""
    if context.settings.clean_up_after_s is None:
        return
    try:
        context.provider(shard.route).clean_up(file_id=shard.file_id, batch_id=shard.batch_id)
    except ProviderError as error:
        _log.warning("refused_input_left", shard=shard.id, file=shard.file_id, reason=str(error))


def blamed_rows(
    shard: ShardWork, parts: Parts, batch: RemoteBatch
) -> dict[int, dict[int, tuple[ErrorType, str]]]:
    """Which rows a refusal names, by the first position of their part, and what it says of each first."""
    lines = {error.line: said_of(error) for error in reversed(batch.errors) if error.line is not None}
    if not lines or (shard.ride is not None and shard.ride.wire_name):
        return {}
    blamed: dict[int, dict[int, tuple[ErrorType, str]]] = {}
    for number, position in enumerate(parts.positions(), start=1):
        part = parts.at(position) if number in lines else None
        if part is not None:
            blamed.setdefault(part.first, {})[part.row(position)] = lines[number]
    return blamed


def said_of(error: LineError) -> tuple[ErrorType, str]:
    """What a reason for a refusal is for its requests."""
    words = f"{error.message} ({error.param})" if error.param else error.message
    kind = (
        ErrorType.INVALID_REQUEST if error.line is not None or error.of_requests else ErrorType.PROVIDER_ERROR
    )
    return kind, words
