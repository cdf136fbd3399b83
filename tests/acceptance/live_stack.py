"""A real server, a real provider simulator and real worker processes, for tests that end some of them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

from redis import Redis

from batchline import BatchClient, Settings
from batchline_ops.simulated import simulated_environment
from batchline_simulator import SimulatorConfig

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from batchline_simulator import SimulatorProcess

FAST = {
    "BATCHLINE_POLL_INTERVAL_S": "0.1",
    "BATCHLINE_POLL_MAX_INTERVAL_S": "0.5",
    "BATCHLINE_TICK_INTERVAL_S": "0.2",
    "BATCHLINE_CREATE_TIMEOUT_S": "1.5",
    "BATCHLINE_LEASE_S": "6.5",
    "BATCHLINE_RECONCILE_QUIET_S": "1.5",
}
"""Crashes are mended within ten seconds instead of minutes."""

KEY = "sk-planted-0123456789"


def simulator_config(folder: Path, **settings: Any) -> SimulatorConfig:
    """A simulator that plays every provider."""
    return SimulatorConfig(
        data_dir=folder,
        service_account_file=service_account_of(folder),
        buckets={"simulated-bucket": "us-central1"},
        **settings,
    )


def service_account_of(folder: Path) -> Path:
    return folder / "service-account.json"


def _marks(batch: dict[str, Any]) -> str:
    return " ".join(str(batch[name]) for name in ("metadata", "display_name", "first_custom_id"))


def _last(name: str) -> str:
    """What tells a resource from the others: Google's are whole paths."""
    return name.rpartition("/")[2]


def until(condition: Callable[[], Any], timeout_s: float = 30.0) -> None:
    """Wait for a condition, or fail."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it has not come true in time"
        time.sleep(0.02)


class LiveWorker:
    """One worker process and its log."""

    def __init__(self, name: str, env: dict[str, str], log: Path) -> None:
        self.log = log
        command = [
            sys.executable,
            "-m",
            "celery",
            "-A",
            "batchline_worker.app",
            "worker",
            "-n",
            f"{name}@test",
        ]
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [*command, "-P", "threads", "-c", "8", "--without-gossip", "--without-mingle"],
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def kill(self) -> None:
        """`kill -9`."""
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def terminate(self, timeout_s: float = 30.0) -> int:
        """Ask it to stop, and return its exit code."""
        self._process.terminate()
        return self._process.wait(timeout_s)


class LiveStack:
    """Everything but the client, in processes of its own. The ledger is database 0, the broker 1."""

    def __init__(self, redis_url: str, simulator: SimulatorProcess, folder: Path) -> None:
        self.redis_url = redis_url
        self.simulator = simulator
        self.folder = folder
        self.workers: list[LiveWorker] = []
        self._broker_url = Settings(redis_url=redis_url).effective_broker_url
        self.broker: Any = Redis.from_url(self._broker_url)
        self._ledger: Any = Redis.from_url(redis_url)
        self.client = BatchClient(settings=Settings(redis_url=redis_url, tick_interval_s=0.2, max_attempts=1))

    def environment(self, **changes: str | None) -> dict[str, str]:
        """What a process on this stack is given; None takes a variable away."""
        given: dict[str, str | None] = {
            **os.environ,
            **FAST,
            "BATCHLINE_REDIS_URL": self.redis_url,
            **simulated_environment(self.simulator.url, self.service_account, {}),
            "OPENAI_API_KEY": KEY,
            **changes,
        }
        return {name: value for name, value in given.items() if value is not None}

    def worker(self, **changes: str | None) -> LiveWorker:
        """Start a worker; it need not be ready when this returns."""
        name = f"worker-{len(self.workers)}"
        self.workers.append(LiveWorker(name, self.environment(**changes), self.folder / f"{name}.log"))
        return self.workers[-1]

    @property
    def service_account(self) -> Path:
        """The key file that `simulator_config` has the simulator write."""
        return service_account_of(self.simulator.config.data_dir)

    def accepted(self, job_id: str) -> list[dict[str, Any]]:
        """Every batch of a job that a provider ever accepted, and bills, by whatever mark it keeps."""
        name = job_id.removeprefix("job_")
        return [batch for batch in self.simulator.batches() if name in _marks(batch)]

    def assert_paid_once(self, job_id: str, shards: int, requests: int) -> None:
        """One batch per shard, all requests in them, and each the one that the ledger knows."""
        batches = self.accepted(job_id)
        known = [batch.batch_id or "" for batch in self.client.job(job_id).batches()]
        assert len(batches) == shards
        assert sum(batch["line_count"] for batch in batches) == requests
        assert Counter(map(_last, known)) == Counter(_last(batch["id"]) for batch in batches)

    @contextmanager
    def broker_traffic(self) -> Iterator[list[str]]:
        """Collect every command that reaches the broker's database, while the context is open."""
        commands: list[str] = []
        # Nothing reaches the broker while the first worker starts, however long that takes.
        patient = Redis.from_url(self._broker_url, socket_timeout=None)
        with closing(patient), patient.monitor() as monitor:

            def listen() -> None:
                for event in monitor.listen():
                    if event["db"] == 1:
                        commands.append(event["command"])
                        if event["command"] == "ECHO enough":
                            return

            listener = threading.Thread(target=listen)
            listener.start()
            try:
                yield commands
            finally:
                self.broker.echo("enough")
                listener.join(10)

    def logs(self) -> str:
        """What all workers wrote."""
        return "".join(worker.log.read_text() for worker in self.workers)

    def close(self) -> None:
        """End what still runs, and forget everything."""
        for worker in self.workers:
            if worker.alive:
                worker.kill()
        self.simulator.set_faults()
        self.client.close()
        for database in (self._ledger, self.broker):
            database.flushdb()
            database.close()
