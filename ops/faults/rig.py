"""What one fault needs, in processes of its own: server, simulator, workers; and what is recorded."""

from __future__ import annotations

import os
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self

from redis import Redis

from batchline import BatchClient, Settings
from batchline_ops.embedded import EmbeddedServer
from batchline_ops.simulated import simulated_environment
from batchline_simulator import SimulatorConfig
from batchline_simulator.process import SimulatorProcess
from faults.crew import Crew
from faults.history import Act, Bound, History
from faults.load import Load
from faults.snapshot import record
from faults.trade import PROVIDERS
from faults.watch import Watch, leftovers

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from faults.nursery import Nursery
    from faults.trade import Provider

__all__ = ["LEASE_S", "QUIET_S", "TICK_S", "Rig"]

TICK_S = 0.3
CREATE_TIMEOUT_S = 1.5
LEASE_S = 6.5
QUIET_S = 1.75

_CLOCK = {
    "BATCHLINE_TICK_INTERVAL_S": str(TICK_S),
    "BATCHLINE_CREATE_TIMEOUT_S": str(CREATE_TIMEOUT_S),
    "BATCHLINE_LEASE_S": str(LEASE_S),
    "BATCHLINE_RECONCILE_QUIET_S": str(QUIET_S),
    "BATCHLINE_POLL_INTERVAL_S": "0.2",
    "BATCHLINE_POLL_MAX_INTERVAL_S": "0.6",
    "BATCHLINE_PARALLEL_UPLOADS": "4",
    "BATCHLINE_PARALLEL_COLLECTS": "4",
    "BATCHLINE_SHARD_MAX_REQUESTS": "2",
    "BATCHLINE_CLEAN_UP_AFTER_S": "none",
}
"""The usual waits, a twentieth as long or less: what is minutes in service is seconds here."""

_DROPPED_S = 70.0
"""Within this time workers drop what an enqueue left that died before its commit: they look after 60 s."""

_CALM_S = 1.0
"""Seconds after which what was done to the system counts as over."""


class Rig:
    """One system under one fault. The ledger is database 0, the broker 1."""

    def __init__(
        self,
        fault: str,
        folder: Path,
        nursery: Nursery,
        *,
        env: dict[str, str] | None = None,
        speed: float = 0.0,
    ) -> None:
        self.folder = folder
        self._nursery = nursery
        self.signal = "kill"
        """What the simulator's signals do to whom they hit."""
        self.history = History(fault, tick_s=TICK_S)
        self._env = env or {}
        self._speed = speed
        self._troubled = 0
        self._quiet_since = time.monotonic()
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True)
        self._started = time.monotonic()
        self.server = EmbeddedServer(self.folder / "server").start()
        account = self.folder / "service-account.json"
        config = SimulatorConfig(
            data_dir=self.folder / "simulator",
            service_account_file=account,
            buckets={"simulated-bucket": "us-central1"},
            gemini_max_batches=10_000,
            speed=self._speed,
            anthropic_poll_hint_s=0,
        )
        self.simulator = SimulatorProcess(config)
        env = {**os.environ, **_CLOCK, "BATCHLINE_REDIS_URL": self.server.url, **self._env}
        env |= simulated_environment(self.simulator.url, account, {})
        logs = self.folder / "logs"
        logs.mkdir()
        self.crew = Crew(self._nursery, env, logs)
        self.redis: Any = Redis.from_url(self.server.url)
        self.broker: Any = Redis.from_url(self.server.url.removesuffix("/0") + "/1")
        settings = Settings(
            redis_url=self.server.url, tick_interval_s=TICK_S, max_attempts=2, retry_backoff_s=0.2
        )
        self.client = BatchClient(settings=settings)
        self.load = Load(self.client, self.history)
        self._watch = Watch(self.server.url, tick_s=TICK_S, calm=lambda: self.calm)
        return self

    def __exit__(self, *_: object) -> None:
        self.crew.close()
        self._watch.close()
        self.client.close()
        self.redis.close()
        self.broker.close()
        self.simulator.stop()
        self.server.stop()

    @property
    def calm(self) -> bool:
        """Whether nothing is wrong, and has not been for a moment."""
        with self._lock:
            quiet = not self._troubled and time.monotonic() - self._quiet_since > _CALM_S
        return quiet and self.crew.ready

    @contextmanager
    def trouble(self) -> Iterator[None]:
        """Say that something is being done to the system."""
        with self._lock:
            self._troubled += 1
        try:
            yield
        finally:
            with self._lock:
                self._troubled -= 1
                self._quiet_since = time.monotonic()

    def act(self, kind: str, provider: str = "") -> None:
        """Record something that was done to the system."""
        self.history.acts.append(Act(kind, provider))

    def bound(self, name: str, measured: float, limit: float, provider: str = "") -> None:
        """Record something that was measured, and what it may be at most."""
        self.history.bounds.append(Bound(name, measured, limit, provider))

    def bound_s(self, name: str, measured_s: float, limit_s: float, provider: str = "") -> None:
        """Record a time, which may be longer by what the machine stood still for."""
        self.bound(name, measured_s, limit_s + self._watch.stalled_s, provider)

    def arm(self, call: str, kind: str, **options: Any) -> None:
        """Arm one fault of the simulator."""
        self.simulator.arm({"call": call, "kind": kind, **options})

    def struck(self, call: str, kind: str) -> int:
        """How often a fault of the simulator has struck."""
        return sum(kind in entry["faults"] for entry in self.simulator.calls(call) if entry["faults"])

    def providers(self) -> list[Provider]:
        """Every provider."""
        return list(PROVIDERS.values())

    def finish(self, timeout_s: float = 240.0) -> History:
        """Wait for every job's end, read every outcome, and record what is where."""
        self.load.wait_all(timeout_s)
        self.load.read_all()
        self._wait_for_nothing_due()
        record(self)
        self.history.late = self._watch.close()
        self.history.seconds = time.monotonic() - self._started
        self.history.save(self.folder / "history.json")
        return self.history

    def _wait_for_nothing_due(self) -> None:
        """Wait until nothing is due any more; the checker tells what still is."""
        deadline = time.monotonic() + _DROPPED_S
        while leftovers(self.redis) and time.monotonic() < deadline:
            time.sleep(0.1)
