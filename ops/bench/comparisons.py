"""Building and parsing, side by side with Instructor, and what the import costs."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from instructor_venv import instructor_python
from processes import figures_of
from workload import MODELS, write_results

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["measure_builds", "measure_imports", "measure_parses"]

_SCALE = {"2 fields": 5, "10 nested fields": 50}
"""Instructor builds this many times fewer rows, and its CPU seconds are multiplied.

Its cost for a row only grows with the number of rows, so this favours Instructor.
"""


def measure_builds(folder: Path, rows: int, runs: int) -> dict[str, list[dict[str, Any]]]:
    """Build a file of requests with each side in turn; returns the runs of each model."""
    return {shape: [_build(folder, shape, rows) for _ in range(runs)] for shape in MODELS}


def measure_parses(folder: Path, rows: int, runs: int) -> dict[str, list[dict[str, Any]]]:
    """Parse a file of results with each side in turn; returns the runs of each model."""
    return {shape: _parses(folder / "results.jsonl", shape, rows, runs) for shape in MODELS}


def measure_imports(runs: int) -> list[float]:
    """Return the seconds that `python -X importtime` gives for `import batchline`, of each run."""
    return [_import_s() for _ in range(runs)]


def _build(folder: Path, shape: str, rows: int) -> dict[str, Any]:
    file = folder / "requests.jsonl"
    few = max(1, rows // _SCALE[shape])
    instructor = figures_of("case.py", "build", "instructor", shape, few, file, python=instructor_python())
    instructor["cpu_s"] *= rows / few
    return {
        "instructor": instructor,
        "batchline": figures_of("case.py", "build", "batchline", shape, rows, file),
        "orjson": figures_of("case.py", "build", "orjson", shape, rows, file),
    }


def _parses(file: Path, shape: str, rows: int, runs: int) -> list[dict[str, Any]]:
    write_results(file, MODELS[shape], rows)
    return [
        {
            "instructor": figures_of(
                "case.py", "parse", "instructor", shape, rows, file, python=instructor_python()
            ),
            "batchline": figures_of("case.py", "parse", "batchline", shape, rows, file),
        }
        for _ in range(runs)
    ]


def _import_s() -> float:
    command = [sys.executable, "-X", "importtime", "-c", "import batchline"]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stderr.splitlines()
    found = re.match(r"import time:\s*\d+ \|\s*(\d+) \| batchline$", lines[-1])
    if found is None:
        sys.exit(f"import batchline: {lines[-1]}")
    return int(found[1]) / 1_000_000
