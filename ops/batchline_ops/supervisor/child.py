"""One service's process over its lives: started, watched, restarted, stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from typing import TYPE_CHECKING

from batchline_ops.embedded.guard import guarded
from batchline_ops.supervisor.logs import last_lines, rotate
from batchline_ops.supervisor.probes import ProbeTarget

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from batchline_ops.supervisor.service import RestartPolicy, Service

__all__ = ["Child"]


class Child:
    """A service and, most of the time, its process."""

    def __init__(
        self,
        service: Service,
        logs: Path,
        policy: RestartPolicy,
        *,
        environment: Mapping[str, str],
        inherit: tuple[int, ...] = (),
    ) -> None:
        """Start nothing yet.

        Args:
            service: What to run.
            logs: Folder of the log files.
            policy: When to run it again.
            environment: What the service's own `env` is added to.
            inherit: Descriptors that the process shares, such as a lock.
        """
        self.service = service
        self.log = logs / f"{service.name}.log"
        self.ready = False
        self.early_ends = 0
        """Runs in a row that ended before they were ready."""

        self.next_start = 0.0
        """`time.monotonic()` before which it is not started again."""

        self.exit_code: int | None = None
        """Of the last run that ended; negative: minus the signal's number."""

        self._policy = policy
        self._environment = {**environment, **service.env}
        self._inherit = inherit
        self._process: subprocess.Popen[bytes] | None = None
        self._target = ProbeTarget(log=self.log, log_start=0, started_at=0.0, pid=0)
        self._failures = 0
        self._start_error = ""

    @property
    def pid(self) -> int | None:
        """The process that runs now."""
        return None if self._process is None else self._process.pid

    def start(self) -> bool:
        """Start the process in a group of its own: a terminal's Ctrl-C must reach only the supervisor.

        Returns:
            False if that was not possible (no memory, disk full): a failure like any other.
        """
        try:
            rotate(self.log)
            self._spawn()
        except OSError as error:
            self._start_error = error.strerror or str(error)
            self._count_failure()
            return False
        self._start_error = ""
        return True

    def _spawn(self) -> None:
        death_signal = signal.Signals[self.service.death_signal]
        launch = guarded(self.service.command, on_parent_death=death_signal)
        with self.log.open("ab") as log:
            log_start = log.tell()
            self._process = subprocess.Popen(
                launch.command,
                cwd=self.service.cwd,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=(*self._inherit, *launch.pass_fds),
                start_new_session=True,
            )
        self._target = ProbeTarget(
            log=self.log, log_start=log_start, started_at=time.monotonic(), pid=self._process.pid
        )

    def probe(self) -> bool:
        """Ask whether it is ready, and remember a yes for this run."""
        if not self.ready and self._process is not None:
            self.ready = self.service.probe.passes(self._target)
        return self.ready

    def reap(self) -> bool:
        """Notice that the process has ended; plan its next start. Returns whether it had."""
        if self._process is None or not _has_ended(self._process.pid):
            return False
        # While the dead leader is not reaped its group's number cannot be given away,
        # so this can only reach what the service itself left behind.
        self._signal_group(signal.SIGKILL)
        self.exit_code = self._process.wait()
        if self.ready and time.monotonic() - self._target.started_at >= self._policy.stable_s:
            self._failures = 0
        self._count_failure()
        self._process, self.ready = None, False
        return True

    def _count_failure(self) -> None:
        """Note that a run has ended or could not begin, and when to try again."""
        self.early_ends = 0 if self.ready else self.early_ends + 1
        self._failures += 1
        self.next_start = time.monotonic() + self._policy.delay_s(self._failures)

    def terminate(self) -> None:
        """Ask the process to end; it passes that on to its own children as it sees fit."""
        if self._process is not None:
            self._process.terminate()

    def kill(self) -> None:
        """End the process and its whole group now."""
        self._signal_group(signal.SIGKILL)

    def describe_end(self) -> str:
        """How the last run ended, where its log is, and the log's last lines."""
        if self._start_error:
            how = f"could not be started ({self._start_error})"
        elif self.exit_code is None:
            how = "did not become ready"
        elif self.exit_code < 0:
            how = f"was ended by {signal.Signals(-self.exit_code).name}"
        else:
            how = f"exited with code {self.exit_code}"
        tail = last_lines(self.log, start=self._target.log_start)
        return f"{self.service.name} {how}; {self.log}: {tail}"

    def _signal_group(self, number: signal.Signals) -> None:
        if self._process is not None:
            try:
                os.killpg(self._process.pid, number)
            except (ProcessLookupError, PermissionError):  # macOS says the latter of a group of zombies
                return


def _has_ended(pid: int) -> bool:
    """Whether a child of ours has ended, without reaping it."""
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
