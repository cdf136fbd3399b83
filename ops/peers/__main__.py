"""The public fault table, as `make peers` makes it. README.md says what is measured and how.

python -m peers [--tools a,b] [--cases a,b] [--rows N] [--missing]
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
from peers.oracle import UntrueBooksError
from peers.results import Result, Results
from peers.script import NoMomentError
from peers.table import page_text, write_between
from peers.tools import TOOLS
from peers.trial import run_trial

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from peers.cases import Case
    from peers.tools import Tool

_ROOT: Final = Path(__file__).parents[2]
_PAGE: Final = _ROOT / "docs" / "reliability.md"
_RESULTS: Final = Path(__file__).parent / "results.jsonl"
_ROWS: Final = 1_000


def main() -> int:
    """Run tools under faults, and write the table of all that is kept; returns the exit code."""
    options = _options()
    results = Results(_RESULTS)
    tools = [TOOLS[name] for name in options.tools]
    wanted = [(tool, case) for tool in tools for case in CASES if case.name in options.cases]
    if options.missing:
        wanted = [(tool, case) for tool, case in wanted if not _is_kept(results, tool, case)]
    for tool in {tool.name: tool for tool, _ in wanted}.values():
        _ = tool.python  # Installs what is missing, before anything is measured.
    untrue = 0
    for tool, case in wanted:
        try:
            result = _measured(tool, case, options.rows)
        except (UntrueBooksError, NoMomentError) as error:
            untrue += 1
            results.drop(tool, case)
            print(f"{tool.name}, {case.name}: no figure: {error}", file=sys.stderr, flush=True)
        else:
            results.put(result)
            print(json.dumps(asdict(result)), file=sys.stderr, flush=True)
    text = page_text(results)
    write_between(_PAGE, text)
    print(text)
    return int(untrue > 0)


def _is_kept(results: Results, tool: Tool, case: Case) -> bool:
    """Whether this version of a tool was measured."""
    kept = results.get(tool, case)
    return kept is not None and kept.version == tool.version


def _measured(tool: Tool, case: Case, rows: int) -> Result:
    """Run one trial in a folder of its own."""
    with tempfile.TemporaryDirectory(prefix="batchline-peers-", ignore_cleanup_errors=True) as folder:
        trial = run_trial(tool, case, rows, Path(folder))
    return Result(
        tool=tool.name,
        fault=case.name,
        version=tool.version,
        date=str(dt.datetime.now(tz=dt.UTC).date()),
        rows=rows,
        verdict=trial.verdict,
        seconds=round(trial.seconds, 1),
        hint=trial.hint,
        end=trial.end,
        again=trial.again,
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m peers", description="The public fault table.")
    parser.add_argument("--tools", type=_names(list(TOOLS)), default=list(TOOLS), help=", ".join(TOOLS))
    names = [case.name for case in CASES]
    parser.add_argument("--cases", type=_names(names), default=names, help=", ".join(names))
    parser.add_argument("--rows", type=int, default=_ROWS, help=f"requests of each job (default {_ROWS})")
    parser.add_argument(
        "--missing", action="store_true", help="run only what results.jsonl has not, of the present versions"
    )
    return parser.parse_args()


def _names(known: Sequence[str]) -> Callable[[str], list[str]]:
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
