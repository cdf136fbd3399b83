"""The client on an event loop: the same answers, nothing blocked, and nothing left of what is cancelled."""

from __future__ import annotations

import asyncio
import inspect
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from batchline import (
    AsyncBatchClient,
    AsyncJob,
    AsyncResultStream,
    BatchClient,
    BatchError,
    BatchSuccess,
    EnqueueOptions,
    ErrorType,
    InvalidInputError,
    InvalidRequestError,
    Job,
    JobNotFoundError,
    JobStatus,
    ResultStream,
    Settings,
    WaitTimeoutError,
)
from unit.client.sketches import ANN, MODEL, User, keys_left, says

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine

    from redis import Redis

    from unit.client.worker_desk import WorkerDesk

    Story = Callable[[AsyncBatchClient], Coroutine[Any, Any, Any]]


@pytest.fixture
def on_loop(ledger: Redis) -> Callable[[Story], Any]:
    """Run a story with a client on an event loop."""

    async def told(story: Story) -> Any:
        settings = Settings(redis_url="redis://in-memory/0", broker_url="memory://")
        async with AsyncBatchClient(settings=settings, redis=ledger, max_threads=4) as client:
            return await asyncio.wait_for(story(client), 30)

    return lambda story: asyncio.run(told(story))


async def conversations(count: int) -> AsyncIterator[list[dict[str, Any]]]:
    for n in range(count):
        await asyncio.sleep(0)
        yield says(f"request {n}")


PAIRS = [(BatchClient, AsyncBatchClient), (Job, AsyncJob), (ResultStream, AsyncResultStream)]
OTHERWISE = {"enqueue", "connection", "close", "aclose"}


def public(owner: type) -> set[str]:
    return {name for name in dir(owner) if not name.startswith("_")} - OTHERWISE


@pytest.mark.parametrize(("sync", "other"), PAIRS, ids=lambda kind: kind.__name__)
def test_both_have_the_same_methods(sync: type, other: type) -> None:
    assert public(other) == public(sync)


@pytest.mark.parametrize(
    ("sync", "other", "name"),
    [
        (sync, other, name)
        for sync, other in PAIRS
        for name in sorted(public(sync))
        if callable(getattr(sync, name))
    ],
)
def test_a_method_takes_and_gives_the_same_on_a_loop(sync: type, other: type, name: str) -> None:
    ours, theirs = (inspect.signature(getattr(owner, name)) for owner in (other, sync))

    taken = {name: str(parameter).replace("'", "") for name, parameter in theirs.parameters.items()}
    if "requests" in taken:
        taken["requests"] += " | AsyncIterable[Any]"
    assert {name: str(parameter).replace("'", "") for name, parameter in ours.parameters.items()} == taken
    given = str(theirs.return_annotation).replace("Iterator[", "AsyncGenerator[").replace("Job[", "AsyncJob[")
    if name in {"pages", "iter_attempts"}:
        given = given.removesuffix("]") + ", None]"
    assert ours.return_annotation == given.replace("ResultStream", "AsyncResultStream")


def test_enqueue_takes_the_same_on_a_loop() -> None:
    theirs = inspect.signature(BatchClient.enqueue).parameters
    ours = inspect.signature(AsyncBatchClient.enqueue).parameters
    options = {name: hint.__forward_arg__ for name, hint in EnqueueOptions.__annotations__.items()}

    assert [*ours] == ["self", "model", "response_model", "requests", "endpoint", "how"]
    assert options == {name: p.annotation for name, p in theirs.items() if name not in ours}
    for name in ("model", "response_model", "endpoint"):
        assert ours[name] == theirs[name]


def test_a_job_is_enqueued_waited_for_and_read(
    on_loop: Callable[[Story], Any], desk: WorkerDesk, ledger: Redis
) -> None:
    async def story(client: AsyncBatchClient) -> None:
        job = await client.enqueue(MODEL, User, [says()] * 3, metadata={"run": 1}, retention_s=60)
        assert (await job.status(), (await job.info()).metadata) == (JobStatus.QUEUED, {"run": 1})
        waiting = asyncio.create_task(job.wait(timeout_s=20))
        stream = (await client.job(job.id, User)).iter_results(timeout_s=20)
        await asyncio.to_thread(desk.answer, job.id, (1, ANN))
        first = await anext(stream)
        await asyncio.to_thread(desk.complete, job.id, (0, ANN), (2, ErrorType.EXPIRED))
        rest = [outcome async for outcome in stream]

        assert await waiting is JobStatus.COMPLETED
        assert [one.custom_id for one in (first, *rest)] == ["request-1", "request-0", "request-2"]
        assert isinstance(first, BatchSuccess)
        assert first.result == User(name="Ann", age=28)
        assert isinstance(rest[-1], BatchError)
        assert len(await job.results()) == 3
        assert [info.id for info in await client.jobs()] == [job.id]
        assert await job.batches() == []
        assert await job.retry_failed(["refused"]) == 0
        await job.delete()
        with pytest.raises(JobNotFoundError):
            await client.job(job.id)

    on_loop(story)
    assert keys_left(ledger) == [] or all(b":tally" in k or b":nudge" in k for k in keys_left(ledger))


def test_a_reader_on_a_loop_goes_on_behind_a_cursor(
    on_loop: Callable[[Story], Any], client: BatchClient, desk: WorkerDesk
) -> None:
    job = client.enqueue(MODEL, User, [says()] * 100)
    desk.complete(job.id, *((n, ANN) for n in range(100)))
    reader = job.iter_results()
    for _ in range(10):
        next(reader)

    async def story(other: AsyncBatchClient) -> list[str]:
        stream = (await other.job(job.id, User)).iter_results(after=reader.cursor)
        found = [(await anext(stream)).custom_id]
        async for page in stream.pages():
            found += [outcome.custom_id for outcome in page]
        assert [outcome async for outcome in stream] == []
        with pytest.raises(InvalidInputError):
            (await other.job(job.id)).iter_results(after="nothing")
        assert stream.cursor is not None
        return [*found, *(one.custom_id for one in job.iter_results(after=stream.cursor))]

    assert on_loop(story) == [f"request-{n}" for n in range(10, 100)]


@pytest.mark.parametrize("timeout_s", [0, 0.05])
def test_a_wait_that_takes_too_long_ends(on_loop: Callable[[Story], Any], timeout_s: float) -> None:
    async def story(client: AsyncBatchClient) -> None:
        job = await client.enqueue(MODEL, User, [says()])
        with pytest.raises(WaitTimeoutError):
            await job.wait(timeout_s)
        with pytest.raises(WaitTimeoutError):
            await job.delete(force=True, timeout_s=timeout_s)
        assert await job.status() is JobStatus.CANCELLING

    on_loop(story)


def test_hundreds_of_waits_take_a_handful_of_threads(
    on_loop: Callable[[Story], Any], client: BatchClient, desk: WorkerDesk
) -> None:
    ids = [client.enqueue(MODEL, User, [says()]).id for _ in range(300)]

    async def story(other: AsyncBatchClient) -> int:
        before = threading.active_count()
        jobs = [await other.job(job_id, User) for job_id in ids]
        waits = [asyncio.create_task(job.wait()) for job in jobs]
        await asyncio.sleep(0.5)
        most = threading.active_count() - before
        for job_id in ids:
            await asyncio.to_thread(desk.jobs.finish, job_id, JobStatus.COMPLETED, message="", retention_s=9)
        assert set(await asyncio.gather(*waits)) == {JobStatus.COMPLETED}
        return most

    assert on_loop(story) <= 5  # four for calls, one that listens


def test_an_asynchronous_stream_is_enqueued_in_its_order(
    on_loop: Callable[[Story], Any], client: BatchClient
) -> None:
    async def story(other: AsyncBatchClient) -> str:
        names = (f"q{n}" for n in range(1234))
        return (await other.enqueue(MODEL, None, conversations(1234), custom_ids=names)).id

    job_id = on_loop(story)
    store = client.connection.jobs
    rows = [row for chunk in store.rows(job_id, range(store.meta(job_id).chunks)) for row in chunk]
    assert [f"request {n}".encode() in row for n, row in enumerate(rows)] == [True] * 1234


def test_who_makes_requests_waits_for_the_ledger(on_loop: Callable[[Story], Any]) -> None:
    made = 0
    let_go = threading.Event()
    begin = threading.Event()

    async def endless() -> AsyncIterator[Any]:
        nonlocal made
        while made < 5000:
            made += 1
            begin.set()
            yield says()

    class Slow:
        def __init__(self) -> None:
            self.count = 0

        def __iter__(self) -> Slow:
            return self

        def __next__(self) -> str:
            self.count += 1
            if self.count == 2:
                let_go.wait(20)
            if self.count > 5000:
                raise StopIteration
            return f"q{self.count}"

    async def story(client: AsyncBatchClient) -> int:
        enqueue = asyncio.create_task(client.enqueue(MODEL, User, endless(), custom_ids=Slow()))
        await asyncio.to_thread(begin.wait, 20)
        await asyncio.sleep(0.3)
        under_way = made
        let_go.set()
        job = await enqueue
        assert (await job.info()).total == 5000
        return under_way

    assert on_loop(story) <= 2 * 32 + 2


@pytest.mark.parametrize("endless", [True, False], ids=["asynchronous", "synchronous"])
def test_a_cancelled_enqueue_leaves_neither_job_nor_thread(
    on_loop: Callable[[Story], Any],
    ledger: Redis,
    endless: bool,  # noqa: FBT001
) -> None:
    closed = threading.Event()

    async def stream() -> AsyncIterator[Any]:
        try:
            while True:
                await asyncio.sleep(0.001)
                yield says()
        finally:
            closed.set()

    def list_of_many() -> Any:
        while True:
            time.sleep(0.001)
            yield says()

    async def story(client: AsyncBatchClient) -> None:
        requests: Any = stream() if endless else list_of_many()
        enqueue = asyncio.create_task(client.enqueue(MODEL, User, requests, idempotency_key="k"))
        await asyncio.sleep(0.2)
        enqueue.cancel()
        with pytest.raises(asyncio.CancelledError):
            await enqueue
        assert await client.jobs() == []
        assert keys_left(ledger) == []
        assert closed.is_set() is endless
        again = await client.enqueue(MODEL, User, [says()], idempotency_key="k")
        assert (await again.info()).total == 1

    on_loop(story)


def test_a_stream_that_breaks_is_its_caller_s_own_error(
    on_loop: Callable[[Story], Any], ledger: Redis
) -> None:
    async def broken() -> AsyncIterator[Any]:
        yield says()
        raise KeyError("the caller's")

    async def story(client: AsyncBatchClient) -> None:
        with pytest.raises(KeyError, match="the caller's"):
            await client.enqueue(MODEL, User, broken())

    on_loop(story)
    assert keys_left(ledger) == []


def test_a_bad_request_stops_the_stream_that_gave_it(on_loop: Callable[[Story], Any], ledger: Redis) -> None:
    closed = threading.Event()

    async def stream() -> AsyncIterator[Any]:
        try:
            while True:
                yield [{"role": "nobody"}]
        finally:
            closed.set()

    async def story(client: AsyncBatchClient) -> None:
        with pytest.raises(InvalidRequestError, match="request 0"):
            await client.enqueue(MODEL, User, stream())

    on_loop(story)
    assert closed.is_set()
    assert keys_left(ledger) == []


@pytest.mark.parametrize("requests", ["text", b"text", {"a": 1}, 3], ids=repr)
def test_what_is_no_collection_of_requests_is_refused(on_loop: Callable[[Story], Any], requests: Any) -> None:
    async def story(client: AsyncBatchClient) -> None:
        with pytest.raises(InvalidInputError, match="requests must be an iterable"):
            await client.enqueue(MODEL, User, requests)

    on_loop(story)


def test_enqueues_that_enqueue_do_not_wait_for_each_other_s_threads(on_loop: Callable[[Story], Any]) -> None:
    async def story(client: AsyncBatchClient) -> None:
        async def asks() -> AsyncIterator[Any]:
            for _ in range(3):
                await client.jobs()
                yield says()

        jobs = await asyncio.gather(*(client.enqueue(MODEL, User, asks()) for _ in range(20)))
        assert [(await job.info()).total for job in jobs] == [3] * 20

    on_loop(story)


def test_a_cancelled_wait_leaves_no_bell(on_loop: Callable[[Story], Any]) -> None:
    async def story(client: AsyncBatchClient) -> None:
        job = await client.enqueue(MODEL, User, [says()])
        waits = [asyncio.create_task(job.wait()) for _ in range(5)]
        stream = job.iter_results()
        waits.append(asyncio.create_task(anext(stream)))  # type: ignore[arg-type]  # a task of a coroutine alike
        await asyncio.sleep(0.3)
        listener = client.sync.connection.listener
        assert sum(map(len, listener._bells.values())) == 6
        for wait in waits:
            wait.cancel()
        await asyncio.gather(*waits, return_exceptions=True)

        assert listener._bells == {}

    on_loop(story)


def test_the_loop_goes_on_while_redis_does_not_answer(ledger: Redis) -> None:
    answers = threading.Event()

    class Frozen:
        """A Redis that lets its caller wait."""

        connection_pool = ledger.connection_pool

        def __getattr__(self, name: str) -> Any:
            answers.wait(20)
            return getattr(ledger, name)

    async def story() -> None:
        frozen: Any = Frozen()
        client = AsyncBatchClient(settings=Settings(broker_url="memory://"), redis=frozen)
        work = asyncio.create_task(client.jobs())
        for _ in range(10):
            await asyncio.sleep(0.01)

        assert not work.done()
        answers.set()
        assert await work == []
        await client.close()

    asyncio.run(story())
