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
    enqueue,  # the module
)
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


def test_the_processor_takes_a_key_too(processor: BatchProcessor[User]) -> None:
    buffer = processor.create_batch_from_messages([says()])
    first = processor.submit_batch(buffer, idempotency_key="k")
    buffer.seek(0)

    assert processor.submit_batch(buffer, idempotency_key="k") == first
