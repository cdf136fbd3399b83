"""Instructor in an interpreter of its own: its dependencies are none of the project's."""

from __future__ import annotations

import subprocess
import sys
import venv
from pathlib import Path

__all__ = ["instructor_python"]

_HERE = Path(__file__).parent
_LOCK = _HERE / "instructor.lock"
_VENV = _HERE / ".venv-instructor"


def instructor_python() -> Path:
    """Return the interpreter; makes its environment when that is missing or of another lock."""
    python = _VENV / "bin" / "python"
    stamp = _VENV / ".lock"
    if not stamp.exists() or stamp.read_bytes() != _LOCK.read_bytes():
        print("Installing Instructor into ops/bench/.venv-instructor …", file=sys.stderr, flush=True)
        venv.create(_VENV, with_pip=True, clear=True)
        install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*install, "--no-deps", "--require-hashes", "-r", str(_LOCK)], check=True)
        stamp.write_bytes(_LOCK.read_bytes())
    return python
