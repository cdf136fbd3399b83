"""What was measured, one JSON line for each tool and fault, so that a part can be measured anew."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final

from peers.cases import CASES
from peers.oracle import Verdict
from peers.tools import TOOLS

if TYPE_CHECKING:
    from pathlib import Path

    from peers.cases import Case
    from peers.tools import Tool

__all__ = ["Result", "Results"]

_CELLS: Final = [(tool, case.name) for tool in TOOLS for case in CASES]


@dataclass(frozen=True)
class Result:
    """One trial, as it is kept."""

    tool: str
    fault: str
    version: str | None
    date: str
    """The day on which it ended, in UTC."""
    rows: int
    verdict: Verdict
    seconds: float
    """From the first start of the script to its end, simulator and services being up."""
    hint: str
    """"raised" or "hung", where the script's last run did not end in order."""
    end: str
    """Its last words, then."""
    again: Verdict | None = None
    """What came of it when it had raised, and was run once more."""


class Results:
    """The kept trials of a file. Those of no tool or fault that there is are not seen."""

    def __init__(self, file: Path) -> None:
        self._file = file
        lines = file.read_text().split("\n") if file.exists() else []
        found = [_read(line) for line in lines if line]
        self._kept = {(one.tool, one.fault): one for one in found if (one.tool, one.fault) in _CELLS}

    def get(self, tool: Tool, case: Case) -> Result | None:
        """The kept trial of a tool under a fault."""
        return self._kept.get((tool.name, case.name))

    def put(self, result: Result) -> None:
        """Keep a trial, in place of the one before."""
        self._kept[result.tool, result.fault] = result
        self._write()

    def drop(self, tool: Tool, case: Case) -> None:
        """Forget what was measured before."""
        self._kept.pop((tool.name, case.name), None)
        self._write()

    def _write(self) -> None:
        whole = sorted(self._kept.values(), key=lambda one: _CELLS.index((one.tool, one.fault)))
        self._file.write_text("".join(f"{json.dumps(asdict(one))}\n" for one in whole))


def _read(line: str) -> Result:
    fields = json.loads(line)
    verdicts = {name: Verdict(**fields[name]) for name in ("verdict", "again") if fields.get(name)}
    return Result(**{**fields, **verdicts})
