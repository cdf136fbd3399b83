"""Pins the public API's types; never run, only checked (`mypy`, `basedpyright`)."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, assert_type

from pydantic import BaseModel

import batchline.batch
from batchline import (
    AsyncBatchClient,
    AsyncJob,
    BatchClient,
    BatchError,
    BatchProcessor,
    BatchRequest,
    BatchResult,
    BatchSuccess,
    Cost,
    CostEstimate,
    CostLine,
    Delivery,
    ErrorType,
    Job,
    JobInfo,
    JobStatus,
    OnDeadline,
    ProviderBatch,
    TokenUsage,
    extract_results,
    filter_errors,
    filter_successful,
    get_results_by_custom_id,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator


class User(BaseModel):
    """A response model."""

    name: str


MESSAGES: list[dict[str, Any]] = [{"role": "user", "content": "hi"}]


def conversations() -> Iterator[list[dict[str, Any]]]:
    """Requests as a stream."""
    yield MESSAGES


def check_client(client: BatchClient) -> None:
    """The queue's own surface."""
    assert_type(client.enqueue("openai/gpt-4o", User, [MESSAGES]), Job[User])
    assert_type(client.enqueue("openai/gpt-4o", None, conversations()), Job[str])
    assert_type(client.enqueue("openai/gpt-4o", User, [BatchRequest(messages=MESSAGES)]), Job[User])
    assert_type(client.adopt("openai/gpt-4o", User, "batch_1"), Job[User])
    assert_type(client.adopt("openai/gpt-4o", None, "batch_1"), Job[str])
    assert_type(client.enqueue("openai/o3", User, [MESSAGES], endpoint="/v1/responses"), Job[User])
    assert_type(
        client.enqueue("openai/e", None, ["a", ["b", "c"]], endpoint="/v1/embeddings"), Job[list[float]]
    )
    assert_type(client.enqueue("openai/gpt-4o", User, [MESSAGES], max_cost_usd=2.5), Job[User])
    assert_type(
        client.enqueue("openai/gpt-4o", User, [MESSAGES], deadline=timedelta(hours=6), on_deadline="live"),
        Job[User],
    )
    assert_type(client.estimate("openai/gpt-4o", User, [MESSAGES], max_tokens=100), CostEstimate)
    assert_type(client.enqueue("openai/gpt-4o", User, [MESSAGES], on_complete="a.b", webhook="c"), Job[User])
    assert_type(client.provider_webhook("openai", {"webhook-id": "1"}, b"{}"), bool)
    assert_type(client.costs("tag:team", since=datetime.now(UTC)), list[CostLine])
    assert_type(client.job("job_1"), Job[Any])
    assert_type(client.job("job_1", User), Job[User])
    assert_type(client.jobs(status="completed", limit=None), list[JobInfo])
    with client as entered:
        assert_type(entered, BatchClient)


def check_job(job: Job[User], text: Job[str]) -> None:
    """What a job gives keeps the response model's type."""
    assert_type(job.status(), JobStatus)
    assert_type(job.wait(timeout_s=1.0, progress=True), JobStatus)
    assert_type(job.info(), JobInfo)
    assert_type(job.info().cost, Cost)
    assert_type(job.info().deadline, datetime | None)
    assert_type(job.info().on_deadline, OnDeadline | None)
    assert_type(job.info().cost.batch_usd, Decimal | None)
    assert_type(job.batches(), list[ProviderBatch])
    assert_type(job.deliveries(), list[Delivery])
    assert_type(job.results(), list[BatchResult[User]])
    assert_type(text.results(), list[BatchResult[str]])
    assert_type(job.cancel(), JobStatus)
    assert_type(job.retry_failed([ErrorType.EXPIRED]), int)
    stream = job.iter_results(after="job_1:0-1")
    assert_type(stream.cursor, str | None)
    assert_type(next(stream.pages()), list[BatchResult[User]])
    for outcome in stream:
        check_outcome(outcome)
    job.delete(force=True)


async def check_async_client(client: AsyncBatchClient) -> None:
    """The same on an event loop; requests may come asynchronously."""
    job = await client.enqueue("openai/gpt-4o", User, [MESSAGES], max_tokens=10, retention_s=60)
    assert_type(job, AsyncJob[User])
    assert_type(await client.enqueue("openai/gpt-4o", None, arriving()), AsyncJob[str])
    assert_type(
        await client.enqueue("openai/e", None, ["a", "b"], endpoint="/v1/embeddings"), AsyncJob[list[float]]
    )
    assert_type(await client.job("job_1"), AsyncJob[Any])
    assert_type(await client.job("job_1", User), AsyncJob[User])
    assert_type(await client.jobs(limit=3), list[JobInfo])
    assert_type(await job.wait(timeout_s=1.0), JobStatus)
    assert_type(await job.results(), list[BatchResult[User]])
    assert_type(await job.deliveries(), list[Delivery])
    assert_type(await client.provider_webhook("gemini", {}, ""), bool)
    stream = job.iter_results(after="job_1:0-1")
    async for outcome in stream:
        check_outcome(outcome)
    assert_type(stream.cursor, str | None)
    async for page in stream.pages():
        assert_type(page, list[BatchResult[User]])
    async with client as entered:
        assert_type(entered, AsyncBatchClient)


async def arriving() -> AsyncIterator[list[dict[str, Any]]]:
    """Requests as an asynchronous stream."""
    yield MESSAGES


def check_outcome(outcome: BatchResult[User]) -> None:
    """`isinstance` and `success` both tell the two kinds apart."""
    assert_type(outcome.custom_id, str)
    assert_type(outcome.usage, TokenUsage | None)
    if isinstance(outcome, BatchSuccess):
        assert_type(outcome.result, User)
    else:
        assert_type(outcome, BatchError)
        assert_type(outcome.error_type, ErrorType)
    if outcome.success is True:
        assert_type(outcome.result, User)
    else:
        assert_type(outcome.error_message, str)


def check_lists(outcomes: list[BatchResult[User]]) -> None:
    """The document's helpers keep the type too."""
    assert_type(filter_successful(outcomes), list[BatchSuccess[User]])
    assert_type(filter_errors(outcomes), list[BatchError])
    assert_type(extract_results(outcomes), list[User])
    assert_type(get_results_by_custom_id(outcomes), dict[str, BatchResult[User]])


def check_processor() -> None:
    """The document's interface."""
    processor = BatchProcessor("openai/gpt-4o", User)
    assert_type(processor, BatchProcessor[User])
    assert_type(processor.create_batch_from_messages([MESSAGES]), io.BytesIO)
    assert_type(processor.create_batch_from_messages([MESSAGES], None, 100, 0.5), io.BytesIO)
    assert_type(processor.create_batch_from_messages([MESSAGES], "batch.jsonl"), str)
    assert_type(processor.submit_batch("batch.jsonl", {"run": "1"}, idempotency_key="k"), str)
    assert_type(processor.submit_batch(io.BytesIO()), str)
    assert_type(processor.get_batch_status("job_1"), dict[str, Any])
    assert_type(processor.retrieve_results("job_1"), list[BatchResult[User]])
    assert_type(processor.get_results("job_1", "results.jsonl"), list[BatchResult[User]])
    assert_type(processor.parse_results("{}"), list[BatchResult[User]])
    assert_type(processor.list_batches(limit=3), list[JobInfo])
    assert_type(processor.cancel_batch("job_1"), dict[str, Any])
    assert_type(batchline.batch.BatchProcessor("openai/gpt-4o", User), BatchProcessor[User])
