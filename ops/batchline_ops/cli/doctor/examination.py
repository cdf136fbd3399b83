"""All checks in their order, and the report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from batchline_ops.cli.doctor.account_checks import check_accounts
from batchline_ops.cli.doctor.environment_checks import check_environment
from batchline_ops.cli.doctor.findings import Finding, Level, fail, ok
from batchline_ops.cli.doctor.hook_checks import check_webhooks
from batchline_ops.cli.doctor.ledger_checks import check_ledger, read_overview
from batchline_ops.cli.doctor.server_checks import check_server
from batchline_ops.cli.doctor.worker_checks import check_workers
from batchline_ops.cli.exit_codes import ExitCode
from batchline_ops.cli.output import print_json, safe_text, stdout_console
from batchline_shared.errors import BatchlineError, ConfigurationError
from batchline_shared.ledger import connect, redis_errors, server_name
from batchline_shared.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["diagnose", "examine"]

_STYLES: Final = {Level.OK: "green", Level.WARN: "yellow", Level.FAIL: "bold red"}


def examine(redis_url: str | None, *, worker_timeout_s: float, as_json: bool) -> ExitCode:
    """Run every check and report.

    JSON: `{"ok", "checks": [{"check", "level": "ok" | "warn" | "fail", "detail", "advice"}, …]}`.
    """
    findings = diagnose(redis_url, worker_timeout_s=worker_timeout_s)
    healthy = all(finding.level is not Level.FAIL for finding in findings)
    if as_json:
        checks = [
            {"check": item.check, "level": item.level, "detail": item.detail, "advice": item.advice}
            for item in findings
        ]
        print_json({"ok": healthy, "checks": checks})
    else:
        _print(findings)
    return ExitCode.OK if healthy else ExitCode.UNHEALTHY


def diagnose(redis_url: str | None, *, worker_timeout_s: float) -> list[Finding]:
    """Run every check that can be run; one that cannot does not hide the others."""
    findings = check_environment()
    try:
        settings = Settings.load(**({"redis_url": redis_url} if redis_url else {}))
    except ConfigurationError as error:
        return [*findings, fail("Settings", str(error), "Correct the variable, or remove it")]
    findings.append(ok("Settings", "valid"))
    findings += check_accounts(settings.accounts)
    findings += check_webhooks(settings.webhooks)
    client: Any = None
    try:
        client = connect(settings.redis_url)
        with redis_errors(server_name(client)):
            client.ping()
            findings.append(ok("Redis", f"answers at {server_name(client)}"))
            findings += check_server(client)
            numbers = read_overview(client)
            findings += check_ledger(client, numbers)
    except BatchlineError as error:
        advice = "Start Redis (batchline up brings its own), or set BATCHLINE_REDIS_URL"
        return [*findings, fail("Redis", str(error), advice)]
    finally:
        if client is not None:
            client.close()
    active = numbers.open_jobs if numbers is not None else 0
    return findings + check_workers(settings, active_jobs=active, timeout_s=worker_timeout_s)


def _print(findings: Sequence[Finding]) -> None:
    from rich.table import Table  # noqa: PLC0415 - not for those who want JSON

    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True)
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column(overflow="fold")
    for finding in findings:
        style = _STYLES[finding.level]
        grid.add_row(safe_text(finding.level, style), finding.check, safe_text(finding.detail))
        if finding.advice:
            grid.add_row("", "", safe_text(f"-> {finding.advice}", style))
    console = stdout_console()
    console.print(grid)
    counts = {level: sum(item.level is level for item in findings) for level in Level}
    console.print(
        f"\n{counts[Level.OK]} ok, {counts[Level.WARN]} to look at, {counts[Level.FAIL]} to repair",
        style="bold",
    )
