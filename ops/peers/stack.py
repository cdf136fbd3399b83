"""Batchline's own processes for one trial: Redis, a worker and beat, as `batchline up` runs them."""

from __future__ import annotations

import os
import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from batchline_ops.supervisor import SupervisedStack, UpOptions

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["Stack", "running_stack"]

_PACE: Final = {
    "BATCHLINE_POLL_INTERVAL_S": "1",
    "BATCHLINE_POLL_MAX_INTERVAL_S": "1",
    "BATCHLINE_RETRY_BACKOFF_S": "1",
    "BATCHLINE_CREATE_TIMEOUT_S": "5",
    "BATCHLINE_LEASE_S": "10",
    "BATCHLINE_RECONCILE_QUIET_S": "5",
}
"""Waits in seconds instead of minutes, as the simulated provider is quick. Everything else is as it comes."""


class Stack:
    """What runs beside a client of Batchline."""

    def __init__(self, stack: SupervisedStack) -> None:
        self._stack = stack

    @property
    def environment(self) -> dict[str, str]:
        """For the client."""
        return self._stack.env()

    def kill_worker(self) -> None:
        """`kill -9`, as its user's own process gets it; the supervisor starts another."""
        os.kill(self._stack.pid("worker-1"), signal.SIGKILL)


@contextmanager
def running_stack(folder: Path, provider: dict[str, str]) -> Iterator[Stack]:
    """Run a fresh stack; `provider` are the variables with the simulator's address and key."""
    options = UpOptions(data_dir=folder, flower=False, env={**_PACE, **provider})
    with SupervisedStack(options) as stack:
        yield Stack(stack)
