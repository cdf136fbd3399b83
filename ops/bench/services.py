"""The processes of one end-to-end run: Redis, one worker and, beside them, the simulator."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psutil
from metering import peak_bytes

from batchline_ops.embedded import EmbeddedServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["POLL_S", "Services", "running_services"]

POLL_S = 1.0
"""Seconds between two polls of a batch, on both sides."""

_START_S = 60.0


@dataclass(frozen=True)
class Services:
    """What runs while a job does, besides its client and the simulator."""

    environment: dict[str, str]
    """For the client."""
    processes: dict[str, psutil.Process]

    def cpu_s(self) -> dict[str, float]:
        """Return CPU seconds since the start of each process; those of children that ended are in."""
        return {name: sum(process.cpu_times()[:4]) for name, process in self.processes.items()}

    def peaks(self) -> dict[str, int]:
        """Return the peak of resident memory of each process since its start, in bytes.

        Where the system keeps no peak of other processes (macOS), what is resident now.
        """
        return {
            name: peak_bytes(process.pid) or process.memory_info().rss
            for name, process in self.processes.items()
        }


@contextmanager
def running_services(folder: Path, simulator_url: str) -> Iterator[Services]:
    """Run a fresh embedded server and a worker, as `batchline up` runs them, without Flower and beat."""
    folder.mkdir(parents=True)
    with EmbeddedServer(folder / "data") as server:
        environment = {
            **os.environ,
            "BATCHLINE_REDIS_URL": server.url,
            "BATCHLINE_POLL_INTERVAL_S": str(POLL_S),
            "OPENAI_BASE_URL": simulator_url,
            "OPENAI_API_KEY": "simulated",
        }
        log = folder / "worker.log"
        with log.open("wb") as target:
            worker = subprocess.Popen(_worker_command(), env=environment, stdout=target, stderr=target)
        try:
            _wait_until_ready(worker, log)
            processes = {"redis": psutil.Process(server.pid), "worker": psutil.Process(worker.pid)}
            yield Services(environment, processes)
        finally:
            worker.terminate()
            worker.wait(_START_S)


def _worker_command() -> list[str]:
    options = "worker -n bench@%h -P threads -c 8 --without-gossip --without-mingle -E -l INFO"
    return [sys.executable, "-m", "celery", "-A", "batchline_worker.app", *options.split()]


def _wait_until_ready(worker: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _START_S
    while " ready" not in (text := log.read_text(errors="replace")):
        if worker.poll() is not None or time.monotonic() > deadline:
            sys.exit(f"the worker did not start: {text[-2000:]}")
        time.sleep(0.1)
