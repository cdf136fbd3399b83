"""The table of what was struck and what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from faults.checker import counted
from faults.trade import PROVIDERS

if TYPE_CHECKING:
    from faults.catalogue import Fault
    from faults.checker import Count
    from faults.history import History

__all__ = ["BEGIN", "END", "HEADINGS", "Row", "markdown", "print_table", "rows_of", "written_into"]

BEGIN = "<!-- faults: begin -->"
END = "<!-- faults: end -->"

HEADINGS = (
    "fault",
    "provider",
    "submissions",
    "kills",
    "faults",
    "batches",
    "doubled",
    "lost",
    "outcomes",
    "seconds",
)


@dataclass(frozen=True)
class Row:
    """One fault, one provider."""

    fault: str
    provider: str
    count: Count
    seconds: float

    def cells(self) -> tuple[str, ...]:
        """As texts, in the order of `HEADINGS`."""
        numbers = vars(self.count).values()
        return (self.fault, self.provider, *map(str, numbers), f"{self.seconds:.0f}")


def rows_of(fault: Fault, history: History) -> list[Row]:
    """Count one run, provider by provider."""
    return [
        Row(f"{fault.number} {fault.title}", name, counted(history, name), history.seconds)
        for name in PROVIDERS
    ]


def print_table(rows: list[Row]) -> None:
    """Print the rows for a person."""
    table = Table(title="Faults")
    for number, heading in enumerate(HEADINGS):
        table.add_column(heading, justify="left" if number < 2 else "right")  # noqa: PLR2004 - names, numbers
    for row in rows:
        table.add_row(*row.cells())
    Console(width=None if Console().is_terminal else 160).print(table)


def markdown(rows: list[Row]) -> str:
    """Write the rows as a table of a document, with their sums."""
    lines = [
        " | ".join(HEADINGS),
        "|".join("---" if number < 2 else "---:" for number in range(len(HEADINGS))),  # noqa: PLR2004 - as above
        *(" | ".join(row.cells()) for row in rows),
    ]
    return "\n".join(f"| {line} |" for line in lines)


def written_into(document: str, text: str) -> str:
    """Put a text between the two markers of a document.

    Raises:
        ValueError: A marker is missing.
    """
    head, begin, rest = document.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"the document lacks {BEGIN} or {END}")
    return f"{head}{begin}\n\n{text.strip()}\n\n{end}{tail}"
