"""Outcome rows on their way into a chunk."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchline_shared.ledger import Landing
from batchline_shared.ledger.chunks import MAX_ROWS, TARGET_BYTES

if TYPE_CHECKING:
    from batchline_shared.outcomes import ErrorType

__all__ = ["Pile", "outcome_counts"]


class Pile:
    """Rows that are to be written together."""

    def __init__(self) -> None:
        self.rows: list[int] = []
        self._lines: list[bytes] = []
        self._counts: list[dict[str, int]] = []
        self._bytes = 0

    def add(self, row: int, line: bytes, counts: dict[str, int]) -> bool:
        """Add a row; whether the pile is as large as a chunk may be."""
        self.rows.append(row)
        self._lines.append(line)
        self._counts.append(counts)
        self._bytes += len(line)
        return len(self.rows) == MAX_ROWS or self._bytes >= TARGET_BYTES

    def take(self) -> Landing:
        """The rows, leaving none."""
        taken = Landing(self.rows, self._lines, self._counts)
        self.rows, self._lines, self._counts, self._bytes = [], [], [], 0
        return taken


def outcome_counts(error_type: ErrorType | None) -> dict[str, int]:
    """What an outcome adds to the counts of its job's record, tokens aside."""
    return {"succeeded": 1} if error_type is None else {"errored": 1, f"err.{error_type}": 1}
