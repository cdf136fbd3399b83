"""`Job` for an event loop. What a method does is told by the one of the same name there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import ExitStack, aclosing, suppress
from functools import partial
from typing import TYPE_CHECKING, Generic, TypeVar

from batchline.cursors import Cursor
from batchline.job import Job
from batchline.progress import progress_bar
from batchline.reading import reading
from batchline.resolving import noted, resolving
from batchline.waiting import Pause, watching
from batchline_shared.ledger import JobStatus

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Collection, Iterator

    from batchline.connection import Connection
    from batchline.deliveries import Delivery
    from batchline.job_info import JobInfo
    from batchline.provider_batches import ProviderBatch
    from batchline.reading import Page
    from batchline.thread_pool import ThreadPool
    from batchline_shared.outcomes import BatchResult, ErrorType

__all__ = ["AsyncJob", "AsyncResultStream"]

T = TypeVar("T")
V = TypeVar("V")


class AsyncJob(Generic[T]):
    """One job in the queue; waiting for it takes neither a thread nor a connection of its own."""

    def __init__(
        self, connection: Connection, pool: ThreadPool, job_id: str, response_model: type[T] | None
    ) -> None:
        """Made by `AsyncBatchClient`."""
        self._connection = connection
        self._pool = pool
        self._response_model = response_model
        self._job: Job[T] = Job(connection, job_id, response_model)
        self.id = job_id

    def __repr__(self) -> str:
        return f"AsyncJob({self.id!r})"

    async def status(self) -> JobStatus:
        """See `Job.status`."""
        return await self._pool.run(self._job.status)

    async def info(self) -> JobInfo:
        """See `Job.info`."""
        return await self._pool.run(self._job.info)

    async def batches(self) -> list[ProviderBatch]:
        """See `Job.batches`."""
        return await self._pool.run(self._job.batches)

    async def deliveries(self) -> list[Delivery]:
        """See `Job.deliveries`."""
        return await self._pool.run(self._job.deliveries)

    async def wait(self, timeout_s: float | None = None, progress: bool = False) -> JobStatus:  # noqa: FBT001, FBT002
        """See `Job.wait`."""
        status = JobStatus.QUEUED
        with progress_bar(self.id, shown=progress) as show:
            async for meta in self._driven(watching(self._connection, self.id, timeout_s)):
                show(meta)
                status = JobStatus(meta.status)
        return status

    async def results(self) -> list[BatchResult[T]]:
        """See `Job.results`."""
        return await self._pool.run(self._job.results)

    def iter_results(self, timeout_s: float | None = None, after: str | None = None) -> AsyncResultStream[T]:
        """See `Job.iter_results`; to be read with `async for`."""
        if after is not None:
            Cursor.parse(after, self.id)  # now, not when the first outcome is asked for
        steps = reading(self._connection, self.id, self._response_model, after, timeout_s)
        return AsyncResultStream(self._driven(steps), after)

    async def iter_attempts(self) -> AsyncGenerator[BatchResult[T], None]:
        """See `Job.iter_attempts`; to be read with `async for`."""
        failures = self._job.iter_attempts()
        while (failure := await self._pool.run(next, failures, None)) is not None:
            yield failure

    async def cancel(self) -> JobStatus:
        """See `Job.cancel`."""
        return await self._pool.run(self._job.cancel)

    async def retry_failed(self, error_types: Collection[ErrorType | str] | None = None) -> int:
        """See `Job.retry_failed`."""
        return await self._pool.run(self._job.retry_failed, error_types)

    async def reask(self) -> int:
        """See `Job.reask`."""
        return await self._pool.run(self._job.reask)

    async def resolve(
        self, shard: str, *, batch_id: str | None, timeout_s: float | None = 60.0
    ) -> ProviderBatch:
        """See `Job.resolve`."""
        decided = await self._pool.run(noted, self._connection, self.id, shard, batch_id)
        steps = self._driven(resolving(self._connection, self.id, decided, timeout_s))
        async with aclosing(steps):
            return await anext(steps)

    async def release(self, shard: str | None = None, *, give_up: bool = False) -> list[str]:
        """See `Job.release`."""
        return await self._pool.run(self._job.release, shard, give_up=give_up)

    async def delete(self, *, force: bool = False, timeout_s: float | None = None) -> None:
        """See `Job.delete`."""
        if force and not (await self.cancel()).is_final:
            await self.wait(timeout_s)
        await self._pool.run(self._job.delete)

    async def _driven(self, steps: Iterator[V | Pause]) -> AsyncGenerator[V, None]:
        """Drive steps (see `waiting`): each is made in a thread, the pauses between them in none."""
        loop, bell = asyncio.get_running_loop(), asyncio.Event()
        listener = self._connection.listener
        with ExitStack() as hearing:
            heard = False
            while (step := await self._pool.run(next, steps, None)) is not None:
                if not isinstance(step, Pause):
                    yield step
                    continue
                if not heard:
                    hearing.enter_context(
                        listener.hears(self.id, partial(loop.call_soon_threadsafe, bell.set))
                    )
                    await self._pool.run(listener.stir)
                    heard = True
                with suppress(TimeoutError):
                    await asyncio.wait_for(bell.wait(), step.longest_s)
                bell.clear()


class AsyncResultStream(AsyncIterator["BatchResult[T]"], Generic[T]):
    """Outcomes as they land, each once; an asynchronous iterator. See `ResultStream`."""

    def __init__(self, pages: AsyncGenerator[Page[T], None], after: str | None) -> None:
        self._cursor: Cursor | str | None = after
        self._pages = pages
        self._page: Iterator[tuple[Cursor, BatchResult[T]]] = iter(())

    @property
    def cursor(self) -> str | None:
        """See `ResultStream.cursor`."""
        return None if self._cursor is None else str(self._cursor)

    def __aiter__(self) -> AsyncResultStream[T]:
        return self

    async def __anext__(self) -> BatchResult[T]:
        item = next(self._page, None)
        while item is None:
            self._page = iter(await anext(self._pages))
            item = next(self._page, None)
        self._cursor, outcome = item
        return outcome

    async def pages(self) -> AsyncGenerator[list[BatchResult[T]], None]:
        """See `ResultStream.pages`."""
        begun = list(self._page)
        if begun:
            self._cursor = begun[-1][0]
            yield [outcome for _, outcome in begun]
        async for page in self._pages:
            self._cursor = page[-1][0]
            yield [outcome for _, outcome in page]

    async def aclose(self) -> None:
        """See `ResultStream.close`."""
        await self._pages.aclose()
