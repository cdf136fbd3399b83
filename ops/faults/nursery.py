"""Starts workers from a process that has imported what they need already.

A worker that calls four providers imports their SDKs for five seconds of CPU, and here one is killed every
few seconds. So one process imports them once, and each worker or beat is forked from it and then becomes
`celery worker` with a command line, an environment and a session of its own, as if it had been started anew.

`python -m faults.nursery` is that process: a JSON object a line asks for one start; it tells each start and
each end in the same way. It imports nothing that reads the environment, and has no threads.
"""

from __future__ import annotations

import ctypes
import importlib
import json
import os
import select
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from batchline_ops.embedded.guard import guarded

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

__all__ = ["Nursery"]

_IMPORTED = (
    "anthropic",
    "batchline_worker.context",
    "batchline_worker.drain",
    "batchline_worker.providers.anthropic",
    "batchline_worker.providers.gemini",
    "batchline_worker.providers.google",
    "batchline_worker.providers.openai",
    "billiard.pool",
    "celery.apps.beat",
    "celery.apps.worker",
    "celery.beat",
    "celery.bin.celery",
    "celery.concurrency.prefork",
    "celery.concurrency.thread",
    "celery.worker.consumer",
    "google.cloud.storage",
    "google.genai",
    "kombu.transport.redis",
    "openai",
)

_REAP_S = 0.02
_START_S = 120.0
_PR_SET_PDEATHSIG = 1
"""From <linux/prctl.h>."""


class Nursery:
    """The process that workers are forked from. Safe to share between threads."""

    def __init__(self) -> None:
        launch = guarded((sys.executable, "-m", "faults.nursery"), on_parent_death=signal.SIGKILL)
        self._process = subprocess.Popen(
            launch.command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pass_fds=launch.pass_fds,
            start_new_session=True,
            text=True,
        )
        self._told = threading.Condition()
        self._started: dict[int, int] = {}
        self._ended: dict[int, int] = {}
        self._asked = 0
        self._listener = threading.Thread(target=self._listen, name="nursery", daemon=True)
        self._listener.start()

    def start(self, arguments: Sequence[str], env: Mapping[str, str], log: Path) -> int:
        """Start `celery` with these arguments, writing to the end of a log; returns its process id.

        Raises:
            TimeoutError: The nursery does not answer.
        """
        with self._told:
            self._asked += 1
            asked = self._asked
            order = {"id": asked, "arguments": list(arguments), "env": dict(env), "log": str(log)}
            assert self._process.stdin is not None  # noqa: S101 - it was made with one
            self._process.stdin.write(json.dumps(order) + "\n")
            self._process.stdin.flush()
            if not self._told.wait_for(lambda: asked in self._started, _START_S):
                raise TimeoutError("the nursery does not answer")
            return self._started.pop(asked)

    def exit_code(self, pid: int) -> int | None:
        """How a process that was started here has ended; None while it has not."""
        with self._told:
            return self._ended.get(pid)

    def wait(self, pid: int, timeout_s: float) -> int:
        """Wait for a process' end.

        Raises:
            TimeoutError: It has not ended.
        """
        with self._told:
            if not self._told.wait_for(lambda: pid in self._ended, timeout_s):
                raise TimeoutError(f"process {pid} has not ended within {timeout_s:g} s")
            return self._ended[pid]

    def close(self) -> None:
        """End it; who was started here ends too."""
        self._process.kill()
        self._process.wait()
        self._listener.join()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()

    def _listen(self) -> None:
        assert self._process.stdout is not None  # noqa: S101 - as above
        for line in self._process.stdout:
            told: dict[str, Any] = json.loads(line)
            with self._told:
                if "code" in told:
                    self._ended[told["pid"]] = told["code"]
                else:
                    self._ended.pop(told["pid"], None)
                    self._started[told["id"]] = told["pid"]
                self._told.notify_all()


def _serve() -> None:
    """Start what is asked for until nobody can ask any more."""
    for name in _IMPORTED:
        importlib.import_module(name)
    if threading.active_count() > 1:
        sys.exit("an import has started a thread; a fork would leave it behind")
    # Unbuffered: what a buffer holds, `select` does not see.
    orders = os.fdopen(0, "rb", buffering=0)
    while True:
        if select.select([orders], [], [], _REAP_S)[0]:
            line = orders.readline()
            if not line:
                return
            order = json.loads(line)
            _tell(id=order["id"], pid=_forked(order))
        with suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                _tell(pid=ended[0], code=os.waitstatus_to_exitcode(ended[1]))


def _tell(**what: int) -> None:
    os.write(sys.stdout.fileno(), f"{json.dumps(what)}\n".encode())


def _forked(order: dict[str, Any]) -> int:
    parent = os.getpid()
    pid = os.fork()
    if not pid:
        try:
            _become(order, parent)
        finally:
            os._exit(1)
    return pid


def _become(order: dict[str, Any], parent: int) -> None:
    """Be a process as a shell would start it, but for what is imported."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        return
    os.setsid()
    log = os.open(order["log"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((nothing, 0), (log, 1), (log, 2)):
        os.dup2(source, target)
    os.closerange(3, 256)
    os.environ.clear()
    os.environ.update(order["env"])
    sys.argv = ["celery", *order["arguments"]]
    importlib.import_module("celery.__main__").main()


if __name__ == "__main__":
    _serve()
