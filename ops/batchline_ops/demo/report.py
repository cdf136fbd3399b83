"""How a run is shown: tables for people, one line of JSON for programs."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rich import box
from rich.console import Console, Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from batchline import BatchSuccess
from batchline_shared.outcomes import RETRY_MAY_HELP, ErrorType

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import RenderableType

    from batchline import BatchResult
    from batchline_ops.demo.facts import PackageFacts
    from batchline_ops.demo.summary import DemoSummary

__all__ = ["print_kept", "print_report"]

_BAR_WIDTH: Final = 24


def print_report(
    summary: DemoSummary, samples: Sequence[BatchResult[PackageFacts]], *, packages: int, as_json: bool
) -> None:
    """Print the result on stdout."""
    if as_json:
        print(summary.model_dump_json(), flush=True)  # noqa: T201 - what programs read
        return
    console = Console(highlight=False)
    console.print()
    console.print(
        f"[bold]{summary.requests:,} passages[/] of the READMEs of {packages} installed packages\n"
        f"were put to {summary.model}, played by the simulator."
    )
    console.print(_verdict(summary))
    for title, part in (
        ("Outcomes", _outcomes(summary)),
        ("Agreement with the packages' own metadata", _agreement(summary)),
        ("Tokens, cost and time", _figures(summary)),
        ("Some outcomes", _samples(samples)),
    ):
        console.print(Group(Text(f"\n{title}", style="bold"), Padding(part, (0, 0, 0, 2), expand=False)))
    if not summary.kept:
        console.print("\n[bold]Where to look[/]")
        console.print(_left_open(summary), soft_wrap=True, markup=False)


def print_kept(console: Console, summary: DemoSummary) -> None:
    """Say how to talk to a stack that goes on running."""
    rows = {
        "Flower": summary.flower_url,
        "Simulator": summary.simulator_url,
        "Logs": f"{summary.data_dir}/logs",
    }
    console.print("\nEverything is still running. Ctrl-C stops it.", style="bold green")
    console.print(_grid(rows), soft_wrap=True)
    # Outside of the table, which would fold them: they are there to be copied.
    for command in (
        f"export BATCHLINE_REDIS_URL={summary.redis_url}",
        f"{_command()} batch status {summary.job_id}",
    ):
        console.print(f"  {command}", soft_wrap=True, markup=False)


def _command() -> str:
    """How to call `batchline` from here: `make demo` leaves the virtual environment's own off the PATH."""
    if shutil.which("batchline"):
        return "batchline"
    return str(Path(sys.executable).with_name("batchline"))


def _left_open(summary: DemoSummary) -> str:
    """What one could have looked at, had it been kept."""
    flower = f"Flower at {summary.flower_url}, " if summary.flower_url else ""
    return (
        f"  {flower}the queue and every log end with this run.\n"
        "  Keep them: make demo ARGS=--keep, or batchline demo --keep"
    )


def _verdict(summary: DemoSummary) -> Text:
    if summary.exactly_once:
        return Text.assemble(
            ("✔ ", "bold green"),
            "Every request has exactly one outcome.\n",
            ("✔ ", "bold green"),
            f"Nothing was sent twice: {summary.parts:,} parts, {summary.batches:,} batches at the provider.",
        )
    return Text("\n".join(f"✘ {problem}" for problem in summary.problems), style="bold red")


def _outcomes(summary: DemoSummary) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    table.add_column("outcome")
    for heading in ("requests", "share"):
        table.add_column(heading, justify="right")
    table.add_column("would a retry help?")
    total = max(summary.requests, 1)
    table.add_row(
        "succeeded", f"{summary.succeeded:,}", f"{summary.succeeded / total:.1%}", "", style="green"
    )
    for name, count in summary.errors.items():
        help_word = "yes" if RETRY_MAY_HELP[ErrorType(name)] else "no"
        table.add_row(name, f"{count:,}", f"{count / total:.1%}", help_word, style="yellow")
    outcomes = summary.succeeded + summary.errored
    table.add_row("all", f"{outcomes:,}", f"{outcomes / total:.1%}", "", style="bold")
    return table


def _agreement(summary: DemoSummary) -> RenderableType:
    if not summary.agreement:
        return "(no request succeeded)"
    table = Table.grid(padding=(0, 2))
    table.add_column()
    table.add_column(justify="right")
    for field, percent in summary.agreement.items():
        filled = round(percent / 100 * _BAR_WIDTH)
        bar = Text("━" * filled, style="green").append("━" * (_BAR_WIDTH - filled), style="dim")
        table.add_row(field, f"{percent:.1f} %", bar)
    return table


def _figures(summary: DemoSummary) -> Table:
    tokens, times = summary.tokens, summary.durations
    return _grid(
        {
            "Tokens": f"{tokens.input:,} in, {tokens.output:,} out (as the simulator counts them)",
            "Cost": _cost(summary),
            "Job": f"{times.job_s:.1f} s, {summary.requests_per_s:,.0f} requests/s "
            f"(on the queue after {times.enqueue_s:.1f} s)",
            "Everything": f"{summary.elapsed_s:.1f} s (processes ready after {times.start_s:.1f} s)",
        }
    )


def _cost(summary: DemoSummary) -> str:
    if summary.cost_usd is None or summary.standard_cost_usd is None:
        return "unknown: no price is listed for this model"
    note = {"estimated": ", estimated as half of that"}.get(summary.cost_basis, "")
    return f"${summary.cost_usd:.4f} (${summary.standard_cost_usd:.4f} without a batch{note})"


def _samples(samples: Sequence[BatchResult[PackageFacts]]) -> Table:
    table = Table.grid(padding=(0, 2))
    for outcome in sorted(samples, key=lambda sample: not sample.success):
        if isinstance(outcome, BatchSuccess):
            facts = outcome.result
            said = (
                f"{facts.kind}, {facts.license}, Python {facts.min_python or 'any'}, {facts.maturity}, "
                f"needs {facts.dependencies}"
            )
            table.add_row(Text(outcome.custom_id, style="green"), Text(said))
        else:
            told = f"{outcome.error_type}: {outcome.error_message}"
            table.add_row(
                Text(outcome.custom_id, style="yellow"), Text(told, overflow="ellipsis", no_wrap=True)
            )
    return table


def _grid(rows: dict[str, str | None]) -> Table:
    table = Table.grid(padding=(0, 2))
    for label, value in rows.items():
        if value is not None:
            table.add_row(Text(label, style="dim"), Text(value, overflow="fold"))
    return table
