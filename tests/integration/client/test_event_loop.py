"""A thousand jobs waited for on one event loop, against a real server: few threads, few connections."""

from __future__ import annotations

import asyncio
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from batchline import AsyncBatchClient, JobStatus, Settings
from batchline_shared.ledger import keys
from unit.client.sketches import ANN, MODEL, User, says
from unit.client.worker_desk import WorkerDesk

if TYPE_CHECKING:
    from batchline import BatchClient
    from batchline_ops.embedded import EmbeddedServer

MANY = 1000


def settings_for(server: EmbeddedServer) -> Settings:
    return Settings(redis_url=server.url, broker_url="memory://", durable_writes=False)


def test_a_thousand_waits_take_few_threads_and_connections(server: EmbeddedServer, ledger: Any) -> None:
    async def story() -> tuple[int, int, float]:
        connections, threads = len(ledger.client_list()), threading.active_count()
        async with AsyncBatchClient(settings=settings_for(server)) as client:
            jobs = await asyncio.gather(
                *(client.enqueue(MODEL, User, [says()], idempotency_key=f"q{n}") for n in range(MANY))
            )
            waits = [asyncio.create_task(job.wait(timeout_s=60)) for job in jobs]
            last = keys.events(jobs[-1].id)
            while ledger.pubsub_numsub(last)[0][1] == 0:  # noqa: ASYNC110 - the server sets no event
                await asyncio.sleep(0.05)
            used = len(ledger.client_list()) - connections, threading.active_count() - threads
            store = WorkerDesk(ledger).jobs
            for job in jobs:
                store.finish(job.id, JobStatus.COMPLETED, message="", retention_s=60)
            ended = time.monotonic()
            assert set(await asyncio.gather(*waits)) == {JobStatus.COMPLETED}
            return *used, time.monotonic() - ended

    connections, threads, late_s = asyncio.run(story())

    assert connections <= 17  # eight each for enqueues and for other calls, one that listens
    assert threads <= 17
    assert late_s < 15  # who is not told looks after half a minute


def test_outcomes_are_streamed_through_a_restart_of_the_server(server: EmbeddedServer, ledger: Any) -> None:
    async def story() -> list[str]:
        async with AsyncBatchClient(settings=settings_for(server)) as client:
            job = await client.enqueue(MODEL, User, [says()] * 2)
            await asyncio.to_thread(WorkerDesk(ledger).answer, job.id, (1, ANN))
            stream = job.iter_results(timeout_s=30)
            first = await anext(stream)
            rest = asyncio.create_task(anext(stream))  # type: ignore[arg-type]  # a task of a coroutine alike
            await asyncio.to_thread(server.kill)
            await asyncio.sleep(0.2)
            await asyncio.to_thread(server.start)
            await asyncio.to_thread(WorkerDesk(ledger).complete, job.id, (0, ANN))
            found: Any = await rest
            return [first.custom_id, found.custom_id]

    assert asyncio.run(story()) == ["request-1", "request-0"]


def test_a_reader_that_is_cancelled_goes_on_behind_its_cursor_elsewhere(
    client: BatchClient, server: EmbeddedServer, ledger: Any
) -> None:
    job = client.enqueue(MODEL, User, [says()] * 300)
    desk = WorkerDesk(ledger)
    desk.answer(job.id, *((n, ANN) for n in range(100)))

    async def story() -> tuple[list[str], str | None]:
        found: list[str] = []
        enough = asyncio.Event()
        async with AsyncBatchClient(settings=settings_for(server)) as other:
            stream = (await other.job(job.id, User)).iter_results()

            async def read() -> None:
                async for outcome in stream:
                    found.append(outcome.custom_id)
                    if len(found) == 100:
                        enough.set()

            reading = asyncio.create_task(read())
            await enough.wait()
            reading.cancel()
            with suppress(asyncio.CancelledError):
                await reading
            return found, stream.cursor

    found, cursor = asyncio.run(story())
    desk.complete(job.id, *((n, ANN) for n in range(100, 300)))

    found += [outcome.custom_id for outcome in job.iter_results(after=cursor)]
    assert found == [f"request-{n}" for n in range(300)]
