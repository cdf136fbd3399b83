"""One thread and one connection that hear for every waiter of a process when a job has changed.

A waiter leaves a bell, a function that is called from the thread, and looks for
itself once it rings. So a thousand waits cost a thousand bells, not a thousand
threads or sockets. The thread starts with the first bell and ends soon after
the last.
"""

from __future__ import annotations

import secrets
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final

from redis.exceptions import RedisError

from batchline_shared.errors import BatchlineError
from batchline_shared.ledger import keys

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from redis import Redis

__all__ = ["Listener"]

_SETTLE_S: Final = 0.05
"""Messages that come within this time ring a bell once."""

_Bells = dict[bytes, dict[object, "Callable[[], object]"]]


class Listener:
    """Rings bells. Safe to share between threads; nothing here but `stir` waits for Redis."""

    def __init__(self, redis: Callable[[], Redis], *, idle_s: float = 5.0, again_s: float = 0.5) -> None:
        """Start nothing yet.

        Args:
            redis: Gives a Redis client; first called when there is somebody to listen for.
            idle_s: Seconds for which the thread stays without a bell; fewer than the socket's time-out.
            again_s: Seconds until a connection that broke is made anew.
        """
        self._redis = redis
        self._idle_s = idle_s
        self._again_s = again_s
        self._lock = threading.Lock()
        self._bells: _Bells = {}
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()
        self._control = keys.STIR % secrets.token_hex(8)
        self._stirred = False

    @contextmanager
    def hears(self, job_id: str, ring: Callable[[], object]) -> Iterator[None]:
        """Call `ring` when the job may have changed, as long as the context is open.

        It also rings once the job is listened for, so that nothing is missed that happened before,
        and when the connection was lost. Call `stir` after entering, where it may wait for Redis.
        """
        channel, place = keys.events(job_id).encode(), object()
        with self._lock:
            if self._thread is not None and not self._thread.is_alive():
                self._thread, self._bells = None, {}  # a fork took the memory, but neither thread nor waiters
            self._bells.setdefault(channel, {})[place] = ring
            if self._thread is None:
                self._start()
        try:
            yield
        finally:
            with self._lock:
                bells = self._bells.get(channel, {})
                bells.pop(place, None)
                if not bells:
                    self._bells.pop(channel, None)

    def stir(self) -> None:
        """Have the thread look for new bells now; without it, it looks within seconds."""
        with self._lock:
            if self._stirred:
                return
            self._stirred = True
        try:
            self._redis().publish(self._control, b"")
        except (RedisError, BatchlineError):
            self._stirred = False  # who looks at the ledger next will see what is wrong

    def close(self) -> None:
        """Let the thread end once its socket is closed, or within seconds."""
        with self._lock:
            self._stop.set()
            self._thread = None

    def _start(self) -> None:
        self._stop = threading.Event()
        self._thread = threading.Thread(
            target=self._listen, args=[self._stop], name="batchline-listener", daemon=True
        )
        self._thread.start()

    def _listen(self, stop: threading.Event) -> None:
        quiet = False
        while not self._ends(stop, quiet=quiet):
            pubsub: Any = None
            try:
                client: Any = self._redis()  # redis-py leaves pubsub() untyped
                pubsub = client.pubsub()
                pubsub.subscribe(self._control)
                followed: set[bytes] = set()
                while not self._ends(stop, quiet=quiet):
                    followed = self._follow(pubsub, followed)
                    quiet = self._hear(pubsub)
            except Exception:  # noqa: BLE001 - a socket closed under a reader fails in many ways; waiters look themselves
                quiet = True
                self._ring_all()
                stop.wait(self._again_s)
            finally:
                with suppress(Exception):
                    pubsub.close()

    def _ends(self, stop: threading.Event, *, quiet: bool) -> bool:
        """Whether nobody needs this thread any more; a bell that comes later starts another one."""
        with self._lock:
            if not stop.is_set() and quiet and not self._bells:
                stop.set()
                self._thread = None
            return stop.is_set()

    def _follow(self, pubsub: Any, followed: set[bytes]) -> set[bytes]:
        """Subscribe to what has a bell, and to nothing else."""
        with self._lock:
            self._stirred = False  # before the look: a bell from now on stirs again
            wanted = set(self._bells)
        if new := wanted - followed:
            pubsub.subscribe(*new)
        if old := followed - wanted:
            pubsub.unsubscribe(*old)
        return wanted

    def _hear(self, pubsub: Any) -> bool:
        """Wait for messages and ring; True when none came."""
        message = pubsub.get_message(timeout=self._idle_s)
        settled = time.monotonic() + _SETTLE_S
        channels = set()
        while message is not None:
            channels.add(message["channel"])
            left = settled - time.monotonic()
            message = pubsub.get_message(timeout=left) if left > 0 else None
        with self._lock:
            bells = [ring for channel in channels for ring in self._bells.get(channel, {}).values()]
        _ring(bells)
        return not channels

    def _ring_all(self) -> None:
        with self._lock:
            bells = [ring for rings in self._bells.values() for ring in rings.values()]
        _ring(bells)


def _ring(bells: list[Callable[[], object]]) -> None:
    for ring in bells:
        with suppress(RuntimeError):  # an event loop that was closed with its waiters
            ring()
