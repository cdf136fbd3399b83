"""A tool's script in a process group of its own; it can be killed, and run again in the same home folder."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from peers.cases import Case
    from peers.tools import Tool

__all__ = ["NoMomentError", "Script"]

_OFFLINE: Final = {
    "TELEMETRY_ENABLED": "0",
    "HF_HUB_OFFLINE": "1",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "CURATOR_DISABLE_RICH_DISPLAY": "1",
}
"""What keeps tools from calling their makers; none of it changes what they do with batches."""

_EXCEPTION: Final = re.compile(r"[\w.]+(Error|Exception)\b")


class NoMomentError(Exception):
    """A script never got to where it was to be killed."""


class Script:
    """The script of one trial."""

    def __init__(self, tool: Tool, case: Case, rows: int, home: Path, environment: dict[str, str]) -> None:
        home.mkdir()
        # A link, so that nothing else of this repository can be imported by a tool.
        (home / "path").mkdir()
        (home / "path" / "peers").symlink_to(Path(__file__).parent)
        self.report = home / "told.jsonl"
        self._errors = home / "stderr.txt"
        marked = [case.marker, str(case.every)] if case.marker else []
        self._command = [str(tool.python), "-m", tool.module, str(self.report), str(rows), *marked]
        self._environment = {
            **os.environ,
            **_OFFLINE,
            **environment,
            "HOME": str(home),
            "PYTHONPATH": str(home / "path"),
        }
        self._home = home
        self.rows = rows
        self._process: subprocess.Popen[bytes] | None = None
        self.raised = False

    @property
    def runs(self) -> bool:
        """Whether its process is there."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Run it, for the first time or again."""
        with self._errors.open("wb") as errors:
            self._process = subprocess.Popen(
                self._command,
                cwd=self._home,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=errors,
                stderr=errors,
                start_new_session=True,
            )

    def kill(self) -> None:
        """`kill -9`, whatever it has started included."""
        if self._process is not None:
            # Not reaped yet, so the group's number is still its own.
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def end(self) -> None:
        """Leave nothing behind."""
        if self.runs:
            self.kill()

    def wait(self, limit_s: float) -> str:
        """Wait for its end, and say what was wrong with it; "" where it ended in order."""
        if self._process is None:
            raise RuntimeError("the script was not started")
        try:
            code = self._process.wait(limit_s)
        except subprocess.TimeoutExpired:
            self.kill()
            self.raised = False
            return f"did not end within {limit_s:g} s"
        self.raised = code != 0
        return self._last_words() if self.raised else ""

    def _last_words(self) -> str:
        """The last line that names an exception, since a progress bar may follow it; else the last one."""
        lines = self._errors.read_text(errors="replace").strip().splitlines()
        named = [line for line in lines if _EXCEPTION.match(line)]
        return (named or lines or ["ended without a word"])[-1][:300]
