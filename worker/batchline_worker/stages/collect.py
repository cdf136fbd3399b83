"""Collect: stream a batch's result files into outcomes. Idempotent: the same lines twice change nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import structlog

from batchline_shared.dialects.jsonl import parse_line
from batchline_shared.dialects.registry import dialect
from batchline_shared.errors import ProviderError, ProviderRejectedError, ProviderUnavailableError
from batchline_shared.ledger import ShardState, Stage
from batchline_shared.outcomes import ErrorType
from batchline_worker.backoff import delay_s
from batchline_worker.building import position_of
from batchline_worker.landing import Lander, RowNames, open_rows_of
from batchline_worker.providers.base import BROKEN_OFF, BatchPhase
from batchline_worker.stages.closing import close_unanswered
from batchline_worker.stages.poll import LOST_AFTER
from batchline_worker.stages.reconcile import dead_with

if TYPE_CHECKING:
    from collections.abc import Iterator

    from batchline_shared.ledger import JobMeta, ShardWork
    from batchline_worker.context import WorkerContext
    from batchline_worker.leases import Hold
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
    shards = context.work.lease_shards(Stage.COLLECT, 1)
    for shard in shards:
        with context.leases.holding(shard, Stage.COLLECT) as hold:
            _collect(context, shard, hold)
    return len(shards)


def _collect(context: WorkerContext, shard: ShardWork, hold: Hold) -> None:
    meta = context.jobs.find(shard.job_id)
    if meta is None:
        context.work.close_shard(shard, Stage.COLLECT, message="the job was deleted")
        return
    lander = Lander(context.jobs, meta.id, RowNames(context.jobs, meta, shard.segment))
    try:
        provider = context.provider(shard.route)
        batch = provider.poll(shard.batch_id)
        if not batch.phase.is_final:
            raise ProviderUnavailableError(shard.route, f"the batch had ended, and now is {batch.status}")
        seen, strangers = _land_lines(meta, shard, lander, provider.lines(batch))
    except ProviderError as error:
        _unreadable(context, shard, lander, error)
        return
    if shard.unconfirmed and strangers and not seen:
        _not_ours(context, shard)
        return
    expected = _expected(shard, batch)
    if seen < expected and shard.unseen < _READ_AGAIN:
        # A file cut at a line's end looks whole; what it lacks would be paid for again.
        _again(context, shard, f"{seen} result lines for {expected}", unseen=shard.unseen + 1, gone=0)
        return
    # Whoever lost the lease may have read less than its successor will: it must not say what is missing.
    if not context.leases.renew(hold):
        return
    message = _land_rest(context, meta, shard, lander, batch)
    # Lines of ours prove that a batch that was found by time and size is the one.
    unconfirmed = int(shard.unconfirmed and not seen)
    fields: dict[str, str | int] = {"provider_status": batch.status, "unconfirmed": unconfirmed}
    fields["message"] = message
    if context.work.close_shard(shard, Stage.COLLECT, **fields):
        context.nudge(Stage.SETTLE)
        _log.info("collected", shard=shard.id, batch=batch.id, landed=lander.landed)


def _unreadable(context: WorkerContext, shard: ShardWork, lander: Lander, error: ProviderError) -> None:
    """Read the results again later, unless it has long been said that they are not there."""
    # It said that the batch has ended, and now knows no such batch or file.
    away = isinstance(error, ProviderRejectedError) or error.status_code in (404, 410)
    gone = shard.gone + 1 if away or error.code == BROKEN_OFF else 0
    if gone < LOST_AFTER:
        _again(context, shard, str(error), gone=gone)
        return
    lander.flush()
    close_unanswered(
        context, shard, Stage.COLLECT, ErrorType.MISSING, f"the provider lost the results: {error}"
    )
    context.nudge(Stage.SETTLE)
    _log.error("results_lost", shard=shard.id, batch=shard.batch_id, landed=lander.landed)


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
        return shard.segment.rows
    return min(shard.segment.rows, batch.completed + batch.failed)


def _land_lines(meta: JobMeta, shard: ShardWork, lander: Lander, lines: Iterator[bytes]) -> tuple[int, int]:
    """Land what the lines say; returns how many rows they name, and how many lines name none of ours."""
    speech = dialect(meta.provider, meta.endpoint)
    id_field = speech.id_field
    segment = shard.segment
    strangers = 0
    named = bytearray(segment.rows)
    for raw in lines:
        parsed, line = _parsed(raw)
        wire_id = parsed.get(id_field) if parsed is not None else None
        position = position_of(wire_id, shard.id) if isinstance(wire_id, str) else None
        if parsed is None or position is None or position >= segment.rows:
            strangers += 1
            continue
        named[position] = 1
        verdict = speech.classify(parsed, structured=meta.structured)
        lander.answered(segment.row(position), verdict, speech.kept(parsed, line))
    lander.flush()
    if strangers:
        # Their rows, if they are ours, end as `missing`; what the lines say is not for a log.
        _log.warning("lines_not_understood", shard=shard.id, batch=shard.batch_id, lines=strangers)
    return sum(named), strangers


def _parsed(raw: bytes) -> tuple[dict[str, Any] | None, bytes]:
    try:
        value, line = parse_line(raw)
    except ValueError:
        return None, raw
    return (value if isinstance(value, dict) else None), line


def _land_rest(
    context: WorkerContext, meta: JobMeta, shard: ShardWork, lander: Lander, batch: RemoteBatch
) -> str:
    """Give every row that the results did not name its outcome; returns what to say of the batch."""
    left = open_rows_of(context.jobs, meta.id, shard.segment)
    if not left:
        return ""
    blamed, whole = _blamed(shard, batch)
    for row in left:
        kind, message = blamed.get(row) or whole or _UNANSWERED.get(batch.phase, _MISSING)
        lander.unanswered(row, kind, message)
    lander.flush()
    if batch.phase is not BatchPhase.FAILED:
        return ""
    first = batch.errors[0].message if batch.errors else "it does not say why"
    summary = f"{shard.route} refused batch {batch.id}: {first}"
    context.jobs.explain(meta.id, summary)
    return summary


def _blamed(
    shard: ShardWork, batch: RemoteBatch
) -> tuple[dict[int, tuple[ErrorType, str]], tuple[ErrorType, str] | None]:
    """Which rows a refused batch's errors name by line, and what they say of all rows."""
    blamed: dict[int, tuple[ErrorType, str]] = {}
    whole: tuple[ErrorType, str] | None = None
    for error in batch.errors:
        words = f"{error.message} ({error.param})" if error.param else error.message
        if error.line is None:
            kind = ErrorType.INVALID_REQUEST if error.of_requests else ErrorType.PROVIDER_ERROR
            whole = whole or (kind, words)
        elif 0 < error.line <= shard.segment.rows:
            blamed.setdefault(shard.segment.row(error.line - 1), (ErrorType.INVALID_REQUEST, words))
    return blamed, whole
