"""What `batchline batch room` shows: how full each provider account is, and who waits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.table import Table

from batchline_ops.cli.exit_codes import ExitCode
from batchline_ops.cli.output import counted, note, print_json, safe_text, stdout_console
from batchline_shared.dialects.registry import PROVIDERS
from batchline_shared.ledger import Admission

if TYPE_CHECKING:
    from batchline.client import BatchClient
    from batchline_shared.ledger.admission_records import RouteRoom, Use

__all__ = ["show_room"]


def show_room(client: BatchClient, *, as_json: bool) -> ExitCode:
    """Print what every account that anything was sent to holds. JSON: `RouteRoom`s by account."""
    connection = client.connection
    accounts = (f"{one.provider}@{name}" for name, one in connection.settings.accounts.items())
    with connection.errors():
        admission = Admission(connection.redis)
        found = {route: admission.snapshot(route) for route in [*PROVIDERS, *sorted(accounts)]}
    rooms = {route: room for route, room in found.items() if room.models}
    if as_json:
        print_json({route: _plain(room) for route, room in rooms.items()})
    elif rooms:
        stdout_console().print(_table(rooms))
    else:
        note("No batch has been asked for yet.")
    return ExitCode.OK


def _table(rooms: dict[str, RouteRoom]) -> Table:
    table = Table("Account", "Model", box=None, header_style="bold", padding=(0, 2, 0, 0))
    for name in ("Tokens", "Requests", "Batches", "Waiting"):
        table.add_column(name, justify="right")
    table.add_column("Note", overflow="fold")
    for route, room in rooms.items():
        table.add_row(route, "", "", _used(room.requests), _used(room.batches), "", _standing(room))
        for name, model in sorted(room.models.items()):
            held = (_used(model.tokens), _used(model.requests), "", f"{model.waiting:,}")
            full = f"was refused, waits {model.refused_s:,.0f} s" if model.refused_s else ""
            table.add_row("", safe_text(name), *held, full)
    return table


def _used(use: Use) -> str:
    return f"{use.used:,}" if use.limit is None else f"{use.used:,} of {use.limit:,}"


def _standing(room: RouteRoom) -> str:
    if room.stopped_s:
        return f"stopped for {room.stopped_s:,.0f} s after {counted(room.failures, 'failure')}"
    if room.paused_s:
        return f"paused for {room.paused_s:,.0f} s, as the provider asked"
    made = room.creations
    return "" if made.limit is None else f"{_used(made)} creations in the last hour"


def _plain(value: Any) -> Any:
    if hasattr(value, "_asdict"):
        return {name: _plain(part) for name, part in value._asdict().items()}
    return {name: _plain(part) for name, part in value.items()} if isinstance(value, dict) else value
