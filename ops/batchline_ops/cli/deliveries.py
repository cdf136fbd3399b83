"""What `batchline batch deliveries` shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from batchline_ops.cli.exit_codes import ExitCode
from batchline_ops.cli.output import note, print_json, safe_text, stdout_console

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from batchline.client import BatchClient
    from batchline.deliveries import Delivery

__all__ = ["show_deliveries"]

_STYLES = {"delivered": "green", "refused": "red", "given_up": "red"}
"""Colours of states; `pending` is cyan."""


def show_deliveries(client: BatchClient, job_id: str, *, as_json: bool) -> ExitCode:
    """Print who is told of a job's ends. JSON: `{"deliveries": [delivery, …]}`."""
    deliveries = client.job(job_id).deliveries()
    if as_json:
        print_json({"deliveries": [one.model_dump(mode="json") for one in deliveries]})
    elif deliveries:
        stdout_console().print(_table(deliveries))
    else:
        note(f"{job_id} has told nobody: it has not ended, or names no task and no webhook")
    return ExitCode.OK


def _table(deliveries: Iterable[Delivery]) -> Table:
    """An attempt a row; one that has had none stands alone."""
    table = Table(box=None, header_style="bold", padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column("Ended as", no_wrap=True)
    table.add_column("Told to", overflow="fold")
    table.add_column("Attempt", no_wrap=True)
    table.add_column("Answer", no_wrap=True)
    table.add_column("State", no_wrap=True)
    table.add_column("Message", overflow="fold")
    for one in deliveries:
        table.add_row(
            one.status,
            safe_text(f"{one.kind} {one.target}"),
            f"next {_moment(one.next_try_at)}" if one.next_try_at else "",
            "",
            Text(one.state, style=_STYLES.get(one.state, "cyan")),
            safe_text(one.message),
        )
        for attempt in one.attempts:
            answer = str(attempt.error or "ok")
            table.add_row(
                "",
                "",
                _moment(attempt.at),
                f"{answer} {attempt.status_code}" if attempt.status_code else answer,
            )
    return table


def _moment(moment: datetime) -> str:
    return f"{moment.astimezone():%Y-%m-%d %H:%M:%S}"
