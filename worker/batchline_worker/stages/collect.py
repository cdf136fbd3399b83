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
from batchline_worker.attempts import Attempt
from batchline_worker.backoff import delay_s
from batchline_worker.building import position_of
from batchline_worker.cutting import part_of
from batchline_worker.landing import Lander, RowNames, lost_rows_of
from batchline_worker.providers.base import BROKEN_OFF, BatchPhase
from batchline_worker.reasking import Reasker, Rounds
from batchline_worker.stages import admitting
from batchline_worker.stages.adopted_lines import land_adopted
from batchline_worker.stages.adopted_rows import AdoptedRows, adopted_rows
from batchline_worker.stages.closing import close_unanswered
from batchline_worker.stages.poll import LOST_AFTER
from batchline_worker.stages.reconcile import dead_with

if TYPE_CHECKING:
    from collections.abc import Iterator

    from batchline_shared.ledger import JobMeta, ShardWork
    from batchline_worker.context import WorkerContext
    from batchline_worker.leases import Hold
    from batchline_worker.providers.base import LineError, RemoteBatch

__all__ = ["work"]

_log = structlog.get_logger("batchline.collect")

_MAX_CUTS = 20
"""How often a batch goes out again without rows that its provider blamed."""

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
        admitting.leave(context, shard)
        return
    # The lease is ours after the record was read: so the attempt that it names is not over before we begin.
    if not context.leases.renew(hold):
        return
    if not shard.adopted:
        _read(context, meta, shard, hold, RowNames(context.jobs, meta, shard.segment))
        return
    with adopted_rows(context, shard) as rows:
        _read(context, meta, shard, hold, rows)


def _read(
    context: WorkerContext, meta: JobMeta, shard: ShardWork, hold: Hold, names: RowNames | AdoptedRows
) -> None:
    """Read a batch's results and land them; `names` says which rows there are."""
    attempt = Attempt.of(meta, shard)
    rounds = Rounds(context.jobs, meta, shard.segment, shard.attempt)
    lander = Lander(context.jobs, meta.id, names, attempt, rounds)
    strangers = 0
    try:
        provider = context.provider(shard.route)
        batch = provider.poll(shard.batch_id)
        if not batch.phase.is_final:
            raise ProviderUnavailableError(shard.route, f"the batch had ended, and now is {batch.status}")
        if isinstance(names, AdoptedRows):
            segment, seen = land_adopted(meta, names, lander, provider, batch)
            shard = replace(shard, segment=segment)
        else:
            store, settings = context.jobs, context.settings
            reasker = Reasker.of(store, settings, meta, shard, attempt=attempt, rounds=rounds)
            seen, strangers = _land_lines(meta, shard, lander, reasker, provider.lines(batch))
    except ProviderError as error:
        _unreadable(context, shard, lander, error)
        return
    expected = _expected(shard, batch)
    if shard.unconfirmed and strangers and not seen:
        _not_ours(context, shard)
    elif seen < expected and shard.unseen < _READ_AGAIN:
        # A file cut at a line's end looks whole; what it lacks would be paid for again.
        _again(context, shard, f"{seen} result lines for {expected}", unseen=shard.unseen + 1, gone=0)
    elif context.leases.renew(hold):
        # Whoever lost the lease may have read less than its successor will: it must not say what is missing.
        if isinstance(names, AdoptedRows):
            shard = replace(shard, segment=names.fill(shard.segment.rows))
        _end(context, meta, shard, lander, batch, seen)


def _end(
    context: WorkerContext, meta: JobMeta, shard: ShardWork, lander: Lander, batch: RemoteBatch, seen: int
) -> None:
    """End a shard of whose results `seen` rows were read, or send what is left of a refused one again."""
    if batch.phase is BatchPhase.FAILED and not seen and _without_blamed(context, shard, lander, batch):
        return
    message = _land_rest(context, meta, shard, lander, batch)
    # Lines of ours prove that a batch that was found by time and size is the one.
    fields: dict[str, str | int | bytes] = {"provider_status": batch.status, "message": message}
    fields["unconfirmed"] = int(shard.unconfirmed and not seen)
    if shard.adopted:
        fields["segment"] = shard.segment.encode()
    else:
        admitting.refine(context, meta, shard, lander)
    if context.work.close_shard(shard, Stage.COLLECT, **fields):
        context.nudge(Stage.SETTLE)
        _log.info("collected", shard=shard.id, batch=batch.id, landed=lander.landed, again=lander.deferred)


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


def _land_lines(
    meta: JobMeta, shard: ShardWork, lander: Lander, reasker: Reasker | None, lines: Iterator[bytes]
) -> tuple[int, int]:
    """Land what the lines say; returns how many rows they name, and how many lines name none of ours."""
    speech = dialect(meta.provider, meta.endpoint)
    id_field = speech.id_field
    segment = shard.segment
    strangers = 0
    named = bytearray(segment.rows)
    for raw in lines:
        parsed, line = _parsed(raw)
        wire_id = parsed.get(id_field) if parsed is not None else None
        position = position_of(wire_id, shard.wire_name) if isinstance(wire_id, str) else None
        if parsed is None or position is None or position >= segment.rows:
            strangers += 1
            continue
        if named[position]:
            continue  # of two lines that name one row, the first counts
        named[position] = 1
        row = segment.row(position)
        verdict = speech.classify(parsed, structured=meta.structured)
        back = reasker.sent_back(row, parsed, verdict) if reasker is not None else None
        if back is None:
            lander.answered(row, verdict, speech.kept(parsed, line))
        else:
            lander.sent_back(row, back.verdict, speech.kept(parsed, line), back.turns)
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
    left = lost_rows_of(context.jobs, meta.id, shard.segment)
    blamed = _blamed(shard, batch)
    whole = next((_said(error) for error in batch.errors if error.line is None), None)
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


def _without_blamed(context: WorkerContext, shard: ShardWork, lander: Lander, batch: RemoteBatch) -> bool:
    """Give rows that a refusal names their outcome, and send the others again at once: nothing of them ran.

    Returns:
        Whether the shard is on its way again; the others count no attempt.
    """
    segment = shard.segment
    hopeless = shard.cuts >= _MAX_CUTS or any(error.line is None for error in batch.errors)
    if shard.cancel or shard.adopted or hopeless:
        return False
    for row, said in _blamed(shard, batch).items():
        lander.unanswered(row, *said)
    lander.flush()
    left = lost_rows_of(context.jobs, shard.job_id, segment)
    if not 0 < len(left) < segment.rows:
        return False
    kept = part_of(shard, left)
    _forget_refused(context, shard)
    message = f"sent again without {segment.rows - len(left)} requests that {shard.route} refused"
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
        **kept.fields(),
    )
    context.nudge(Stage.SUBMIT)
    _log.warning("sent_again_without_blamed", shard=shard.id, batch=batch.id, left=len(left))
    return True


def _forget_refused(context: WorkerContext, shard: ShardWork) -> None:
    """Delete a refused batch's input: the shard will know of its next one only."""
    if context.settings.clean_up_after_s is None:
        return
    try:
        context.provider(shard.route).clean_up(file_id=shard.file_id, batch_id=shard.batch_id)
    except ProviderError as error:
        _log.warning("refused_input_left", shard=shard.id, file=shard.file_id, reason=str(error))


def _blamed(shard: ShardWork, batch: RemoteBatch) -> dict[int, tuple[ErrorType, str]]:
    """Which rows a refusal names, and what it says of each first."""
    blamed: dict[int, tuple[ErrorType, str]] = {}
    for error in batch.errors:
        if error.line is not None and 0 < error.line <= shard.segment.rows:
            blamed.setdefault(shard.segment.row(error.line - 1), _said(error))
    return blamed


def _said(error: LineError) -> tuple[ErrorType, str]:
    words = f"{error.message} ({error.param})" if error.param else error.message
    kind = (
        ErrorType.INVALID_REQUEST if error.line is not None or error.of_requests else ErrorType.PROVIDER_ERROR
    )
    return kind, words
