"""Many jobs on a real server, deleted and expired: no key is left."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from batchline import ErrorType, JobNotFoundError, JobNotReadyError, JobStatus
from unit.client.sketches import ANN, MODEL, User, keys_left, says
from unit.client.worker_desk import WorkerDesk

if TYPE_CHECKING:
    from batchline import BatchClient, Job


def of_the_ledger(key: bytes) -> bool:
    """Not of a job: the gauges, and the marks of nudges, which go by themselves."""
    return b":tally" in key or b":nudge:" in key


def finished(client: BatchClient, desk: WorkerDesk, number: int) -> Job[User]:
    job = client.enqueue(MODEL, User, [says()] * 700, idempotency_key=f"key-{number}")
    desk.complete(job.id, (0, ANN), (699, ErrorType.EXPIRED))
    return job


def test_deleted_jobs_leave_no_key(client: BatchClient, ledger: Any) -> None:
    desk = WorkerDesk(ledger)
    jobs = [finished(client, desk, number) for number in range(30)]
    assert len(keys_left(ledger)) > 200

    for job in jobs:
        job.delete()

    assert [key for key in keys_left(ledger) if not of_the_ledger(key)] == []


def test_a_retry_and_a_deletion_at_once_end_as_one_of_the_two(client: BatchClient, ledger: Any) -> None:
    desk = WorkerDesk(ledger)

    def attempt(call: Any) -> bool:
        try:
            call()
        except (JobNotFoundError, JobNotReadyError):
            return False
        return True

    for number in range(20):
        job = finished(client, desk, number)
        with ThreadPoolExecutor(2) as pool:
            calls = [job.retry_failed, job.delete] if number % 2 else [job.delete, job.retry_failed]
            done = [pool.submit(attempt, call) for call in calls]
        retried, deleted = (call.result() for call in (done if number % 2 else reversed(done)))

        assert retried is not deleted
        if retried:
            assert job.status() is JobStatus.QUEUED
        else:
            with pytest.raises(JobNotFoundError):
                job.status()
