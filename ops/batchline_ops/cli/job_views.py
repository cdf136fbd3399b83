"""Jobs as JSON and as tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from rich.table import Table
from rich.text import Text

from batchline_ops.cli.costing import cost_text, usd
from batchline_ops.cli.output import safe_text
from batchline_shared.ledger import JobStatus, OnDeadline

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime, timedelta

    from batchline.job_info import JobInfo
    from batchline.provider_batches import ProviderBatch

__all__ = ["STATUS_STYLES", "batches_table", "job_grid", "job_json", "jobs_table"]

STATUS_STYLES = {
    "completed": "green",
    "failed": "red",
    "expired": "red",
    "cancelled": "yellow",
    "cancelling": "yellow",
}
"""Colours of statuses; the others run and are cyan."""

_ID_WIDTH: Final = 24
"""Characters of a job's id."""

_FOR_A_PERSON: Final = frozenset({"in_doubt", "quarantined"})
"""States of a batch that a person has to end."""

_COST_WIDTH: Final = 100
"""Columns from which a list has room for costs beside the models' names."""


def job_json(info: JobInfo) -> dict[str, Any]:
    """The job object of every command's JSON: the fields of `JobInfo`, `pending` and `cost`."""
    cost = info.cost.model_dump(mode="json")
    return {**info.model_dump(mode="json"), "pending": info.pending, "cost": cost}


def jobs_table(jobs: Iterable[JobInfo], now: datetime, *, width: int) -> Table:
    """One job a row, narrow enough for 80 columns: whole ids matter more than anything else, a cost less."""
    costs = width >= _COST_WIDTH
    table = _table()
    table.add_column("Job", no_wrap=True, min_width=_ID_WIDTH)
    table.add_column("Status", no_wrap=True, min_width=max(map(len, JobStatus)))
    table.add_column("Model", overflow="fold")
    for name in ("Done", "Failed", *(["Cost"] if costs else []), "Age"):
        table.add_column(name, justify="right", no_wrap=True)
    for job in jobs:
        table.add_row(
            job.id,
            _status(job.status),
            safe_text(job.model),
            f"{job.total - job.pending:,}/{job.total:,}",
            Text(f"{job.errored:,}", style="red" if job.errored else ""),
            *([usd(job.cost.batch_usd)] if costs else []),
            _age(now - job.created_at),
        )
    return table


def job_grid(job: JobInfo) -> Table:
    """One job, a fact a line."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column(overflow="fold")
    grid.add_row("Job", job.id)
    grid.add_row("Status", _status(job.status))
    if job.message:
        grid.add_row("Message", safe_text(job.message))
    grid.add_row("Model", safe_text(job.model))
    pending = f", {job.pending:,} pending" if job.pending else ""
    grid.add_row("Requests", f"{job.total:,}: {job.succeeded:,} succeeded, {job.errored:,} failed{pending}")
    if job.duplicates:
        grid.add_row("Duplicates", f"{job.duplicates:,} not sent: each equals an earlier one")
    if job.errors:
        grid.add_row("Failures", ", ".join(f"{kind} {count:,}" for kind, count in sorted(job.errors.items())))
    if job.input_tokens or job.output_tokens:
        cached = f" ({job.cached_input_tokens:,} cached)" if job.cached_input_tokens else ""
        grid.add_row("Tokens", f"{job.input_tokens:,} in{cached}, {job.output_tokens:,} out")
        limit = f", of {usd(job.max_cost_usd)} at most" if job.max_cost_usd is not None else ""
        grid.add_row("Cost", cost_text(job.cost) + limit)
    if job.retries:
        grid.add_row("Retries", str(job.retries))
    if job.metadata:
        grid.add_row(
            "Metadata", safe_text(", ".join(f"{key}={value}" for key, value in job.metadata.items()))
        )
    grid.add_row("Created", _moment(job.created_at))
    if job.deadline is not None:
        then = ", then live" if job.on_deadline is OnDeadline.LIVE else ""
        grid.add_row("Deadline", _moment(job.deadline) + then)
    if job.submitted_at is not None:
        grid.add_row("Submitted", _moment(job.submitted_at))
    if job.finished_at is not None:
        took = _duration(job.finished_at - job.created_at)
        grid.add_row("Finished", f"{_moment(job.finished_at)}, after {took}")
    return grid


def batches_table(batches: Iterable[ProviderBatch]) -> Table:
    """One batch at the provider a row."""
    rows = list(batches)
    explained = any(batch.message for batch in rows)
    # Whoever has to decide something has to name the part.
    named = any(batch.state in _FOR_A_PERSON for batch in rows)
    table = _table()
    if named:
        table.add_column("Shard", no_wrap=True)
    table.add_column("Provider's batch", no_wrap=True)
    table.add_column("Provider's status", no_wrap=True)
    table.add_column("Requests", justify="right", no_wrap=True)
    table.add_column("State", no_wrap=True)
    if explained:
        table.add_column("Message", overflow="fold")
    for batch in rows:
        table.add_row(
            *([batch.shard] if named else []),
            safe_text(batch.batch_id or "-"),
            safe_text(batch.provider_status or "-"),
            f"{batch.requests:,}",
            Text(batch.state, style="bold red" if batch.state in _FOR_A_PERSON else ""),
            *([safe_text(batch.message)] if explained else []),
        )
    return table


def _table() -> Table:
    return Table(box=None, header_style="bold", padding=(0, 2, 0, 0), pad_edge=False)


def _status(status: str) -> Text:
    return Text(status, style=STATUS_STYLES.get(status, "cyan"))


def _moment(moment: datetime) -> str:
    return f"{moment.astimezone():%Y-%m-%d %H:%M:%S %z}"


def _age(span: timedelta) -> str:
    """The greatest unit, such as `5m`; short, so that a model's name has room beside it."""
    minutes = int(span.total_seconds() // 60)
    if minutes < 60:  # noqa: PLR2004 - an hour
        return f"{minutes}m"
    return f"{minutes // 60}h" if minutes < 48 * 60 else f"{minutes // 1440}d"


def _duration(span: timedelta) -> str:
    """The two greatest units, such as `2 h 5 min` or `12.3 s`."""
    seconds = span.total_seconds()
    if seconds < 60:  # noqa: PLR2004 - a minute
        return f"{seconds:.1f} s"
    minutes = int(seconds // 60)
    if minutes < 60:  # noqa: PLR2004 - an hour
        return f"{minutes} min {int(seconds % 60)} s"
    return f"{minutes // 60} h {minutes % 60} min"
