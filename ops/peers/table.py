"""The table, and where it is written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from peers.cases import Case
    from peers.oracle import Verdict

__all__ = ["BEGIN", "END", "cell", "table", "write_between"]

BEGIN: Final = "<!-- peers:begin -->"
END: Final = "<!-- peers:end -->"

_TITLE: Final = "# Reliability\n"


def cell(verdict: Verdict) -> str:
    """One tool under one fault; what costs or misleads its user is bold."""
    bad = {"lost": verdict.lost, "hidden": verdict.hidden, "paid twice": verdict.paid_twice}
    parts = [f"{verdict.answered:,} answered"]
    if verdict.reported:
        parts.append(f"{verdict.reported:,} reported failed")
    parts += [f"**{count:,} {word}**" for word, count in bad.items() if count]
    return ", ".join(parts)


def table(cases: Sequence[Case], cells: Mapping[str, Mapping[str, str]]) -> str:
    """Write a table in Markdown.

    Args:
        cases: The columns.
        cells: By the label of the row, then by the name of the case.
    """
    lines = [["", *(case.title for case in cases)], ["---"] * (len(cases) + 1)]
    lines += [[label, *(row.get(case.name, "n/a") for case in cases)] for label, row in cells.items()]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def write_between(page: Path, text: str) -> None:
    """Put a text between the two markers of a page, which is made, or given them, where they are not there.

    Raises:
        ValueError: Only one marker is there, or they are in the wrong order.
    """
    old = page.read_text() if page.exists() else _TITLE
    if BEGIN not in old and END not in old:
        old = f"{old.rstrip()}\n\n{BEGIN}\n{END}\n"
    before, begin, rest = old.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{page} must have {BEGIN} and, below it, {END}")
    page.write_text(f"{before}{begin}\n{text.strip()}\n{end}{after}")
