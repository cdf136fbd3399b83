"""What really happened to each row, by the simulator's books, and how it compares with what the tool told."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from peers.questions import said_of

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

__all__ = ["UntrueBooksError", "Verdict", "check_books", "judged", "read_paid", "read_told"]


class UntrueBooksError(Exception):
    """The simulator's books contradict each other, or the script of the fault."""


@dataclass(frozen=True)
class Verdict:
    """One tool under one fault; every row is in exactly one of the first four."""

    answered: int
    """Rows whose answer the user has."""
    reported: int
    """Rows without an answer at the provider, of which the tool said that they failed."""
    lost: int
    """Rows that were answered, and paid for, and whose answer the user does not have."""
    hidden: int
    """Rows without an answer at the provider of which the tool said nothing, or that they went well."""
    paid_twice: int
    """Answers that were paid for beyond the first one of their row."""


def read_paid(ledger: Path) -> Counter[int]:
    """How often the simulator answered each row."""
    return Counter(map(int, ledger.read_text().split())) if ledger.exists() else Counter()


def read_told(report: Path) -> tuple[set[int], set[int]]:
    """Rows of which a tool gave the right answer, and those that it named as failed."""
    answered: set[int] = set()
    failed: set[int] = set()
    for line in report.read_bytes().split(b"\n") if report.exists() else ():
        if not line:
            continue
        told = json.loads(line)
        if "error" in told:
            failed.add(told["row"])
        elif said_of(told["answer"] or "") == told["row"]:
            answered.add(told["row"])
    return answered, failed


def judged(rows: int, paid: Counter[int], answered: set[int], failed: set[int], *, raised: bool) -> Verdict:
    """Compare what was paid for with what was told.

    Args:
        rows: Rows of the job, numbered from 0.
        paid: How often each was answered.
        answered: Rows whose right answer the user has.
        failed: Rows that the tool named as failed.
        raised: Whether the tool ended in an error: then it told of every row that has no answer.
    """
    unpaid = {row for row in range(rows) if not paid[row]}
    reported = unpaid if raised else unpaid & failed
    return Verdict(
        answered=len(answered),
        reported=len(reported - answered),
        lost=sum(1 for row in paid if row not in answered),
        hidden=len(unpaid - reported - answered),
        paid_twice=sum(times - 1 for times in paid.values()),
    )


def check_books(paid: Counter[int], batches: Iterable[dict[str, Any]], mark: str | None) -> None:
    """Hold the ledger against the batches themselves, and see that the fault has struck.

    Raises:
        UntrueBooksError: Their counts differ, or nothing bears the mark of the fault.
    """
    batches = list(batches)
    counted = sum(_count(batch, "completed") for batch in batches)
    if counted != paid.total():
        raise UntrueBooksError(f"the simulator's batches count {counted} answers, its ledger {paid.total()}")
    marks = {f"{batch['phase']} batch" for batch in batches}
    marks |= {"failed rows" for batch in batches if _count(batch, "failed")}
    if mark is not None and mark not in marks:
        raise UntrueBooksError(f"the fault has not struck: no {mark}, only {', '.join(sorted(marks))}")


def _count(batch: dict[str, Any], name: str) -> int:
    return (batch["request_counts"] or {}).get(name) or 0
