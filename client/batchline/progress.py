"""A live progress bar for one job."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from batchline_shared.ledger import JobMeta

__all__ = ["progress_bar"]


@contextmanager
def progress_bar(label: str, *, shown: bool) -> Iterator[Callable[[JobMeta], None]]:
    """Give a function that shows a job's record; on standard error, so that output stays clean."""
    if not shown:
        yield lambda _: None
        return
    # Rich takes a tenth of a second to import, which only who looks pays for.
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn  # noqa: PLC0415

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[state]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(label, total=None, state="")

        def show(meta: JobMeta) -> None:
            state = f"{meta.status}, {meta.errored} failed" if meta.errored else meta.status
            progress.update(task, total=meta.total, completed=meta.succeeded + meta.errored, state=state)

        yield show
