"""Running a script of the benchmark in a process of its own, and reading what it prints."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["HERE", "figures_of"]

HERE = Path(__file__).parent


def figures_of(
    script: str,
    *arguments: object,
    python: Path | str = sys.executable,
    environment: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Run a script and return the JSON of its last line; ends the benchmark where it fails."""
    command = [str(python), str(HERE / script), *map(str, arguments)]
    done = subprocess.run(command, env=environment, check=False, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed: {(done.stderr or done.stdout)[-2000:]}")
    return dict(json.loads(done.stdout.splitlines()[-1]))
