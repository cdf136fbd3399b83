"""`python -m faults`: strike the faults, judge what was recorded, and show a table."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from faults.catalogue import FAULTS, run
from faults.checker import check
from faults.memory import Growth, run_memory
from faults.naive import NAIVE_FAULTS, NAIVE_PROVIDERS, run_naive
from faults.nursery import Nursery
from faults.report import summary
from faults.table import Row, print_table, rows_of, written_into

if TYPE_CHECKING:
    from faults.history import History

_DOCUMENT = Path(__file__).parents[2] / "docs" / "reliability.md"

_NAIVE_COUNT, _NAIVE_ROUNDS = 40, {"kill-after-accept": 8, "provider-faults": 2}
"""Submissions of the script, and how often each fault strikes it: as often as it strikes us."""


def main() -> int:
    """Strike faults while real workers run, and judge what came of it; returns the exit code."""
    options = _options()
    began = time.monotonic()
    suite = _Suite(options.keep or Path(tempfile.mkdtemp(prefix="batchline-faults-")), quick=options.quick)
    with ThreadPoolExecutor(options.parallel) as pool:
        beside = [] if options.quick or options.only else [suite.measure, suite.compare]
        waiting = [pool.submit(work) for work in beside]
        suite.strike(options.only or list(FAULTS), pool)
        for future in waiting:
            future.result()
    suite.close()
    print_table([*suite.rows, *suite.naive])
    for violation in suite.violations:
        _say(violation)
    text = summary(suite.rows, suite.naive, suite.growth, kills=suite.kills, seconds=time.monotonic() - began)
    _say(text.partition("\n")[0])
    if options.write and not suite.violations:
        _DOCUMENT.write_text(written_into(_DOCUMENT.read_text(), text))
    return int(bool(suite.violations))


class _Suite:
    """What was struck, and what came of it."""

    def __init__(self, folder: Path, *, quick: bool) -> None:
        self._folder = folder
        self._quick = quick
        self._nursery = Nursery()
        self.rows: list[Row] = []
        self.naive: list[Row] = []
        self.violations: list[str] = []
        self.growth: Growth | None = None
        self.kills = 0

    def strike(self, names: list[str], pool: ThreadPoolExecutor) -> None:
        """Strike faults, some at the same time, each on a system of its own."""
        for name, history in zip(names, pool.map(self._struck, names), strict=True):
            self.rows += rows_of(FAULTS[name], history)

    def _struck(self, name: str) -> History:
        fault = FAULTS[name]
        size = fault.quick if self._quick else fault.long
        history = run(fault, size, self._folder / name, self._nursery)
        self._judge(history)
        return history

    def compare(self) -> None:
        """Run the script without a ledger under two of the faults."""
        for name in NAIVE_FAULTS:
            for provider in NAIVE_PROVIDERS:
                folder = self._folder / "naive" / name / provider.name
                count, seconds = run_naive(name, provider, _NAIVE_COUNT, _NAIVE_ROUNDS[name], folder)
                title = f"{FAULTS[name].number} {FAULTS[name].title}"
                self.naive.append(Row(title, f"{provider.name}, script", count, seconds))
                _say(f"naive, {name}, {provider.name}: {count.doubled} doubled")

    def measure(self) -> None:
        """Look at a worker's memory."""
        history, self.growth = run_memory(self._folder / "memory", self._nursery)
        self._judge(history)

    def close(self) -> None:
        """End every process."""
        self._nursery.close()

    def _judge(self, history: History) -> None:
        found = [f"{history.fault}: {violation}" for violation in check(history)]
        self.violations += found
        self.kills += sum(act.kind == "kill" for act in history.acts)
        _say(f"{history.fault}: {history.seconds:.0f} s, {len(found) or 'no'} violations")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m faults", description=main.__doc__)
    parser.add_argument("--quick", action="store_true", help="the short form, as CI runs it")
    parser.add_argument("--only", nargs="+", choices=list(FAULTS), help="these faults")
    parser.add_argument("--parallel", type=int, default=3, help="faults that are struck at the same time")
    parser.add_argument("--keep", type=Path, help="a new folder for logs and histories")
    parser.add_argument("--write", action="store_true", help="put the table into docs/reliability.md")
    return parser.parse_args()


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
