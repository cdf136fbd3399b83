"""What the commands about money show: what jobs have cost, and what a job would."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from rich.table import Table

from batchline_ops.cli.exit_codes import ExitCode
from batchline_ops.cli.output import note, print_json, safe_text, stdout_console
from batchline_shared.errors import InvalidInputError

if TYPE_CHECKING:
    from batchline.client import BatchClient
    from batchline.costs import CostLine
    from batchline.estimating import CostEstimate
    from batchline_shared.pricing import Cost

__all__ = ["cost_text", "show_costs", "show_estimate", "usd"]

_LEAST_USD: Final = Decimal("0.0001")


def usd(value: Decimal | None) -> str:
    """Dollars for a person: whole cents, and hundredths of them below a dollar."""
    if value is None:
        return "unknown"
    if not value or value >= 1:
        return f"${value:,.2f}"
    return f"${value:.4f}" if value >= _LEAST_USD else f"under ${_LEAST_USD}"


def cost_text(cost: Cost) -> str:
    """A cost with what it rests on."""
    if cost.batch_usd is None:
        return "unknown: no price is listed for this model"
    estimated = ", estimated" if cost.basis == "estimated" else ""
    return f"{usd(cost.batch_usd)} ({usd(cost.standard_usd)} without a batch{estimated})"


def show_estimate(estimate: CostEstimate, *, as_json: bool) -> ExitCode:
    """Print what requests would cost. JSON: the fields of `CostEstimate`."""
    if as_json:
        print_json(estimate.model_dump(mode="json"))
        return ExitCode.OK
    most = estimate.max_output_tokens
    rows = {
        "Requests": f"{estimate.requests:,}",
        "Input": f"about {estimate.input_tokens:,} tokens",
        "Output": f"perhaps {estimate.output_tokens:,} tokens, "
        + ("without a limit" if most is None else f"{most:,} at most"),
        "Cost": _range(estimate),
    }
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column(overflow="fold")
    for label, text in rows.items():
        grid.add_row(label, text)
    stdout_console().print(grid)
    note("Nothing was enqueued.", style="dim")
    return ExitCode.OK


def _range(estimate: CostEstimate) -> str:
    if estimate.typical_usd is None:
        return "unknown: no price is listed for this model"
    high = "no limit" if estimate.high_usd is None else usd(estimate.high_usd)
    halved = ", by half of the standard price" if estimate.basis == "estimated" else ""
    return (
        f"perhaps {usd(estimate.typical_usd)}, between {usd(estimate.low_usd)} and {high}{halved} "
        f"({usd(estimate.standard_usd)} without a batch)"
    )


def show_costs(client: BatchClient, group_by: str, *, since: str | None, as_json: bool) -> ExitCode:
    """Print what jobs have cost. JSON: `{"group_by": …, "costs": [line, …]}`, `CostLine`s as lines."""
    lines = client.costs(group_by, since=_moment(since))
    if as_json:
        print_json({"group_by": group_by, "costs": [line.model_dump(mode="json") for line in lines]})
    elif lines:
        stdout_console().print(_table(lines, group_by))
    else:
        note("There are no jobs")
    return ExitCode.OK


def _table(lines: list[CostLine], group_by: str) -> Table:
    table = Table(box=None, header_style="bold", padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column(group_by.removeprefix("tag:").capitalize(), overflow="fold")
    for name in ("Jobs", "Requests", "Tokens in", "Tokens out", "Cost", "Without batch"):
        table.add_column(name, justify="right", no_wrap=True)
    for line in lines:
        table.add_row(
            safe_text("-" if line.group is None else line.group),
            *(f"{n:,}" for n in (line.jobs, line.requests, line.input_tokens, line.output_tokens)),
            _amount(line),
            usd(line.cost.standard_usd),
        )
    return table


def _amount(line: CostLine) -> str:
    """A sum that leaves jobs out says so, and so does one that is estimated."""
    left_out = line.unpriced_jobs and line.cost.batch_usd is not None
    sign = "over " if left_out else "about " if line.cost.basis == "estimated" else ""
    return sign + usd(line.cost.batch_usd)


def _moment(text: str | None) -> datetime | None:
    """Read a day or a time; a day begins at midnight UTC."""
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidInputError(
            f"--since must be such as 2026-11-26 or 2026-11-26T08:00Z, not {text!r}"
        ) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
