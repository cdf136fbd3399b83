"""An idempotency key: one job, however often it is enqueued."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from batchline import (
    BatchClient,
    BatchProcessor,
    IdempotencyConflictError,
    InvalidInputError,
    QueueUnavailableError,
    enqueue,  # the module
)
from batchline_shared.ledger import keys
from unit.client.sketches import ANN, MODEL, User, keys_left, says

if TYPE_CHECKING:
    from collections.abc import Iterator

    from redis import Redis

    from unit.client.worker_desk import WorkerDesk


def test_the_same_key_returns_the_same_job_even_after_its_end(client: BatchClient, desk: WorkerDesk) -> None:
    job = client.enqueue(MODEL, User, [says()], idempotency_key="nightly")
    again = client.enqueue(MODEL, User, [says(), says()], idempotency_key="nightly")
    desk.complete(job.id, (0, ANN))
    later = client.enqueue(MODEL, User, [says()], idempotency_key="nightly")

    assert (again.id, later.id) == (job.id, job.id)
    assert later.info().total == 1


def test_another_key_makes_another_job(client: BatchClient) -> None:
    ids = {client.enqueue(MODEL, User, [says()], idempotency_key=key).id for key in ("a", "b", "ä", "\ud83d")}

    assert len(ids) == 4


def test_a_key_that_stands_for_a_job_of_another_model_is_refused(client: BatchClient) -> None:
    job = client.enqueue(MODEL, User, [says()], idempotency_key="nightly")

    with pytest.raises(IdempotencyConflictError, match=f"job {job.id} of {MODEL}"):
        client.enqueue("openai/gpt-4o", User, [says()], idempotency_key="nightly")


def test_a_key_that_stands_for_other_answers_is_refused(client: BatchClient) -> None:
    client.enqueue(MODEL, None, [says()], idempotency_key="nightly")

    with pytest.raises(IdempotencyConflictError, match="another model, endpoint, response model or options"):
        client.enqueue(MODEL, User, [says()], idempotency_key="nightly")


def test_a_key_is_free_again_after_an_enqueue_that_failed(client: BatchClient, ledger: Redis) -> None:
    def rows() -> Iterator[Any]:
        yield says()
        raise RuntimeError("the source broke")

    with pytest.raises(RuntimeError):
        client.enqueue(MODEL, User, rows(), idempotency_key="nightly")
    with pytest.raises(InvalidInputError):
        client.enqueue(MODEL, User, [], idempotency_key="nightly")

    assert keys_left(ledger) == []
    assert client.enqueue(MODEL, User, [says()], idempotency_key="nightly").info().total == 1


def test_a_key_whose_job_was_deleted_is_free_again(client: BatchClient, ledger: Redis) -> None:
    job = client.enqueue(MODEL, User, [says()], idempotency_key="nightly")
    ledger.delete(f"batchline:{{{job.id}}}:meta")

    assert client.enqueue(MODEL, User, [says()], idempotency_key="nightly").id != job.id


def test_an_enqueue_whose_requests_come_slowly_does_not_stand_still(
    client: BatchClient, ledger: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [0.0]
    monkeypatch.setattr(enqueue, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    seen: list[bytes | None] = []

    def rows() -> Iterator[Any]:
        for n in range(200):
            clock[0] += 1.0
            if n % 20 == 10:  # others look, and wait for half a minute
                (record,) = ledger.keys("*:meta")
                seen.append(ledger.hget(record, "staged"))
            yield says()

    assert client.enqueue(MODEL, User, rows(), idempotency_key="nightly").info().total == 200
    assert len(set(seen)) == len(seen) == 10


def test_what_an_enqueue_writes_that_was_taken_for_dead_stands_in_nobodys_way(client: BatchClient) -> None:
    store = client.connection.jobs
    ids: list[str] = []

    def rows() -> Iterator[Any]:
        for _ in range(2500):
            yield says()
        # Another enqueue took it for dead, and died itself before it took the key.
        (first,) = client.connection.redis.zrange(keys.ALL_JOBS, 0, -1)
        store.abandon(first.decode())
        for _ in range(2500):
            yield says()
        ids.append(client.enqueue(MODEL, User, [says()], idempotency_key="nightly").id)

    with pytest.raises(QueueUnavailableError, match="call again"):
        client.enqueue(MODEL, User, rows(), idempotency_key="nightly")

    assert [client.enqueue(MODEL, User, [says()], idempotency_key="nightly").id] == ids


def test_the_processor_takes_a_key_too(processor: BatchProcessor[User]) -> None:
    buffer = processor.create_batch_from_messages([says()])
    first = processor.submit_batch(buffer, idempotency_key="k")
    buffer.seek(0)

    assert processor.submit_batch(buffer, idempotency_key="k") == first
