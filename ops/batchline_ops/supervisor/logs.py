"""Where each service writes: `logs/NAME.log`, set aside by size whenever the service starts."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["last_lines", "rotate"]

_MAX_BYTES = 10 * 1024 * 1024
"""A log at least this long is set aside at the next start. A run itself writes on without a limit."""

_KEEP = 3
"""Old logs of one service: `NAME.log.1` is the youngest."""

_TAIL_BYTES = 4096


def rotate(log: Path, *, max_bytes: int = _MAX_BYTES, keep: int = _KEEP) -> None:
    """Set a long log aside, and drop the oldest of those set aside before."""
    if not log.exists() or log.stat().st_size < max_bytes:
        return
    for number in range(keep, 1, -1):
        with contextlib.suppress(FileNotFoundError):
            log.with_name(f"{log.name}.{number - 1}").replace(log.with_name(f"{log.name}.{number}"))
    log.replace(log.with_name(f"{log.name}.1"))


def last_lines(log: Path, *, start: int = 0, lines: int = 3) -> str:
    """The last lines from `start` (bytes) on, joined into one for an error message."""
    try:
        with log.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(start, size - _TAIL_BYTES))
            text = file.read().decode(errors="replace")
    except OSError as error:
        return f"({error.strerror})"
    found = [line.strip() for line in text.splitlines() if line.strip()]
    return " | ".join(found[-lines:]) or "(it logged nothing)"
