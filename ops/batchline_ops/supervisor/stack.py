"""The whole stack from Python: started as a child process, stopped with the `with` block.

A process of its own, because the supervisor needs a main thread and its signals;
and because it stops everything when its stdin ends, even if the caller was killed.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from typing import TYPE_CHECKING, Self

from pydantic import ValidationError

from batchline_ops.supervisor.errors import StackError
from batchline_ops.supervisor.state import StackState

if TYPE_CHECKING:
    from pathlib import Path

    from batchline_ops.supervisor.options import UpOptions

__all__ = ["SupervisedStack"]

_POLL_S = 0.01


class SupervisedStack:
    """A running `batchline up`."""

    def __init__(self, options: UpOptions) -> None:
        """Say what to run; nothing is started before `start`."""
        self.options = options.model_copy(update={"as_json": True, "data_dir": options.data_dir.absolute()})
        self._process: subprocess.Popen[bytes] | None = None
        self._ready_state: StackState | None = None

    @property
    def supervisor_pid(self) -> int:
        """The supervisor's own process id."""
        return self._running().pid

    @property
    def logs(self) -> Path:
        """Where each service's log is."""
        return self.options.data_dir / "logs"

    @property
    def state(self) -> StackState:
        """What runs now.

        Raises:
            StackError: The stack is not running.
        """
        process = self._running()
        state = StackState.read(self.options.data_dir)
        if state is None or process.poll() is not None:
            raise StackError(
                f"the stack on {self.options.data_dir} has ended; see {self.logs / 'supervisor.log'}"
            )
        return state

    def start(self) -> Self:
        """Start everything and wait until it answers.

        Raises:
            StackError: It could not be started; the supervisor's own words.
        """
        with tempfile.TemporaryFile() as errors:
            process = subprocess.Popen(
                [sys.executable, "-m", "batchline_ops.supervisor"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                start_new_session=True,
            )
            self._process = process
            try:
                self._ready_state = self._read_ready_line(process)
            except ValidationError:
                self.stop()
                errors.seek(0)
                said = errors.read().decode(errors="replace").strip().removeprefix("batchline up: ")
                raise StackError(said or "the supervisor ended without a word") from None
        return self

    def stop(self, timeout_s: float = 150.0) -> int:
        """Stop everything in order. Harmless when repeated.

        Returns:
            The supervisor's exit code; 0 after an orderly stop.

        Raises:
            StackError: It did not stop in time, and was killed; its services end with it.
        """
        if self._process is None:
            return 0
        process, self._process = self._process, None
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()
        try:
            return process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise StackError(f"the stack did not stop within {timeout_s:g} s and was killed") from None

    def kill(self) -> None:
        """Kill the supervisor as a crash would (SIGKILL); its services end by themselves."""
        self._running().kill()
        self.stop()

    def pid(self, service: str, *, other_than: int | None = None, timeout_s: float = 30.0) -> int:
        """The process id of a service, once it runs.

        Args:
            service: Such as `worker-1`.
            other_than: The id of a process that was killed: wait for the one that follows it.
            timeout_s: Seconds to wait.

        Raises:
            StackError: There is no such service, or it did not come back in time.
        """
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            pid = self.state.pids.get(service)
            if pid is not None and pid != other_than:
                return pid
            time.sleep(_POLL_S)
        raise StackError(
            f"no process of {service!r} within {timeout_s:g} s; running: {sorted(self.state.pids)}"
        )

    def wait_ready(self, timeout_s: float = 60.0) -> StackState:
        """Wait until every service answers again, after one was killed.

        Raises:
            StackError: That took longer than `timeout_s`.
        """
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            state = self.state
            if state.ready:
                return state
            time.sleep(_POLL_S)
        raise StackError(f"not every service answered within {timeout_s:g} s; see {self.logs}")

    def env(self) -> dict[str, str]:
        """This process's environment with what a client of the stack needs."""
        state = self._ready_state
        if state is None:
            raise StackError("the stack has not been started")
        return {
            **os.environ,
            **self.options.env,
            "BATCHLINE_REDIS_URL": state.redis_url,
            "BATCHLINE_BROKER_URL": state.broker_url,
        }

    def __enter__(self) -> Self:
        """Start."""
        return self.start()

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self.stop()

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise StackError("the stack has not been started")
        return self._process

    def _read_ready_line(self, process: subprocess.Popen[bytes]) -> StackState:
        """Hand over the options, and wait for the line; an empty one means that the process has ended."""
        if process.stdin is None or process.stdout is None:
            raise StackError("the supervisor has no pipes")
        process.stdin.write(self.options.model_dump_json().encode() + b"\n")
        process.stdin.flush()
        return StackState.model_validate_json(process.stdout.readline())
