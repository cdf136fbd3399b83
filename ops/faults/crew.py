"""Workers and beats as real processes, which are started again when they die."""

from __future__ import annotations

import os
import signal
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from faults.nursery import Nursery

__all__ = ["APP", "Crew", "Member", "until"]

APP = "batchline_worker.app"

_WATCH_S = 0.05


def until(condition: Callable[[], object], timeout_s: float, what: str, *, every_s: float = 0.02) -> None:
    """Wait for a condition, which is looked at every so often.

    Raises:
        TimeoutError: It did not come true; names `what`.
    """
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"within {timeout_s:g} s: {what}")
        time.sleep(every_s)


class Member:
    """One process and its log."""

    def __init__(
        self,
        nursery: Nursery,
        name: str,
        arguments: tuple[str, ...],
        ready: str,
        env: Mapping[str, str],
        log: Path,
    ) -> None:
        self.name = name
        self._nursery = nursery
        self._ready = ready.encode()
        self._log = log
        log.touch()
        self._offset = log.stat().st_size
        self._is_ready = False
        self.pid = nursery.start(arguments, env, log)

    @property
    def alive(self) -> bool:
        """Whether it has not ended; a frozen one has not."""
        return self._nursery.exit_code(self.pid) is None

    @property
    def ready(self) -> bool:
        """Whether it has begun to work, by its own word."""
        if not self._is_ready:
            with self._log.open("rb") as log:
                log.seek(self._offset)
                self._is_ready = self._ready in log.read()
        return self._is_ready

    @property
    def frozen(self) -> bool:
        """Whether SIGSTOP holds it."""
        with suppress(psutil.Error):
            return psutil.Process(self.pid).status() == psutil.STATUS_STOPPED
        return False

    def children(self) -> list[int]:
        """Processes of its pool, where it has one of processes."""
        with suppress(psutil.Error):
            found = psutil.Process(self.pid).children()
            return [child.pid for child in found if "celery" in " ".join(child.cmdline())]
        return []

    def rss_bytes(self) -> int:
        """What of its memory is resident."""
        return int(psutil.Process(self.pid).memory_info().rss)

    def send(self, number: int) -> None:
        """Send a signal; harmless once it has ended."""
        if self.alive:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def wait(self, timeout_s: float) -> int:
        """Wait for its end, and return its exit code.

        Raises:
            TimeoutError: It has not ended.
        """
        return self._nursery.wait(self.pid, timeout_s)


class Crew:
    """As many members as are wanted; one that dies is replaced at once."""

    def __init__(self, nursery: Nursery, env: Mapping[str, str], folder: Path) -> None:
        self._nursery = nursery
        self._env = env
        self._folder = folder
        self._members: dict[str, Member] = {}
        self._recipes: dict[str, tuple[tuple[str, ...], str, Mapping[str, str]]] = {}
        self._lock = threading.RLock()
        self._closing = threading.Event()
        self._number = 0
        self._thread = threading.Thread(target=self._replace, name="crew", daemon=True)
        self._thread.start()

    def hire(self, count: int = 1, *, pool: str = "threads", app: str = APP, **env: str) -> list[Member]:
        """Start workers; they need not be ready when this returns."""
        size = "8" if pool == "threads" else "2"
        options = ("-P", pool, "-c", size, "--without-gossip", "--without-mingle", "-l", "INFO")
        return [self._start("worker", app, ("worker", *options), " ready.", env) for _ in range(count)]

    def hire_beats(self, count: int, app: str = APP) -> list[Member]:
        """Start beats."""
        return [
            self._start("beat", app, ("beat", "-l", "INFO", "--pidfile="), "beat: Starting", {})
            for _ in range(count)
        ]

    @property
    def members(self) -> list[Member]:
        """Everybody who is there now, workers and beats."""
        with self._lock:
            return list(self._members.values())

    @property
    def workers(self) -> list[Member]:
        """Every worker that is there now."""
        return [member for member in self.members if member.name.startswith("worker")]

    @property
    def ready(self) -> bool:
        """Whether everybody works."""
        return all(member.alive and member.ready and not member.frozen for member in self.members)

    def wait_ready(self, timeout_s: float = 90.0) -> None:
        """Wait until everybody works."""
        until(lambda: self.ready, timeout_s, "every worker is ready")

    def dismiss(self, member: Member) -> None:
        """Replace a member no more once it has ended."""
        with self._lock:
            self._recipes.pop(member.name, None)
            self._members.pop(member.name, None)

    def close(self) -> None:
        """End everybody."""
        self._closing.set()
        self._thread.join()
        for member in self.members:
            member.send(signal.SIGKILL)
            member.wait(10)

    def _start(
        self, kind: str, app: str, options: tuple[str, ...], ready: str, env: Mapping[str, str]
    ) -> Member:
        with self._lock:
            name = f"{kind}-{self._number}"
            self._number += 1
            extra = ("-n", f"{name}@faults") if kind == "worker" else ("-s", str(self._folder / f"{name}.db"))
            self._recipes[name] = ("-A", app, *options, *extra), ready, {**self._env, **env}
            return self._run(name)

    def _run(self, name: str) -> Member:
        arguments, ready, env = self._recipes[name]
        log = self._folder / f"{name}.log"
        self._members[name] = Member(self._nursery, name, arguments, ready, env, log)
        return self._members[name]

    def _replace(self) -> None:
        while not self._closing.wait(_WATCH_S):
            with self._lock:
                for name in list(self._recipes):
                    if not self._members[name].alive:
                        self._run(name)

    def logs(self) -> str:
        """What everybody wrote."""
        return "".join(log.read_text(errors="replace") for log in sorted(self._folder.glob("*.log")))
