"""Asks for the requests of one batch, ahead of the run that writes its lines.

Many are under way at once and their replies come in any order; the run takes
them in the order of the input, as far as they are there.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from batchline_simulator.upstream.exchange import Request, Upstream
from batchline_simulator.upstream.journal import ReplyJournal

RequestOf = Callable[[bytes], Request | None]
"""Reads a line of the input; None where nothing is to be asked."""


class Feeder:
    """Works while its `async with` block lasts."""

    def __init__(
        self, upstream: Upstream, journal: ReplyJournal, source: Path, wanted: int, request_of: RequestOf
    ) -> None:
        """Ask for the first `wanted` lines of `source`, but for those that the journal has."""
        self._upstream = upstream
        self._journal = journal
        self._source = source
        self._wanted = wanted
        self._request_of = request_of
        self._news = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.get_running_loop().create_task(self._feed())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def ready(self, start: int, most: int, stop: asyncio.Event) -> int:
        """Wait for the reply to request `start`, and count those that are there from it on.

        Returns:
            Up to `most`; 0 where `stop` was set first.

        Raises:
            ExceptionGroup: A line could not be read.
        """
        while not stop.is_set():
            count = 0
            while count < most and self._journal.settled(start + count):
                count += 1
            if count:
                return count
            self._news.clear()
            await self._changed(stop)
        return 0

    async def _changed(self, stop: asyncio.Event) -> None:
        """Wait for a reply, for the stop, or for the end of the asking, which raises what broke it."""
        waits = [asyncio.ensure_future(event.wait()) for event in (self._news, stop)]
        feeding = [self._task] if self._task is not None else []
        try:
            await asyncio.wait([*waits, *feeding], return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        for task in feeding:
            if task.done() and not task.cancelled():
                task.result()

    async def _feed(self) -> None:
        async with asyncio.TaskGroup() as group:
            with self._source.open("rb") as source:
                for number in range(self._wanted):
                    if self._journal.settled(number):
                        source.readline()
                        continue
                    await self._upstream.slots.acquire()
                    asked = group.create_task(self._ask(number, source.readline()))
                    # Not in the task itself: one that is cancelled before it began runs none of it.
                    asked.add_done_callback(lambda _: self._upstream.slots.release())

    async def _ask(self, number: int, line: bytes) -> None:
        request = self._request_of(line)
        if request is None:
            self._journal.skip(number)
        else:
            self._journal.add(number, await self._upstream.ask(request))
        self._news.set()
