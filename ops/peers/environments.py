"""Each peer in an interpreter of its own: its dependencies are none of the project's or of another peer's."""

from __future__ import annotations

import subprocess
import sys
import venv
from pathlib import Path

__all__ = ["LOCKS", "peer_python"]

_HERE = Path(__file__).parent
LOCKS = _HERE / "locks"


def peer_python(peer: str) -> Path:
    """Return a peer's interpreter; makes its environment when that is missing or of another lock.

    Raises:
        subprocess.CalledProcessError: Its packages could not be installed; pip has said why.
    """
    lock = LOCKS / f"{peer}.lock"
    home = _HERE / f".venv-{peer}"
    python, stamp = home / "bin" / "python", home / ".lock"
    if not stamp.exists() or stamp.read_bytes() != lock.read_bytes():
        print(f"Installing {peer} into ops/peers/{home.name} …", file=sys.stderr, flush=True)
        venv.create(home, with_pip=True, clear=True)
        install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*install, "--no-deps", "--require-hashes", "-r", str(lock)], check=True)
        stamp.write_bytes(lock.read_bytes())
    return python
