"""Requests on their way from an event loop to the thread that enqueues them.

Few are under way at a time: who makes them waits for the ledger, as it should.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterable, Iterable, Iterator
from contextlib import asynccontextmanager
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

from batchline.requests import check_many

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

__all__ = ["Feed", "feeding"]

_ROOM: Final = 32
"""Requests that wait for the thread; it takes them all at once, so that each costs little."""

_LOOP_S: Final = 1.0
"""How often the thread makes sure that the event loop still lives."""


class _Stopped(Exception):  # noqa: N818 - nobody ever sees it: the one who would has been cancelled
    """The enqueue is not wanted any more."""


class Feed(Iterator[Any]):
    """Requests as the thread sees them: one after the other, until they end or are not wanted any more."""

    def __init__(self, requests: Iterable[Any] = ()) -> None:
        check_many(requests, "requests must be an iterable or asynchronous iterable of conversations")
        self._ready: Iterator[Any] = chain.from_iterable([requests])  # iterated over in the thread
        self._stopped = threading.Event()

    def __next__(self) -> Any:
        if self._stopped.is_set():
            raise _Stopped
        return next(self._ready)

    def stop(self) -> None:
        """Have the thread's next request be an error, so that nothing is enqueued."""
        self._stopped.set()


class _AsyncFeed(Feed):
    """The same from an asynchronous iterable, which `pump` reads on its event loop."""

    def __init__(self, requests: AsyncIterable[Any]) -> None:
        super().__init__()
        self._source = requests
        self._loop = asyncio.get_running_loop()
        self._room = asyncio.Event()
        self._changed = threading.Condition()
        self._waiting: list[Any] = []
        self._ended: list[Exception | None] = []
        """Empty while the source goes on; then what it ended with."""

    def __next__(self) -> Any:
        while True:
            try:
                return super().__next__()
            except StopIteration:
                self._ready = iter(self._take())

    def stop(self) -> None:
        super().stop()
        with self._changed:
            self._changed.notify()

    def _take(self) -> list[Any]:
        """Wait for requests, and take all that are there."""
        with self._changed:
            while not (self._waiting or self._ended or self._stopped.is_set()):
                if not self._changed.wait(_LOOP_S) and self._loop.is_closed():
                    raise _Stopped
            taken, self._waiting = self._waiting, []
            if taken:
                self._loop.call_soon_threadsafe(self._room.set)
            elif self._ended and not self._stopped.is_set():
                raise self._ended[0] or StopIteration
            return taken

    async def pump(self) -> None:
        """Read the source to its end, no faster than the thread."""
        ended: Exception | None = None
        try:
            async for request in self._source:
                await self._put(request)
        except Exception as error:  # noqa: BLE001 - raised in the thread, and so to who awaits the enqueue
            ended = error
        with self._changed:
            self._ended.append(ended)
            self._changed.notify()

    async def _put(self, request: Any) -> None:
        with self._changed:
            self._waiting.append(request)
            self._changed.notify()
            full = len(self._waiting) >= _ROOM
            if full:
                self._room.clear()
        if full:
            await self._room.wait()


@asynccontextmanager
async def feeding(requests: Iterable[Any] | AsyncIterable[Any]) -> AsyncIterator[Feed]:
    """Feed requests to a thread as long as the context is open.

    An asynchronous generator that is not read to its end is closed.
    """
    if not isinstance(requests, AsyncIterable):
        yield Feed(requests)
        return
    feed = _AsyncFeed(requests)
    pump = asyncio.create_task(feed.pump())
    try:
        yield feed
    finally:
        feed.stop()
        pump.cancel()
        await asyncio.wait([pump])
        close = getattr(requests, "aclose", None)
        if close is not None:
            await close()
