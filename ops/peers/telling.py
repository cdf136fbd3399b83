"""How a driver tells what its tool's user got: one JSON line for each row, in a file.

Only the standard library: peers' environments import this too.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Self

from peers.questions import prompts

if TYPE_CHECKING:
    from io import TextIOWrapper

__all__ = ["Task", "Told"]


class Told:
    """Writes what the tool gave back."""

    def __init__(self, target: TextIOWrapper) -> None:
        self._target = target

    def answered(self, row: int, text: str) -> None:
        """The tool gave this answer for a row."""
        self._target.write(json.dumps({"row": row, "answer": text}) + "\n")

    def failed(self, row: int, why: object) -> None:
        """The tool said that a row failed."""
        self._target.write(json.dumps({"row": row, "error": str(why)[:300]}) + "\n")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._target.close()


class Task:
    """What the command line of a driver says: OUT ROWS [MARKER EVERY]."""

    def __init__(self) -> None:
        out, rows, *marked = sys.argv[1:]
        self._out = Path(out)
        marker, every = marked or ("", "1")
        self.prompts = prompts(int(rows), marker, int(every))

    def told(self) -> Told:
        """Open the file anew: what counts is what the last run of the script gave."""
        return Told(self._out.open("w", encoding="utf-8"))
