"""How a ready stack is announced: one JSON line for programs, a summary for people."""

from __future__ import annotations

from typing import TYPE_CHECKING, TextIO

from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from batchline_ops.embedded.home import ServerHome
    from batchline_ops.supervisor.state import StackState

__all__ = ["print_ready"]


def print_ready(state: StackState, home: ServerHome, out: TextIO, *, as_json: bool) -> None:
    """Say that everything answers, and where."""
    if as_json:
        print(state.model_dump_json(), file=out, flush=True)
        return
    table = Table.grid(padding=(0, 2))
    rows = {
        "Ledger": state.redis_url,
        "Broker": state.broker_url,
        "Flower": state.flower_url,
        "Simulator": state.simulator_url,
        "Processes": ", ".join(f"{name} ({pid})" for name, pid in state.pids.items()),
        "Logs": str(home.logs),
        "Use it": f"export BATCHLINE_REDIS_URL={state.redis_url}",
    }
    for label, value in rows.items():
        if value is not None:
            table.add_row(label, value)
    # A pipe has no width; folded lines could not be copied from its other end.
    console = Console(file=out, highlight=False, width=None if out.isatty() else 1000)
    console.print("Batchline is up. Ctrl-C stops it.", style="bold green")
    console.print(table)
