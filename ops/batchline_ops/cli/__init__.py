"""The command `batchline`.

Everything here starts quickly: what a command needs beyond Typer is imported when the command runs.
"""

from __future__ import annotations

from batchline_ops.cli.running import main, run

__all__ = ["main", "run"]
