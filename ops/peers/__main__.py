"""The public fault table, as `make peers` makes it. README.md says what is measured and how.

python -m peers [--tools a,b] [--cases a,b] [--rows N] [--no-write]
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Final

from peers.cases import CASES
from peers.table import cell, table, write_between
from peers.tools import TOOLS
from peers.trial import run_trial

if TYPE_CHECKING:
    from collections.abc import Sequence

    from peers.cases import Case
    from peers.tools import Tool

_PAGE: Final = Path(__file__).parents[2] / "docs" / "reliability.md"
_ROWS: Final = 1_000


def main() -> int:
    """Run every tool under every fault; returns the exit code."""
    options = _options()
    tools = [TOOLS[name] for name in options.tools]
    cases = [case for case in CASES if case.name in options.cases]
    for tool in tools:
        _ = tool.python  # Installs what is missing, before anything is measured.
    cells = {tool.label: {case.name: _measured(tool, case, options.rows) for case in cases} for tool in tools}
    text = table(cases, cells)
    print(text)
    whole = len(tools) == len(TOOLS) and len(cases) == len(CASES)
    if options.write and whole:
        today = dt.datetime.now(tz=dt.UTC).date()
        write_between(_PAGE, f"{today}, {options.rows:,} rows, one run of each.\n\n{text}")
    elif options.write:
        print("not written: a part of the table only", file=sys.stderr)
    return 0


def _measured(tool: Tool, case: Case, rows: int) -> str:
    """Run one trial in a folder of its own, and say on stderr what came of it, as a JSON line."""
    with tempfile.TemporaryDirectory(prefix="batchline-peers-", ignore_cleanup_errors=True) as folder:
        trial = run_trial(tool, case, rows, Path(folder))
    line = {"tool": tool.name, "fault": case.name, **asdict(trial), "seconds": round(trial.seconds, 1)}
    print(json.dumps(line), file=sys.stderr, flush=True)
    return cell(trial.verdict) + (f" ({trial.hint})" if trial.hint else "")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m peers", description="The public fault table.")
    parser.add_argument("--tools", type=_names(list(TOOLS)), default=list(TOOLS), help=", ".join(TOOLS))
    names = [case.name for case in CASES]
    parser.add_argument("--cases", type=_names(names), default=names, help=", ".join(names))
    parser.add_argument("--rows", type=int, default=_ROWS, help=f"requests of each job (default {_ROWS})")
    parser.add_argument("--no-write", dest="write", action="store_false", help="leave the page as it is")
    return parser.parse_args()


def _names(known: Sequence[str]) -> object:
    """Reads names that are separated by commas."""

    def names(text: str) -> list[str]:
        wanted = text.split(",")
        for name in wanted:
            if name not in known:
                raise argparse.ArgumentTypeError(f"unknown: {name!r}; known: {', '.join(known)}")
        return wanted

    return names


if __name__ == "__main__":
    sys.exit(main())
