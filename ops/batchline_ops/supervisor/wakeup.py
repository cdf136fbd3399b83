"""Sleeping until something happens: a signal, a child's end, or the end of a pipe.

Signals arrive through a socket (`signal.set_wakeup_fd`), so the main loop reads
them where it wants to. A handler that took a lock could meet the loop inside it.
"""

from __future__ import annotations

import os
import select
import signal
import socket
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["STOP_SIGNALS", "Wakeup"]

STOP_SIGNALS = frozenset({signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
"""Ctrl-C, a service manager's stop, and a closed terminal all mean: stop in order."""


class Wakeup:
    """Collects signals between `__enter__` and `__exit__`. Main thread only."""

    def __init__(self, lifeline: int | None = None) -> None:
        """Watch `lifeline` too, a descriptor whose end of file means stop."""
        self._lifeline = lifeline
        self._receiver, self._sender = socket.socketpair()
        for end in (self._receiver, self._sender):
            end.settimeout(0.0)  # a signal handler must never block
        self._old_fd = -1
        self._old_handlers: dict[int, object] = {}
        self.stops = 0
        """How often a stop was asked for. The second time means: now."""

    def wait(self, timeout_s: float) -> None:
        """Sleep until a signal or the end of the lifeline, but no longer than this."""
        watched = [self._receiver.fileno(), *([] if self._lifeline is None else [self._lifeline])]
        ready = select.select(watched, [], [], max(0.0, timeout_s))[0]
        if self._receiver.fileno() in ready:
            self.stops += sum(number in STOP_SIGNALS for number in self._receiver.recv(1024))
        if self._lifeline is not None and self._lifeline in ready and not os.read(self._lifeline, 1024):
            self._lifeline = None
            self.stops += 1

    def __enter__(self) -> Self:
        """Take the signals over."""
        self._old_fd = signal.set_wakeup_fd(self._sender.fileno())
        for number in (*STOP_SIGNALS, signal.SIGCHLD):
            self._old_handlers[number] = signal.signal(number, _leave_to_the_loop)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give them back."""
        for number, handler in self._old_handlers.items():
            signal.signal(number, handler)  # type: ignore[arg-type] # as signal.signal returned it
        signal.set_wakeup_fd(self._old_fd)
        self._receiver.close()
        self._sender.close()


def _leave_to_the_loop(number: int, frame: object) -> None:
    """Do nothing: with a handler set, Python writes the signal's number to the socket."""
