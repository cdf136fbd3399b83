"""The table, and where it is written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from peers.cases import CASES
from peers.tools import TOOLS

if TYPE_CHECKING:
    from pathlib import Path

    from peers.oracle import Verdict
    from peers.results import Result, Results

__all__ = ["BEGIN", "END", "cell", "page_text", "table", "write_between"]

BEGIN: Final = "<!-- peers:begin -->"
END: Final = "<!-- peers:end -->"

_LEGEND: Final = (
    "*Lost*: the provider bills the answer, and the user has none. *Hidden*: it failed, and nobody says so.\n"
    "*Run again*: the script ended in an error, and was started once more.\n"
    "How it is measured, and what that leaves out: [the harness](../ops/peers/README.md)."
)
_TITLE: Final = "# Reliability\n"


def cell(result: Result) -> str:
    """One tool under one fault; what costs or misleads its user is bold."""
    text = _told(result.verdict) + (f" ({result.hint})" if result.hint else "")
    return text if result.again is None else f"{text}; run again: {_told(result.again)}"


def _told(verdict: Verdict) -> str:
    bad = {"lost": verdict.lost, "hidden": verdict.hidden, "paid twice": verdict.paid_twice}
    parts = [f"{verdict.answered:,} answered"]
    if verdict.reported:
        parts.append(f"{verdict.reported:,} reported failed")
    return ", ".join(parts + [f"**{count:,} {word}**" for word, count in bad.items() if count])


def table(results: Results) -> str:
    """Write a table in Markdown: tools down, faults across, "n/a" where nothing is kept."""
    lines = [["", *(case.title for case in CASES)], ["---"] * (len(CASES) + 1)]
    for tool in TOOLS.values():
        kept = [results.get(tool, case) for case in CASES]
        cells = ["n/a" if one is None else cell(one) for one in kept]
        versions = sorted({one.version for one in kept if one and one.version})
        lines.append([" ".join([tool.title, *versions]), *cells])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def page_text(results: Results) -> str:
    """The table under a line that says of when and how large it is."""
    kept = [one for tool in TOOLS.values() for case in CASES if (one := results.get(tool, case))]
    days = sorted({one.date for one in kept})
    sizes = sorted({one.rows for one in kept})
    span = " to ".join(dict.fromkeys([days[0], days[-1]])) if days else "nothing measured yet"
    rows = " to ".join(f"{size:,}" for size in dict.fromkeys([sizes[0], sizes[-1]])) if sizes else "no"
    return f"{span}: {rows} rows, one run of each. {_LEGEND}\n\n{table(results)}"


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
