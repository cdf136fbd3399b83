"""No fault: a thousand jobs through one worker, whose memory must not grow."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from faults.crew import until
from faults.rig import Rig

if TYPE_CHECKING:
    from pathlib import Path

    from faults.history import History
    from faults.nursery import Nursery

__all__ = ["Growth", "run_memory"]

_STEP = 100
"""Jobs between two looks at the worker's memory."""

_WARM = 300
"""Jobs before the first: pools, caches and the allocator's arenas fill up first."""

_CLIENTS = 8
_LONG_S = 300.0
_SAMPLES = 3

_GROWTH = 1.05
"""What the last samples may be of the first."""


@dataclass(frozen=True)
class Growth:
    """Resident memory of the worker, in bytes, after every hundred jobs."""

    jobs: int
    rss_bytes: list[int]

    @property
    def before(self) -> float:
        """The median of the first three samples."""
        return median(self.rss_bytes[:_SAMPLES])

    @property
    def after(self) -> float:
        """The median of the last three."""
        return median(self.rss_bytes[-_SAMPLES:])


def run_memory(folder: Path, nursery: Nursery, jobs: int = 1_000) -> tuple[History, Growth]:
    """Run the jobs; the history is judged like that of a fault."""
    with Rig("memory", folder, nursery) as rig, ThreadPoolExecutor(_CLIENTS) as clients:
        # A worker's memory does not depend on how long the disk takes; this saves minutes.
        rig.redis.config_set("appendfsync", "always")
        worker = rig.crew.hire()[0]
        rig.crew.wait_ready()
        names = [provider.name for provider in rig.providers()]
        samples = []
        for first in range(0, _WARM + jobs, _STEP):
            turn = [names[number % len(names)] for number in range(first, first + _STEP)]
            list(clients.map(lambda name: rig.load.enqueue(name, 1), turn))
            until(rig.load.all_ended, _LONG_S, "a hundred jobs ended")
            time.sleep(0.2)
            if first >= _WARM:
                samples.append(worker.rss_bytes())
        growth = Growth(jobs, samples)
        rig.bound("memory after a thousand jobs, of that before", growth.after / growth.before, _GROWTH)
        return rig.finish(), growth
