"""Audit: pair what a provider lists with the ledger's shards, and mend what does not pair.

A second batch of a shard is cancelled; one that its shard does not know of is given to it. A batch of this
ledger whose shard is gone is reported, and cancelled only by a person: a copy of the ledger, such as a
restored backup, bears the same id and does not know the other's jobs. What is not proven to be this ledger's
is never touched.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import structlog

from batchline_shared.dialects.jsonl import parse_line
from batchline_shared.errors import ProviderError, ProviderRejectedError
from batchline_shared.ledger import (
    AuditRun,
    Finding,
    Resolved,
    ShardState,
    Stage,
    Verdict,
    batch_decision,
)
from batchline_worker.backoff import jittered_s
from batchline_worker.providers.base import BROKEN_OFF, BatchPhase
from batchline_worker.stages.pairing import Pair, judge, mark_of_line, shard_of_mark
from batchline_worker.stages.quarantine import handling

if TYPE_CHECKING:
    from collections.abc import Iterator

    from batchline_shared.ledger import AuditWork
    from batchline_worker.context import WorkerContext
    from batchline_worker.leases import Hold
    from batchline_worker.providers.base import Provider, RemoteBatch

__all__ = ["audit_due", "expect", "work"]

_log = structlog.get_logger("batchline.audit")

_SOON_S: Final = 300.0
"""Seconds until an account is audited again whose provider could not be read to the end."""

_DEFAULT_S: Final = 3600.0
"""Seconds until an account is due again that a person has audited, where the settings say never."""

_MOST_READ: Final = 50
"""Unmarked batches whose results one audit opens, for their first line."""

_GIVEN: Final = (ShardState.IN_DOUBT, ShardState.PENDING, ShardState.UPLOADED)


def expect(context: WorkerContext, route: str) -> None:
    """A batch is about to be created in an account: have it audited from now on."""
    interval_s = context.settings.audit_interval_s
    if interval_s is not None and route not in context.audited:
        context.audits.note(route, jittered_s(interval_s))
        context.audited.add(route)


def work(context: WorkerContext) -> int:
    """Audit one account that is due."""
    return audit_due(context, cancel_orphans=False)


def audit_due(context: WorkerContext, *, cancel_orphans: bool) -> int:
    """Audit one account that is due; orphans are cancelled only where a person has asked for it."""
    audits = context.audits.lease(1)
    for audit in audits:
        if audit.crashes >= context.settings.quarantine_after:
            run = AuditRun(error=f"{audit.crashes} workers in a row have died over it, or come to no end")
            context.audits.end(audit, run, context.settings.audit_interval_s or _DEFAULT_S)
            _log.error("audit_failed", route=audit.route, reason=run.error)
            continue
        with handling(context, audit, Stage.AUDIT) as hold:
            run = _audit(context, audit, hold, cancel_orphans=cancel_orphans)
            wait_s = _SOON_S if run.error else (context.settings.audit_interval_s or _DEFAULT_S)
            context.audits.end(audit, run, jittered_s(wait_s))
    return len(audits)


def _audit(context: WorkerContext, audit: AuditWork, hold: Hold, *, cancel_orphans: bool) -> AuditRun:
    since_s = context.work.now_ms() / 1000 - context.settings.audit_window_s
    run = AuditRun()
    try:
        provider = context.provider(audit.route)
        for page in provider.listed(since_s):
            if hold.lost or context.stopping.is_set():
                return replace(run, error="it was interrupted")
            for batch in _of_window(context, provider, audit.route, page, since_s, most=_MOST_READ):
                run = _counted(run, _see_to(context, audit.route, batch, cancel_orphans=cancel_orphans))
    except ProviderError as error:
        run = replace(run, error=str(error))
        _log.warning("audit_failed", route=audit.route, reason=run.error)
    else:
        counts = {"batches": run.batches, "paired": run.paired, "findings": run.findings}
        _log.info("audited", route=audit.route, **counts)
    return run


def _counted(run: AuditRun, result: Pair | Verdict) -> AuditRun:
    return replace(
        run,
        batches=run.batches + 1,
        paired=run.paired + (result is Pair.SHARD),
        others=run.others + (result is Pair.NOBODY),
        findings=run.findings + isinstance(result, Verdict),
    )


def _of_window(
    context: WorkerContext,
    provider: Provider,
    route: str,
    page: list[RemoteBatch],
    since_s: float,
    *,
    most: int,
) -> Iterator[RemoteBatch]:
    """The batches of a page that are to be looked at; unmarked ones with the mark that their results show."""
    fresh = [batch for batch in page if batch.created_at_s is None or batch.created_at_s >= since_s]
    if provider.marks_batches:
        yield from fresh
        return
    ids = [batch.id for batch in fresh]
    known, strangers = context.gates.noted(route, ids), context.audits.strangers(route, ids)
    for batch in fresh:
        if batch.id in known:
            continue
        # Its ids are in its results alone: until it has ended, nobody can tell whose it is.
        if not batch.phase.is_final or batch.id in strangers or not most:
            yield batch
            continue
        most -= 1
        try:
            mark = _mark_in(provider.lines(batch))
        except ProviderError as error:
            if not _is_of_one(error):
                raise
            _log.warning("results_not_opened", route=route, batch=batch.id, reason=str(error))
            yield batch
            continue
        if not mark:
            context.audits.note_stranger(route, batch.id, kept_s=context.settings.audit_window_s)
        yield replace(batch, shard_id=mark or None)


def _is_of_one(error: ProviderError) -> bool:
    """Whether an error says that one batch's results are gone or broken: others' can be read all the same."""
    gone = isinstance(error, ProviderRejectedError) or error.status_code in (404, 410)
    return gone or error.code == BROKEN_OFF


def _mark_in(lines: Iterator[bytes]) -> str:
    """The mark that a batch's first result shows."""
    with closing(lines) as opened:  # type: ignore[type-var]  # every provider's is a generator
        for raw in opened:
            try:
                value: Any = parse_line(raw)[0]
            except ValueError:
                return ""
            name = value.get("custom_id") if isinstance(value, dict) else None
            return mark_of_line(name) if isinstance(name, str) else ""
    return ""


def _see_to(
    context: WorkerContext, route: str, batch: RemoteBatch, *, cancel_orphans: bool
) -> Pair | Verdict:
    """Judge a batch, and mend what is wrong with it; returns what is left to report."""
    result = judge(context, batch)
    if isinstance(result, Pair):
        return result
    shard = shard_of_mark(batch.shard_id or "")
    if result is Verdict.LOST:
        given = context.work.resolve(shard, batch_decision(batch.id), states=_GIVEN)
        if given is not Resolved.NOTED:
            return Pair.SHARD  # it has gone on meanwhile
        context.nudge(Stage.SUBMIT)
        done = "adopted"
    elif result is Verdict.ORPHAN and not cancel_orphans:
        done = "reported: cancel it with batchline doctor --audit --cancel-orphans"
    elif batch.phase.is_final or batch.phase is BatchPhase.CANCELLING:
        if context.audits.is_reported(Finding(route, batch.id, shard, result, "")):
            return Pair.SHARD
        done = f"none: it is {batch.status}"
    else:
        done = _cancelled(context, route, batch.id)
    finding = Finding(route, batch.id, shard, result, done)
    context.audits.report(finding)
    _log.error("audit_found", route=route, batch=batch.id, shard=shard, verdict=str(result), done=done)
    return result


def _cancelled(context: WorkerContext, route: str, batch_id: str) -> str:
    try:
        context.provider(route).cancel(batch_id)
    except ProviderError as error:
        return f"not cancelled: {error}"
    return "cancelled"
