"""CPU seconds and memory of this process and of others.

CPU seconds are user and system time together: on a machine that others use too,
wall time says more about them than about us. Peak memory is the kernel's own
high-water mark of resident pages (Linux); elsewhere what `getrusage` says.
"""

from __future__ import annotations

import gc
import re
import resource
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["MB", "Meter", "metered", "own_cpu_s", "own_peak_bytes", "peak_bytes"]

MB = 1_000_000
"""Bytes: the targets are in decimal megabytes, the stricter reading."""

_PROC = Path("/proc")


class Meter:
    """What a `metered` block cost."""

    cpu_s = 0.0
    wall_s = 0.0
    added_bytes = 0
    """Peak of resident memory during the block, less what was resident when it began."""


@contextmanager
def metered() -> Iterator[Meter]:
    """Measure a block of this process."""
    meter = Meter()
    gc.collect()
    before = _forget_peak()
    wall, cpu = time.perf_counter(), time.process_time()
    yield meter
    meter.cpu_s = time.process_time() - cpu
    meter.wall_s = time.perf_counter() - wall
    meter.added_bytes = max(0, own_peak_bytes() - before)


def own_cpu_s() -> float:
    """Return what this process has cost since it was started, its imports included, in CPU seconds."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def own_peak_bytes() -> int:
    """Return the peak of this process's resident memory since the last `metered` block began, in bytes."""
    if _PROC.is_dir():
        return peak_bytes("self")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def peak_bytes(pid: int | str) -> int:
    """Return the peak of a process's resident memory, in bytes; 0 where the system does not tell."""
    return _status(pid, "VmHWM") if _PROC.is_dir() else 0


def _forget_peak() -> int:
    """Let the peak begin anew, and return what is resident now."""
    if not _PROC.is_dir():
        return own_peak_bytes()
    Path("/proc/self/clear_refs").write_text("5")
    return _status("self", "VmRSS")


def _status(pid: int | str, name: str) -> int:
    found = re.search(rf"^{name}:\s+(\d+) kB", (_PROC / str(pid) / "status").read_text(), re.MULTILINE)
    return int(found[1]) * 1024 if found else 0
