"""Collect: stream a batch's result files into outcomes. Idempotent: the same lines twice change nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import structlog

from batchline_shared.dialects.jsonl import parse_line
from batchline_shared.dialects.registry import dialect
from batchline_shared.errors import ProviderError, ProviderRejectedError, ProviderUnavailableError
from batchline_shared.ledger import ShardState, Stage
from batchline_shared.outcomes import ErrorType
from batchline_worker.backoff import delay_s
from batchline_worker.building import position_of
from batchline_worker.landing import lost_rows_of
from batchline_worker.part_landing import PartLanding
from batchline_worker.parts import parts_of
from batchline_worker.providers.base import BROKEN_OFF, BatchPhase
from batchline_worker.stages import admitting, pooling
from batchline_worker.stages.adopted_lines import land_adopted
from batchline_worker.stages.adopted_rows import AdoptedRows, adopted_rows
from batchline_worker.stages.blaming import blamed_rows, refusal, said_of, without_blamed
from batchline_worker.stages.closing import close, close_unanswered
from batchline_worker.stages.poll import LOST_AFTER
from batchline_worker.stages.quarantine import due_shards, handling
from batchline_worker.stages.reconcile import dead_with

if TYPE_CHECKING:
    from collections.abc import Iterator

    from batchline_shared.dialects.base import Dialect
    from batchline_shared.ledger import ShardWork
    from batchline_worker.context import WorkerContext
    from batchline_worker.leases import Hold
    from batchline_worker.part_landing import OpenPart
    from batchline_worker.parts import Parts
    from batchline_worker.providers.base import RemoteBatch

__all__ = ["work"]

_log = structlog.get_logger("batchline.collect")

_READ_AGAIN = 5
"""How often results with fewer lines than there should be are read again before that is believed."""

_UNANSWERED = {
    BatchPhase.EXPIRED: (
        ErrorType.EXPIRED,
        "the provider's completion window ended before this request was run",
    ),
    BatchPhase.CANCELLED: (ErrorType.CANCELLED, "the batch was cancelled before this request was run"),
    BatchPhase.FAILED: (
        ErrorType.PROVIDER_ERROR,
        "the provider refused the batch because of other requests in it",
    ),
}
_MISSING = (ErrorType.MISSING, "the batch has ended and its results have no line for this request")


def work(context: WorkerContext) -> int:
    """Collect one batch that has ended."""
    shards = due_shards(context, Stage.COLLECT, 1)
    for shard in shards:
        with handling(context, shard, Stage.COLLECT) as hold:
            _collect(context, shard, hold)
    return len(shards)


def _collect(context: WorkerContext, shard: ShardWork, hold: Hold) -> None:
    landing = PartLanding(context, shard)
    if shard.adopted:
        gone = context.jobs.find(shard.job_id) is None
    else:
        parts = parts_of(context.pools, shard)
        gone = shard.carriage is None and not all(landing.open(part) for part in parts)
    if gone:
        close(context, shard, Stage.COLLECT, message="the job was deleted")
        admitting.leave(context, shard)
        return
    # The lease is ours after the record was read: so the attempt that it names is not over before we begin.
    if not context.leases.renew(hold):
        return
    if not shard.adopted:
        _read(context, shard, hold, landing)
        return
    with adopted_rows(context, shard) as rows:
        _read(context, shard, hold, PartLanding(context, shard, names=rows), rows)


def _read(
    context: WorkerContext,
    shard: ShardWork,
    hold: Hold,
    landing: PartLanding,
    rows: AdoptedRows | None = None,
) -> None:
    """Read a batch's results and land them; `rows`: those of an adopted one, known only once it is read."""
    parts = parts_of(context.pools, shard)
    try:
        provider = context.provider(shard.route)
        batch = provider.poll(shard.batch_id)
        if not batch.phase.is_final:
            raise ProviderUnavailableError(shard.route, f"the batch had ended, and now is {batch.status}")
        if rows is None:
            named, strangers = _land_lines(shard, parts, landing, provider.lines(batch))
        else:
            opened = next(filter(None, map(landing.open, parts)), None)
            if opened is None:
                return
            segment, count = land_adopted(opened.meta, rows, opened.lander, provider, batch)
            shard, named, strangers = replace(shard, segment=segment), bytearray(b"\1") * count, 0
    except ProviderError as error:
        _unreadable(context, shard, landing, error)
        return
    seen, expected = sum(named), _expected(shard, batch)
    if shard.unconfirmed and strangers and not seen:
        _not_ours(context, shard)
    elif seen < expected and shard.unseen < _READ_AGAIN:
        # A file cut at a line's end looks whole; what it lacks would be paid for again.
        _again(context, shard, f"{seen} result lines for {expected}", unseen=shard.unseen + 1, gone=0)
    elif context.leases.renew(hold):
        # Whoever lost the lease may have read less than its successor will: it must not say what is missing.
        if rows is not None:
            shard = replace(shard, segment=rows.fill(shard.segment.rows))
            parts = parts_of(context.pools, shard)
        _end(context, shard, parts, landing, batch, named)


def _end(
    context: WorkerContext,
    shard: ShardWork,
    parts: Parts,
    landing: PartLanding,
    batch: RemoteBatch,
    named: bytearray,
) -> None:
    """End a shard of whose results these positions were read, or send what is left of a refused one again."""
    seen = any(named)
    if batch.phase is BatchPhase.FAILED and not seen:
        if without_blamed(context, shard, parts, landing, batch):
            return
        of_some = any(error.line is not None or error.of_requests for error in batch.errors)
        if of_some and pooling.split(context, shard, Stage.COLLECT, refusal(shard, batch)):
            return
    message = _land_rest(context, shard, parts, landing, batch, named)
    # Lines of ours prove that a batch that was found by time and size is the one.
    fields: dict[str, str | int | bytes] = {"provider_status": batch.status, "message": message}
    fields["unconfirmed"] = int(shard.unconfirmed and not seen)
    if shard.adopted:
        fields["segment"] = shard.segment.encode()
    else:
        admitting.refine(context, shard, landing.sums)
    if close(context, shard, Stage.COLLECT, **fields):
        context.nudge(Stage.SETTLE)
        _log.info(
            "collected",
            shard=shard.id,
            batch=batch.id,
            landed=landing.sums.landed,
            again=landing.sums.deferred,
        )


def _unreadable(context: WorkerContext, shard: ShardWork, landing: PartLanding, error: ProviderError) -> None:
    """Read the results again later, unless it has long been said that they are not there."""
    # It said that the batch has ended, and now knows no such batch or file.
    away = isinstance(error, ProviderRejectedError) or error.status_code in (404, 410)
    gone = shard.gone + 1 if away or error.code == BROKEN_OFF else 0
    if gone < LOST_AFTER:
        _again(context, shard, str(error), gone=gone)
        return
    landing.flush()
    close_unanswered(
        context, shard, Stage.COLLECT, ErrorType.MISSING, f"the provider lost the results: {error}"
    )
    context.nudge(Stage.SETTLE)
    _log.error("results_lost", shard=shard.id, batch=shard.batch_id, landed=landing.sums.landed)


def _not_ours(context: WorkerContext, shard: ShardWork) -> None:
    """A batch that was found by time and size bears the ids of somebody else: look for ours again."""
    context.work.release(
        shard,
        ShardState.SUBMITTING,
        (Stage.COLLECT, Stage.SUBMIT),
        0.0,
        batch_id="",
        dead_batches=dead_with(shard, shard.batch_id),
        unconfirmed=0,
        absent=0,
        blind_ms=0,
    )
    context.nudge(Stage.SUBMIT)
    _log.warning("batch_was_anothers", shard=shard.id, batch=shard.batch_id)


def _again(context: WorkerContext, shard: ShardWork, message: str, **fields: int) -> None:
    """Read the results again later; what was read of them has landed."""
    wait_s = delay_s(shard.idle_polls)
    stages = (Stage.COLLECT, Stage.COLLECT)
    idle = shard.idle_polls + 1
    context.work.release(
        shard, ShardState.COLLECTING, stages, wait_s, idle_polls=idle, message=message, **fields
    )
    _log.warning("collect_failed", shard=shard.id, again_in_s=round(wait_s, 1), reason=message)


def _expected(shard: ShardWork, batch: RemoteBatch) -> int:
    """How many of a shard's rows the results should name; counts alone have been seen to be wrong."""
    if batch.phase is BatchPhase.COMPLETED:
        return shard.requests
    return min(shard.requests, batch.completed + batch.failed)


def _land_lines(
    shard: ShardWork, parts: Parts, landing: PartLanding, lines: Iterator[bytes]
) -> tuple[bytearray, int]:
    """Land what the lines say; returns a 1 for each position named, and how many lines name none of ours."""
    speech = _dialect(shard, parts, landing)
    strangers = 0
    named = bytearray(parts.end)
    left = {part.first: parts.requests_of(part) for part in parts}
    for raw in lines:
        parsed, line = _parsed(raw)
        wire_id = parsed.get(speech.id_field) if parsed is not None else None
        position = position_of(wire_id, shard.wire_name) if isinstance(wire_id, str) else None
        part = parts.at(position) if position is not None else None
        if parsed is None or position is None or part is None:
            strangers += 1
            continue
        if named[position]:
            continue  # of two lines that name one row, the first counts
        named[position] = 1
        opened = landing.open(part)
        if opened is not None:
            _land_line(opened, part.row(position), speech, parsed, line)
        left[part.first] -= 1
        if not left[part.first]:
            landing.end(part)
    landing.flush()
    if strangers and not (shard.ride is not None and shard.ride.wire_name):
        # Their rows, if they are ours, end as `missing`; what the lines say is not for a log.
        _log.warning("lines_not_understood", shard=shard.id, batch=shard.batch_id, lines=strangers)
    return named, strangers


def _land_line(opened: OpenPart, row: int, speech: Dialect, parsed: dict[str, Any], line: bytes) -> None:
    """Land what a line says of a row, or send its answer back."""
    verdict = speech.classify(parsed, structured=opened.meta.structured)
    back = opened.reasker.sent_back(row, parsed, verdict) if opened.reasker is not None else None
    if back is None:
        opened.lander.answered(row, verdict, speech.kept(parsed, line))
    else:
        opened.lander.sent_back(row, back.verdict, speech.kept(parsed, line), back.turns)


def _dialect(shard: ShardWork, parts: Parts, landing: PartLanding) -> Dialect:
    """How the lines are written; all parts of a batch agree in it."""
    if shard.carriage is not None:
        return dialect(shard.route.partition("@")[0], shard.carriage.endpoint)
    metas = [opened.meta for part in parts if (opened := landing.open(part)) is not None]
    return dialect(metas[0].provider, metas[0].endpoint)


def _parsed(raw: bytes) -> tuple[dict[str, Any] | None, bytes]:
    try:
        value, line = parse_line(raw)
    except ValueError:
        return None, raw
    return (value if isinstance(value, dict) else None), line


def _land_rest(
    context: WorkerContext,
    shard: ShardWork,
    parts: Parts,
    landing: PartLanding,
    batch: RemoteBatch,
    named: bytearray,
) -> str:
    """Give every row that the results did not name its outcome; returns what to say of the batch."""
    blamed = blamed_rows(shard, parts, batch)
    whole = next((said_of(error) for error in batch.errors if error.line is None), None)
    refused = batch.phase is BatchPhase.FAILED
    for part in parts:
        if shard.carriage is not None and named.count(1, part.first, part.end) == parts.requests_of(part):
            continue  # all of it has landed; there may be very many
        opened = landing.open(part)
        if opened is None:
            continue
        mine = blamed.get(part.first, {})
        for row in lost_rows_of(context.jobs, part.job_id, part.segment):
            kind, message = mine.get(row) or whole or _UNANSWERED.get(batch.phase, _MISSING)
            opened.lander.unanswered(row, kind, message)
        landing.end(part)
        if refused:
            context.jobs.explain(part.job_id, refusal(shard, batch))
    return refusal(shard, batch) if refused else ""
