"""What the long run says, for `docs/reliability.md`: two tables, their sums, and the worker's memory."""

from __future__ import annotations

import os
import platform
from typing import TYPE_CHECKING

from batchline_ops.embedded import find_binary
from faults.table import markdown

if TYPE_CHECKING:
    from faults.memory import Growth
    from faults.table import Row

__all__ = ["summary"]

_MB = 1_000_000

_SCRIPT = (
    "A script without a ledger, under the same faults and the same oracle. It submits, and reads nothing:"
)


def summary(rows: list[Row], naive: list[Row], growth: Growth | None, *, kills: int, seconds: float) -> str:
    """Write everything as Markdown.

    Args:
        rows: Of the faults.
        naive: Of the script without a ledger, under two of them.
        growth: The worker's memory; None where it was not measured.
        kills: SIGKILLs of processes; one that hits all providers stands in each of their rows.
        seconds: What it all took.
    """
    counts = [row.count for row in rows]
    sums = (
        f"{sum(count.submissions for count in counts):,} submissions, {kills} SIGKILLs, "
        f"{sum(count.batches for count in counts):,} provider batches: "
        f"**{sum(count.doubled for count in counts)} doubled, {sum(count.lost for count in counts)} lost**, "
        f"{sum(count.outcomes for count in counts):,} outcomes. {find_binary()}, Python "
        f"{platform.python_version()}, {os.cpu_count()} cores, {seconds / 60:.0f} min."
    )
    parts = [sums, markdown(rows)]
    if naive:
        parts += [_SCRIPT, markdown(naive)]
    if growth is not None:
        parts.append(
            f"Memory: resident size of one worker after every hundred of {growth.jobs:,} jobs of all "
            f"providers, once 300 had warmed it: {growth.before / _MB:.1f} MB at first, "
            f"{growth.after / _MB:.1f} MB at last (medians of three)."
        )
    return "\n\n".join(parts)
