"""Looks at leases while a fault is struck: what stays past its lease although somebody could take it over.

Only calm counts: everybody works, and nothing has been done to the system for a moment. And only where fewer
rows are due in a stage than a worker has hands: a row that waits in line behind others is not forgotten.
Nor does the time count in which the machine stood still, seen by a short sleep here that became a long one.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

from redis import Redis
from redis.exceptions import RedisError

from batchline_shared.ledger import Stage, keys
from faults.history import Late

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Watch", "leftovers"]

_HANDS = 2
"""Rows of one stage that one worker sees to at the same time."""


class Watch:
    """A thread that samples the due sets twice a tick."""

    def __init__(self, url: str, *, tick_s: float, calm: Callable[[], bool]) -> None:
        self._redis: Any = Redis.from_url(url, socket_timeout=2)
        self._tick_s = tick_s
        self._calm = calm
        self.stalled_s = 0.0
        """How long the machine stood still at a time, at the most."""

        self._seen: dict[tuple[str, str, int], float] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)
        self._thread.start()

    def close(self) -> list[Late]:
        """End, and tell what was late and for how long."""
        self._stop.set()
        self._thread.join()
        self._redis.close()
        return [Late(stage, member, late_s) for (stage, member, _), late_s in self._seen.items()]

    def _run(self) -> None:
        since: dict[tuple[str, str, int], int] = {}
        while True:
            began = time.monotonic()
            if self._stop.wait(self._tick_s / 2):
                return
            stalled_s = max(0.0, time.monotonic() - began - self._tick_s / 2)
            self.stalled_s = max(self.stalled_s, stalled_s)
            try:
                now_ms, late = self._sample() if self._calm() else (0, [])
            except RedisError:
                now_ms, late = 0, []
            if not self._calm():
                late = []
            # Lateness counts from when it was first seen in calm: before, nobody could have taken it over.
            since = {row: since[row] + int(stalled_s * 1000) if row in since else now_ms for row in late}
            for row, first_ms in since.items():
                self._seen[row] = max(self._seen.get(row, 0.0), (now_ms - first_ms) / 1000)

    def _sample(self) -> tuple[int, list[tuple[str, str, int]]]:
        """Rows past their lease: stage, member, and when the lease ended."""
        seconds, microseconds = self._redis.time()
        now_ms = seconds * 1000 + microseconds // 1000
        late = []
        for stage in Stage:
            due = _due(self._redis, stage, now_ms)
            if len(due) > _HANDS:
                continue
            for partition, member in due:
                until_ms = int(self._redis.hget(keys.work(partition, member), "lease_until") or 0)
                if 0 < until_ms < now_ms:
                    late.append((str(stage), member, until_ms))
        return now_ms, late


def leftovers(redis: Any) -> list[str]:
    """Name what is due in any stage, now or later, but for cleaning up, and audits, which come for ever."""
    stages = [stage for stage in Stage if stage not in (Stage.CLEAN, Stage.AUDIT)]
    return [f"{stage}: {member}" for stage in stages for _, member in _due(redis, stage, "+inf")]


def _due(redis: Any, stage: Stage, until: int | str) -> list[tuple[int, str]]:
    with redis.pipeline(transaction=False) as pipe:
        for partition in range(keys.PARTITIONS):
            pipe.zrangebyscore(keys.due(partition, stage), "-inf", until)
        replies = pipe.execute()
    return [(partition, name.decode()) for partition, names in enumerate(replies) for name in names]
