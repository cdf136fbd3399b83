"""`BatchClient` for an event loop: the same client, whose calls run in a few threads of its own.

What a method does, and what it raises, is told by the one of the same name
there. Waiting and streaming hold no thread: see `waiting`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar, Unpack, overload

from batchline.async_job import AsyncJob
from batchline.client import BatchClient
from batchline.request_feed import feeding
from batchline.thread_pool import ThreadPool

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Iterable, Mapping
    from datetime import datetime

    from pydantic import BaseModel
    from redis import Redis

    from batchline.costs import CostLine
    from batchline.estimating import CostEstimate
    from batchline.job import Job
    from batchline.job_info import JobInfo
    from batchline.job_options import EnqueueOptions
    from batchline.requests import BatchRequest
    from batchline_shared.ledger import JobStatus
    from batchline_shared.settings import Settings

__all__ = ["AsyncBatchClient"]

M = TypeVar("M", bound="BaseModel")


class AsyncBatchClient:
    """Enqueues jobs and finds them again, without blocking the event loop. For one loop at a time."""

    def __init__(
        self,
        redis_url: str | None = None,
        *,
        settings: Settings | None = None,
        redis: Redis | None = None,
        max_threads: int = 8,
    ) -> None:
        """See `BatchClient`.

        Args:
            redis_url: As there.
            settings: As there.
            redis: As there: a synchronous client.
            max_threads: Calls that talk to Redis at once, and enqueues that do; others wait their turn.
        """
        self.sync = BatchClient(redis_url, settings=settings, redis=redis)
        self._calls = ThreadPool(max_threads)
        # An enqueue lasts as long as its requests take to come; what makes them may call us meanwhile.
        self._enqueues = ThreadPool(max_threads)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Give threads and sockets back; the client cannot be used any more."""
        await self._calls.run(self.sync.close)
        self._enqueues.close()
        self._calls.close()

    @overload
    async def enqueue(
        self,
        model: str,
        response_model: type[M],
        requests: Iterable[BatchRequest | list[dict[str, Any]]]
        | AsyncIterable[BatchRequest | list[dict[str, Any]]],
        *,
        endpoint: str | None = None,
        **how: Unpack[EnqueueOptions],
    ) -> AsyncJob[M]: ...

    @overload
    async def enqueue(  # type: ignore[overload-overlap]  # as in `BatchClient`
        self,
        model: str,
        response_model: None,
        requests: Iterable[BatchRequest | str | list[str]] | AsyncIterable[BatchRequest | str | list[str]],
        *,
        endpoint: Literal["/v1/embeddings"],
        **how: Unpack[EnqueueOptions],
    ) -> AsyncJob[list[float]]: ...

    @overload
    async def enqueue(
        self,
        model: str,
        response_model: None,
        requests: Iterable[BatchRequest | list[dict[str, Any]]]
        | AsyncIterable[BatchRequest | list[dict[str, Any]]],
        *,
        endpoint: str | None = None,
        **how: Unpack[EnqueueOptions],
    ) -> AsyncJob[str]: ...

    async def enqueue(
        self,
        model: str,
        response_model: type[M] | None,
        requests: Iterable[Any] | AsyncIterable[Any],
        *,
        endpoint: str | None = None,
        **how: Unpack[EnqueueOptions],
    ) -> AsyncJob[Any]:
        """See `BatchClient.enqueue`.

        Requests may also be an asynchronous iterable, which is read as the ledger takes them. A call that is
        cancelled enqueues nothing, unless its very last write was under way: with an `idempotency_key`,
        calling again gives that job.
        """
        async with feeding(requests) as feed:

            def enqueue() -> Job[Any]:
                return self.sync.enqueue(model, response_model, feed, endpoint=endpoint, **how)

            job = await self._enqueues.run_until(feed.stop, enqueue)
        return self._job(job.id, response_model)

    async def estimate(
        self,
        model: str,
        response_model: type[BaseModel] | None,
        requests: Iterable[Any] | AsyncIterable[Any],
        *,
        max_tokens: int | None = 1000,
        temperature: float | None = 0.1,
        options: Mapping[str, Any] | None = None,
        endpoint: str | None = None,
        deduplicate: bool = False,
    ) -> CostEstimate:
        """See `BatchClient.estimate`; requests as `enqueue` takes them."""
        async with feeding(requests) as feed:
            return await self._enqueues.run_until(
                feed.stop,
                self.sync.estimate,
                model,
                response_model,
                feed,
                max_tokens=max_tokens,
                temperature=temperature,
                options=options,
                endpoint=endpoint,
                deduplicate=deduplicate,
            )

    @overload
    async def adopt(
        self,
        model: str,
        response_model: type[M],
        batch_id: str,
        *,
        metadata: Mapping[str, Any] | None = None,
        endpoint: str | None = None,
        retention_s: int | None = None,
    ) -> AsyncJob[M]: ...

    @overload
    async def adopt(
        self,
        model: str,
        response_model: None,
        batch_id: str,
        *,
        metadata: Mapping[str, Any] | None = None,
        endpoint: str | None = None,
        retention_s: int | None = None,
    ) -> AsyncJob[str]: ...

    async def adopt(
        self,
        model: str,
        response_model: type[M] | None,
        batch_id: str,
        *,
        metadata: Mapping[str, Any] | None = None,
        endpoint: str | None = None,
        retention_s: int | None = None,
    ) -> AsyncJob[Any]:
        """See `BatchClient.adopt`."""

        def adopt() -> Job[Any]:
            return self.sync.adopt(
                model,
                response_model,
                batch_id,
                metadata=metadata,
                endpoint=endpoint,
                retention_s=retention_s,
            )

        job = await self._calls.run(adopt)
        return self._job(job.id, response_model)

    async def costs(self, group_by: str = "model", *, since: datetime | None = None) -> list[CostLine]:
        """See `BatchClient.costs`."""
        return await self._calls.run(self.sync.costs, group_by, since=since)

    @overload
    async def job(self, job_id: str, response_model: type[M]) -> AsyncJob[M]: ...

    @overload
    async def job(self, job_id: str, response_model: None = None) -> AsyncJob[Any]: ...

    async def job(self, job_id: str, response_model: type[M] | None = None) -> AsyncJob[M] | AsyncJob[Any]:
        """See `BatchClient.job`."""
        await self._calls.run(self.sync.job, job_id)
        return self._job(job_id, response_model)

    async def jobs(
        self, status: JobStatus | str | None = None, model: str | None = None, limit: int | None = 100
    ) -> list[JobInfo]:
        """See `BatchClient.jobs`."""
        return await self._calls.run(self.sync.jobs, status, model, limit)

    async def provider_webhook(self, route: str, headers: Mapping[str, str], body: bytes | str) -> bool:
        """See `BatchClient.provider_webhook`."""
        return await self._calls.run(self.sync.provider_webhook, route, headers, body)

    def _job(self, job_id: str, response_model: type[M] | None) -> AsyncJob[Any]:
        return AsyncJob(self.sync.connection, self._calls, job_id, response_model)
