"""The quick benchmark, as `make bench-quick` runs it. README.md says what is counted and how.

python ops/bench/quick.py [--runs N] [--rows N] [--quick] [--json] [--strict]
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from comparisons import measure_builds, measure_imports, measure_parses
from end_to_end import measure_jobs
from instructor_venv import instructor_python
from report import build_figures, import_figures, job_figures, parse_figures, print_table

if TYPE_CHECKING:
    from report import Figure

_ROWS = 50_000
_RUNS = 5
_QUICK_ROWS = 5_000


def main() -> int:
    """Measure everything; returns the exit code."""
    options = _options()
    rows = options.rows or (_QUICK_ROWS if options.quick else _ROWS)
    runs = options.runs or (1 if options.quick else _RUNS)
    instructor_python()
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="batchline-bench-") as folder:
        figures = _measured(Path(folder), rows, runs)
    if options.json:
        summary = {
            "rows": rows,
            "runs": runs,
            "python": platform.python_version(),
            "cpus": os.cpu_count(),
            "seconds": round(time.monotonic() - started, 1),
            "missed": [figure.name for figure in figures if figure.met is False],
            "figures": [figure.as_json() for figure in figures],
        }
        print(json.dumps(summary, ensure_ascii=False))
    else:
        print_table(figures)
        print(f"{rows} rows, {runs} runs, {time.monotonic() - started:.0f} s. How: ops/bench/README.md")
    return int(options.strict and any(figure.met is False for figure in figures))


def _measured(folder: Path, rows: int, runs: int) -> list[Figure]:
    _say(f"building {rows} requests, {runs} times")
    figures = build_figures(measure_builds(folder, rows, runs))
    _say(f"parsing {rows} results, {runs} times")
    figures += parse_figures(measure_parses(folder, rows, runs))
    _say(f"running a job of {rows} requests, {runs} times")
    figures += job_figures(measure_jobs(folder, rows, runs))
    return figures + import_figures(measure_imports(runs))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Batchline against Instructor and a script by hand.")
    parser.add_argument("--runs", type=int, help=f"runs of each case; medians are shown (default {_RUNS})")
    parser.add_argument("--rows", type=int, help=f"requests and results (default {_ROWS})")
    parser.add_argument("--quick", action="store_true", help="one run of a tenth of the rows: does it work?")
    parser.add_argument("--json", action="store_true", help="print one line of JSON instead of a table")
    parser.add_argument("--strict", action="store_true", help="exit with 1 if a target is missed")
    return parser.parse_args()


def _say(what: str) -> None:
    print(f"{what} …", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
