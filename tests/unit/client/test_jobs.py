"""Finding jobs again, and cancelling them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from batchline import BatchClient, InvalidInputError, JobStatus
from unit.client.sketches import ANN, MODEL, User, says

if TYPE_CHECKING:
    from redis import Redis

    from unit.client.worker_desk import WorkerDesk


def test_jobs_are_listed_newest_first(client: BatchClient) -> None:
    ids = [client.enqueue(MODEL, User, [says()]).id for _ in range(3)]

    listed = client.jobs()

    assert {info.id for info in listed} == set(ids)
    assert [info.created_at for info in listed] == sorted((i.created_at for i in listed), reverse=True)


def test_jobs_can_be_chosen_by_status_and_model(client: BatchClient, desk: WorkerDesk) -> None:
    done = client.enqueue(MODEL, User, [says()])
    other = client.enqueue("openai/gpt-4o", User, [says()])
    desk.complete(done.id, (0, ANN))

    assert [info.id for info in client.jobs(status="completed")] == [done.id]
    assert [info.id for info in client.jobs(status=JobStatus.QUEUED)] == [other.id]
    assert [info.id for info in client.jobs(model="openai/gpt-4o")] == [other.id]
    assert client.jobs("completed", "openai/gpt-4o") == []


@pytest.mark.parametrize(("limit", "count"), [(0, 0), (1, 1), (100, 100), (None, 130)])
def test_a_limit_bounds_the_list(client: BatchClient, limit: int | None, count: int) -> None:
    for _ in range(130):  # more than one page
        client.enqueue(MODEL, User, [says()])

    assert len(client.jobs(limit=limit)) == count


@pytest.mark.parametrize("status", ["done", "staging", "COMPLETED", 5])
def test_a_status_that_does_not_exist_is_refused(client: BatchClient, status: Any) -> None:
    with pytest.raises(InvalidInputError, match="use one of queued, submitting"):
        client.jobs(status=status)


def test_an_enqueue_under_way_is_not_listed(client: BatchClient) -> None:
    seen: list[int] = []

    def rows() -> Any:
        yield says()
        seen.append(len(client.jobs()))
        yield says()

    client.enqueue(MODEL, User, rows())

    assert (seen, len(client.jobs())) == ([0], 1)


def test_jobs_whose_retention_has_ended_are_dropped_from_the_list(client: BatchClient, ledger: Redis) -> None:
    gone, kept = (client.enqueue(MODEL, User, [says()]).id for _ in range(2))
    ledger.delete(f"batchline:{{{gone}}}:meta")

    assert [info.id for info in client.jobs()] == [kept]
    assert ledger.zcard("batchline:jobs") == 1


def test_cancelling_is_safe_to_repeat_and_leaves_finished_jobs_alone(
    client: BatchClient, desk: WorkerDesk
) -> None:
    job, finished = (client.enqueue(MODEL, User, [says()]) for _ in range(2))
    desk.complete(finished.id, (0, ANN))

    assert [job.cancel(), job.cancel(), finished.cancel()] == ["cancelling", "cancelling", "completed"]


def test_a_new_job_has_no_batches_and_counts_nothing(client: BatchClient) -> None:
    job = client.enqueue(MODEL, User, [says(), says()])

    info = job.info()
    assert job.batches() == []
    assert (info.total, info.succeeded, info.errored, info.pending) == (2, 0, 0, 2)
    assert (info.submitted_at, info.finished_at, repr(job)) == (None, None, f"Job({job.id!r})")
