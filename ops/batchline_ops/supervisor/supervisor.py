"""The loop that starts services stage by stage, restarts what ends, and stops in reverse order.

It knows nothing of Batchline. One thread, woken by signals: what it does at any
time can be read from `logs/supervisor.log`.
"""

from __future__ import annotations

import logging
import os
import time
from itertools import groupby
from typing import TYPE_CHECKING

from batchline_ops.supervisor.child import Child
from batchline_ops.supervisor.errors import ServiceFailedError
from batchline_ops.supervisor.service import RestartPolicy, Service
from batchline_ops.supervisor.wakeup import Wakeup

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

__all__ = ["Supervisor"]

_logger = logging.getLogger("batchline.supervisor")

_STARTING_WAIT_S = 0.02
_RUNNING_WAIT_S = 1.0
_AT_ONCE = 2
"""A second Ctrl-C ends the patience."""


class Supervisor:
    """Runs services until it is told to stop."""

    def __init__(
        self,
        services: Sequence[Service],
        logs: Path,
        *,
        policy: RestartPolicy | None = None,
        inherit: Mapping[str, tuple[int, ...]] | None = None,
        environment: Mapping[str, str] | None = None,
        on_change: Callable[[Supervisor], None] = lambda _: None,
        on_ready: Callable[[], None] = lambda: None,
    ) -> None:
        """Take the services; nothing is started before `run`.

        Args:
            services: With unique names; they start in the order of their stages.
            logs: Folder of the log files; must exist.
            policy: When to restart; None takes the defaults.
            inherit: Descriptors that a service, by name, shares.
            environment: Of every service; None takes this process's own.
            on_change: Called whenever a process has started, ended or become ready.
            on_ready: Called once, when every service was ready for the first time.
        """
        self._policy = policy or RestartPolicy()
        inherit = inherit or {}
        environment = dict(os.environ) if environment is None else environment
        self._children = [
            Child(service, logs, self._policy, environment=environment, inherit=inherit.get(service.name, ()))
            for service in sorted(services, key=lambda service: service.stage)
        ]
        self._on_change = on_change
        self._on_ready = on_ready

    @property
    def pids(self) -> dict[str, int]:
        """The processes that run now, by service; one that waits for its restart is left out."""
        return {child.service.name: child.pid for child in self._children if child.pid is not None}

    @property
    def ready(self) -> bool:
        """Whether every service has answered since it was last started."""
        return all(child.ready for child in self._children)

    def run(self, *, lifeline: int | None = None) -> None:
        """Start everything, keep it running until a stop signal or the lifeline's end, and stop everything.

        Main thread only. When this returns or raises, none of the processes is left.

        Args:
            lifeline: A descriptor whose end of file also means stop.

        Raises:
            ServiceFailedError: A service did not come up; everything was stopped again.
        """
        with Wakeup(lifeline) as wakeup:
            try:
                if self._start_all(wakeup):
                    self._on_ready()
                    self._keep_running(wakeup)
            finally:
                self._stop_all(wakeup)

    def _start_all(self, wakeup: Wakeup) -> bool:
        """Bring the stages up, one after the other. False: a stop was asked for meanwhile."""
        started: list[Child] = []
        for _, stage in groupby(self._children, key=lambda child: child.service.stage):
            started += stage
            deadline = time.monotonic() + self._policy.start_timeout_s
            while not all(child.ready for child in started):
                self._tend(started)
                self._give_up_on_hopeless(started, deadline)
                wakeup.wait(_STARTING_WAIT_S)
                if wakeup.stops:
                    return False
        return True

    def _keep_running(self, wakeup: Wakeup) -> None:
        while not wakeup.stops:
            self._tend(self._children)
            wakeup.wait(self._patience_s())

    def _tend(self, children: Sequence[Child]) -> None:
        """Reap, restart and probe each child once."""
        before = self._snapshot()
        for child in children:
            if child.reap():
                _logger.warning("%s", child.describe_end())
            if child.pid is None and time.monotonic() >= child.next_start:
                if child.start():
                    _logger.info("%s started as %s", child.service.name, child.pid)
                else:
                    _logger.warning("%s", child.describe_end())
            elif child.pid is not None and not child.ready and child.probe():
                _logger.info("%s is ready", child.service.name)
        if self._snapshot() != before:
            self._on_change(self)

    def _snapshot(self) -> list[tuple[int | None, bool]]:
        return [(child.pid, child.ready) for child in self._children]

    def _patience_s(self) -> float:
        """Seconds to sleep: SIGCHLD cuts them short, a pending probe or restart must not wait."""
        if all(child.ready for child in self._children):
            return _RUNNING_WAIT_S
        return _STARTING_WAIT_S

    def _give_up_on_hopeless(self, children: Sequence[Child], deadline: float) -> None:
        """End a start that leads nowhere."""
        for child in children:
            if child.early_ends >= self._policy.start_attempts:
                raise ServiceFailedError(child.describe_end())
        if time.monotonic() > deadline:
            late = next(child for child in children if not child.ready)
            raise ServiceFailedError(f"after {self._policy.start_timeout_s:g} s, {late.describe_end()}")

    def _stop_all(self, wakeup: Wakeup) -> None:
        """Stop the highest stage first, so that the server is there until its users have ended."""
        reverse = sorted(self._children, key=lambda child: -child.service.stage)
        for _, stage in groupby(reverse, key=lambda child: child.service.stage):
            _stop_stage([child for child in stage if child.pid is not None], wakeup)
        self._on_change(self)


def _stop_stage(running: Sequence[Child], wakeup: Wakeup) -> None:
    """Ask all, wait for each one's grace, kill what is left; a second stop signal kills at once."""
    asked_at = time.monotonic()
    patient = list(running)
    for child in running:
        child.terminate()
    while running:
        over = time.monotonic() - asked_at
        for child in [child for child in patient if over > child.service.grace_s or wakeup.stops >= _AT_ONCE]:
            _logger.warning("%s is killed after %.1f s", child.service.name, over)
            child.kill()
            patient.remove(child)
        wakeup.wait(_STARTING_WAIT_S)
        running = [child for child in running if not child.reap()]
        patient = [child for child in patient if child in running]
