"""Ascending numbers as runs, `[first, length, first, length, …]`: short where most follow each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["rows_of", "runs_of"]


def runs_of(rows: Iterable[int]) -> list[int]:
    """Write numbers as runs."""
    runs: list[int] = []
    for row in rows:
        if runs and runs[-2] + runs[-1] == row:
            runs[-1] += 1
        else:
            runs += (row, 1)
    return runs


def rows_of(runs: Sequence[int]) -> tuple[int, ...]:
    """Read what `runs_of` wrote."""
    starts = zip(runs[::2], runs[1::2], strict=True)
    return tuple(row for first, length in starts for row in range(first, first + length))
