"""What applications do meanwhile: enqueue jobs, again where that failed, wait, and read every outcome."""

from __future__ import annotations

import threading
import time
import uuid
from contextlib import suppress
from typing import TYPE_CHECKING

from batchline import QueueUnavailableError
from batchline_shared.errors import BatchlineError
from faults.history import Acked, Outcome
from faults.trade import PROVIDERS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from batchline import BatchClient
    from faults.history import History

__all__ = ["Load"]

_PATIENCE_S = 180.0


class Load:
    """Jobs of all providers, and what became of them."""

    def __init__(self, client: BatchClient, history: History) -> None:
        self._client = client
        self._history = history
        self._lock = threading.Lock()
        self._number = 0
        self._open: set[str] = set()

    def enqueue(self, provider: str, requests: int) -> str:
        """Enqueue one job until that is acknowledged, as an application would: under one idempotency key.

        Every eighth job holds a request that fails in its first attempt, and one that is refused for good.

        Raises:
            QueueUnavailableError: It failed for three minutes.
        """
        key, deadline = uuid.uuid4().hex, time.monotonic() + _PATIENCE_S
        number = self._next()
        while True:
            try:
                return self._enqueue(provider, requests, number, key)
            except QueueUnavailableError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)

    def enqueue_once(self, provider: str, requests: int) -> str:
        """Enqueue one job.

        Raises:
            QueueUnavailableError, QueueFullError: Nothing was enqueued.
        """
        return self._enqueue(provider, requests, self._next(), uuid.uuid4().hex)

    def _next(self) -> int:
        with self._lock:
            self._number += 1
            return self._number

    def _enqueue(self, provider: str, requests: int, number: int, key: str) -> str:
        model = PROVIDERS[provider].model
        job = self._client.enqueue(model, None, _requests(number, requests), idempotency_key=key)
        with self._lock:
            self._history.acked.append(Acked(job.id, provider, requests))
            self._open.add(job.id)
        return job.id

    def enqueue_all(self, jobs: int, requests: int) -> list[str]:
        """Enqueue jobs for every provider in turn."""
        return [self.enqueue(provider, requests) for _ in range(jobs) for provider in PROVIDERS]

    def meanwhile(self, jobs: int, requests: int) -> threading.Thread:
        """Enqueue jobs for every provider from another thread; join it."""
        thread = threading.Thread(target=self.enqueue_all, args=(jobs, requests), daemon=True)
        thread.start()
        return thread

    @property
    def open(self) -> set[str]:
        """Ids of the jobs that have not ended, as far as Redis can be asked; one that is gone never does."""
        with self._lock:
            waiting = list(self._open)
        ended = {job_id for job_id in waiting if self._has_ended(job_id)}
        with self._lock:
            self._open -= ended
            return set(self._open)

    def _has_ended(self, job_id: str) -> bool:
        with suppress(BatchlineError):
            return self._client.job(job_id).status().is_final
        return False

    def all_ended(self) -> bool:
        """Whether every job has ended; False while Redis cannot be asked."""
        return not self.open

    def wait(self, job_id: str, timeout_s: float) -> None:
        """Wait for one job's end."""
        self._client.job(job_id).wait(timeout_s=timeout_s)

    def wait_all(self, timeout_s: float) -> None:
        """Wait for the end of every job; the checker tells which have not ended in time."""
        deadline = time.monotonic() + timeout_s
        while not self.all_ended() and time.monotonic() < deadline:
            time.sleep(0.1)

    def read_all(self) -> None:
        """Read every outcome of every acknowledged job."""
        for acked in self._history.acked:
            if acked.job_id in self._open:
                continue
            for outcome in self._client.job(acked.job_id).iter_results(timeout_s=10):
                self._history.outcomes.append(Outcome(acked.job_id, outcome.custom_id, outcome.success))


def _requests(number: int, count: int) -> Iterator[list[dict[str, str]]]:
    marked = number % 8 == 0
    for row in range(count):
        fault = {0: " [[fault:server_error:1]]", 1: " [[fault:refusal]]"}.get(row, "") if marked else ""
        yield [{"role": "user", "content": f"Job {number}, question {row}.{fault}"}]
