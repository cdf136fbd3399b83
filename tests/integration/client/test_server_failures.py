"""Redis down, full or wiped while a client works: its own exception each, and nothing lost or doubled."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from batchline import BatchClient, JobStatus, QueueFullError, QueueUnavailableError, Settings
from unit.client.sketches import ANN, MODEL, User, keys_left, says
from unit.client.worker_desk import WorkerDesk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from batchline_ops.embedded import EmbeddedServer

MANY = 2600
"""Requests after which chunks have been written."""


def rows_and_then(act: Callable[[], object]) -> Iterator[Any]:
    """Requests, in whose midst something happens."""
    for _ in range(MANY):
        yield says()
    act()
    for _ in range(MANY):
        yield says()


def test_a_server_that_dies_during_an_enqueue_keeps_no_half_of_it(
    client: BatchClient, server: EmbeddedServer
) -> None:
    with pytest.raises(QueueUnavailableError, match="cannot be reached"):
        client.enqueue(MODEL, User, rows_and_then(server.kill), idempotency_key="k")

    server.start()
    assert client.jobs() == []
    assert client.enqueue(MODEL, User, [says()], idempotency_key="other").info().total == 1


def test_a_server_that_is_wiped_during_an_enqueue_gives_no_half_job(client: BatchClient, ledger: Any) -> None:
    with pytest.raises(QueueUnavailableError, match="enqueue it again"):
        client.enqueue(MODEL, User, rows_and_then(ledger.flushall))

    assert client.jobs() == []
    assert [key for key in keys_left(ledger) if b"{p" not in key] == []


def test_a_full_server_refuses_and_keeps_nothing(client: BatchClient, ledger: Any) -> None:
    client.jobs()  # the ledger is open
    before = keys_left(ledger)

    with pytest.raises(QueueFullError, match="maxmemory"):
        client.enqueue(MODEL, User, rows_and_then(lambda: ledger.config_set("maxmemory", "1")))

    ledger.config_set("maxmemory", "0")
    assert (client.jobs(), keys_left(ledger)) == ([], before)
    assert client.enqueue(MODEL, User, [says()]).status() is JobStatus.QUEUED


def test_a_job_survives_a_crash_right_after_its_enqueue(client: BatchClient, server: EmbeddedServer) -> None:
    job = client.enqueue(MODEL, User, [says()] * 700, metadata={"run": 1})

    server.kill()
    server.start()

    info = client.job(job.id).info()
    assert (info.status, info.total, info.metadata) == (JobStatus.QUEUED, 700, {"run": 1})


def test_waiting_and_streaming_outlive_a_restart(
    client: BatchClient, server: EmbeddedServer, ledger: Any
) -> None:
    job = client.enqueue(MODEL, User, [says(), says()])
    WorkerDesk(ledger).answer(job.id, (1, ANN))
    stream = job.iter_results(timeout_s=20)
    first = next(stream)

    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(job.wait, 20)
        server.kill()
        server.start()
        WorkerDesk(ledger).complete(job.id, (0, ANN))

        assert waiting.result() is JobStatus.COMPLETED
    assert [first.custom_id, *(outcome.custom_id for outcome in stream)] == ["request-1", "request-0"]


def test_clients_that_enqueue_with_one_key_at_once_make_one_job(server: EmbeddedServer, ledger: Any) -> None:
    start = threading.Barrier(6)

    def enqueue() -> str:
        with BatchClient(settings=Settings(redis_url=server.url, broker_url="memory://")) as client:
            start.wait()
            return client.enqueue(MODEL, User, [says()] * 1200, idempotency_key="nightly").id

    with ThreadPoolExecutor(6) as pool:
        ids = {call.result() for call in [pool.submit(enqueue) for _ in range(6)]}

    assert len(ids) == 1
    assert ledger.zcard("batchline:jobs") == 1
