"""`batchline doctor --audit`: audit every account now, in this process or by the worker that is quicker."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from rich.table import Table

from batchline_ops.cli.exit_codes import ExitCode
from batchline_ops.cli.output import note, print_json, safe_text, stdout_console
from batchline_ops.cli.session import needs_extra
from batchline_shared.ledger import redis_errors, server_name

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from batchline_shared.ledger import AuditWork, Finding
    from batchline_worker.context import WorkerContext

__all__ = ["audit_accounts", "run_audits"]

_LONGEST_S: Final = 600.0
"""Seconds to wait for audits that workers have begun."""

_LOOK_S: Final = 0.2

_MENDED: Final = ("adopted", "cancelled")
"""What was done about a finding that needs nobody any more."""


def audit_accounts(redis_url: str | None, *, cancel_orphans: bool, as_json: bool) -> ExitCode:
    """Audit all accounts that have had batches, and report.

    JSON: `{"ok", "accounts": [{"account", "batches", "paired", "others", "findings", "error"}, …],
    "findings": [{"account", "batch", "shard", "verdict", "done", "found_at"}, …]}`.
    """
    with needs_extra("worker"):
        from batchline_worker.context import WorkerContext  # noqa: PLC0415 - only here is a worker needed
        from batchline_worker.logs import set_up_logs  # noqa: PLC0415 - as above
        from batchline_worker.settings import WorkerSettings, load_provider_keys  # noqa: PLC0415 - as above

        load_provider_keys()
        settings = WorkerSettings.load(**({"redis_url": redis_url} if redis_url else {}))
        set_up_logs(settings.model_copy(update={"log_level": "ERROR"}))
        context = WorkerContext(settings, send=lambda _: None)
        with redis_errors(server_name(context.redis)):
            return run_audits(context, cancel_orphans=cancel_orphans, as_json=as_json)


def run_audits(context: WorkerContext, *, cancel_orphans: bool, as_json: bool) -> ExitCode:
    """The same, with what a worker works with."""
    accounts, since_ms = _audited(context, cancel_orphans=cancel_orphans)
    late = [one for one in accounts if one.ended_ms < since_ms]
    findings = context.audits.findings(since_ms=since_ms)
    healthy = (
        not late
        and not any(one.run.error for one in accounts)
        and all(finding.done in _MENDED for _, finding in findings)
    )
    if as_json:
        print_json({"ok": healthy, **_report(accounts, findings)})
    else:
        _print(accounts, findings)
        for one in late:
            note(f"{one.route} is still being audited by a worker; look again with batchline doctor")
    return ExitCode.OK if healthy else ExitCode.UNHEALTHY


def _audited(context: WorkerContext, *, cancel_orphans: bool) -> tuple[list[AuditWork], int]:
    """Have every account audited once from now on; those that took too long are as they were."""
    from batchline_worker.stages.audit import audit_due  # noqa: PLC0415 - as above

    since_ms, deadline = context.work.now_ms(), time.monotonic() + _LONGEST_S
    for one in context.audits.accounts():
        context.audits.hasten(one.route)
    while True:
        done = audit_due(context, cancel_orphans=cancel_orphans)
        accounts = context.audits.accounts()
        if all(one.ended_ms >= since_ms for one in accounts) or time.monotonic() > deadline:
            return accounts, since_ms
        if not done:
            time.sleep(_LOOK_S)


def _report(
    accounts: Sequence[AuditWork], findings: Sequence[tuple[datetime, Finding]]
) -> dict[str, list[dict[str, Any]]]:
    return {
        "accounts": [
            {
                "account": one.route,
                "batches": one.run.batches,
                "paired": one.run.paired,
                "others": one.run.others,
                "findings": one.run.findings,
                "error": one.run.error or None,
            }
            for one in accounts
        ],
        "findings": [
            {
                "account": finding.route,
                "batch": finding.batch_id,
                "shard": finding.shard,
                "verdict": str(finding.verdict),
                "done": finding.done,
                "found_at": at.isoformat(),
            }
            for at, finding in findings
        ],
    }


def _print(accounts: Sequence[AuditWork], findings: Sequence[tuple[datetime, Finding]]) -> None:
    if not accounts:
        note("No account has had a batch yet; there is nothing to audit")
        return
    console = stdout_console()
    table = _table("Account", "Batches", "Paired", "Others", "Findings", "Error")
    for one in accounts:
        counts = (one.run.batches, one.run.paired, one.run.others, one.run.findings)
        table.add_row(safe_text(one.route), *(f"{count:,}" for count in counts), safe_text(one.run.error))
    console.print(table)
    if findings:
        table = _table("Account", "Batch", "Shard", "Verdict", "Done")
        for _, finding in findings:
            names = (finding.route, finding.batch_id, finding.shard, str(finding.verdict), finding.done)
            table.add_row(*map(safe_text, names))
        console.print()
        console.print(table)


def _table(*names: str) -> Table:
    table = Table(box=None, header_style="bold", padding=(0, 2, 0, 0), pad_edge=False)
    for name in names:
        table.add_column(name, overflow="fold")
    return table
