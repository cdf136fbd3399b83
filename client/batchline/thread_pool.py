"""A few threads in which an event loop has the synchronous client work."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import TYPE_CHECKING, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

__all__ = ["ThreadPool"]

P = ParamSpec("P")
R = TypeVar("R")


class ThreadPool:
    """Runs calls; those that find no thread free wait for one, in their order."""

    def __init__(self, max_threads: int) -> None:
        """Start no thread yet; each is started when it is first needed."""
        self._executor = ThreadPoolExecutor(max_threads, thread_name_prefix="batchline")

    async def run(self, call: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Await a call that is short by itself; a cancelled one ends in its thread, unheard."""
        return await asyncio.wrap_future(self._submit(call, *args, **kwargs))

    async def run_until(
        self, stop: Callable[[], object], call: Callable[P, R], *args: P.args, **kwargs: P.kwargs
    ) -> R:
        """Await a call that may be long; once cancelled, `stop` is to end it, and its end is awaited."""
        running = self._submit(call, *args, **kwargs)
        try:
            return await asyncio.wrap_future(running)
        except asyncio.CancelledError:
            stop()
            if not running.cancelled():
                await asyncio.wait([asyncio.wrap_future(running)])
            raise

    def _submit(self, call: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> Future[R]:
        context = copy_context()  # a trace goes on in the thread
        return self._executor.submit(lambda: context.run(call, *args, **kwargs))

    def close(self) -> None:
        """Start no further call; threads end with those that run."""
        self._executor.shutdown(wait=False, cancel_futures=True)
