"""The server's disk, and what a power cut takes: whatever was written since its last sync."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import fakeredis

if TYPE_CHECKING:
    from simulation.clockwork import Clock

__all__ = ["LIFE", "Disk"]

LIFE = "simulated:run_id"
"""A key that stands for what `INFO` says of the server's life; scripts are made to look there."""

_SYNC_S = 1.0
"""`appendfsync everysec`."""


class Disk:
    """Append-only file of one server."""

    def __init__(self, server: fakeredis.FakeServer, clock: Clock) -> None:
        self._server, self._clock = server, clock
        self.lives = 0
        """How often the server has come back."""
        self._saved: dict[bytes, Any] = {}
        self._synced_s = 0.0
        self._begin_life()

    @property
    def _data(self) -> Any:
        return self._server.dbs[0]

    def sync(self) -> None:
        """Write down all there is."""
        self._saved = copy.deepcopy(self._data._dict)
        self._synced_s = self._clock.now_s

    def sync_if_due(self) -> None:
        """Write down all there is, if a second has passed."""
        if self._clock.now_s - self._synced_s >= _SYNC_S:
            self.sync()

    def cut_power(self) -> None:
        """Come back with what was synced, another life, and no script."""
        data = self._data
        data._dict = self._saved
        data._expiry_heap = []
        for key, item in data._dict.items():
            data.schedule_expiry(key, item.expireat)
        self._server.script_cache.clear()
        self.lives += 1
        self._begin_life()

    def _begin_life(self) -> None:
        fakeredis.FakeRedis(server=self._server).set(LIFE, f"{self.lives:012}")
        self.sync()
