"""Whether processes have ended, for tests that kill them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from collections.abc import Iterable


def is_gone(pid: int) -> bool:
    """Ended; one that nobody has reaped yet counts as ended."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def still_there(pids: Iterable[int], within_s: float = 5.0) -> list[int]:
    """Those that have not ended when the time is over."""
    deadline = time.monotonic() + within_s
    left = list(pids)
    while left and time.monotonic() < deadline:
        left = [pid for pid in left if not is_gone(pid)]
        time.sleep(0.01)
    return left
