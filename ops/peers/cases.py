"""The faults: what the simulator does, and what the harness does beside it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

__all__ = ["CASES", "Case"]


@dataclass(frozen=True)
class Case:
    """One scripted fault."""

    name: str
    """On the command line."""
    title: str
    """Heads its column."""
    armed: tuple[dict[str, Any], ...] = ()
    """Faults that the simulator is told before the tool starts; `docs/simulator.md` lists them."""
    marker: str = ""
    """What marked prompts bear, by which the simulator knows them."""
    every: int = 1
    """Each how many-th prompt is marked."""
    kill: Literal["submitting", "running"] | None = None
    """When the tool is killed (SIGKILL), to be run again: while the reply to its first create is under way,
    or while that batch runs."""
    mark: Literal["failed batch", "expired batch", "failed rows"] | None = None
    """What must be in the simulator's books, or the fault has not struck."""
    crowded: bool = False
    """Whether another batch holds nearly all enqueued tokens until shortly after the first refusal."""


CASES: Final = (
    Case(
        "submitting",
        "`kill -9` while submitting, run again",
        armed=({"call": "batches.create", "kind": "delay_after", "seconds": 3.0, "times": 1},),
        kill="submitting",
    ),
    Case("running", "`kill -9` while the batch runs, run again", kill="running"),
    Case("tokens", "refused once: enqueued-token limit", mark="failed batch", crowded=True),
    Case(
        "expired",
        "expires, a fifth unrun",
        armed=({"call": "batches.create", "kind": "expire", "fraction": 0.2, "times": 1},),
        mark="expired batch",
    ),
    Case("rows", "5 % of rows fail once", marker="[[fault:server_error:1]]", every=20, mark="failed rows"),
    Case("u2028", "U+2028 in 1 % of answers", marker="[[fault:line_separator]]", every=100),
)
"""In the order of the table's columns."""
