"""Waiting for a job, and how waiting ends."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest

from batchline import BatchClient, JobNotFoundError, JobStatus, WaitTimeoutError
from unit.client.sketches import ANN, MODEL, User, says

if TYPE_CHECKING:
    from redis import Redis

    from unit.client.worker_desk import WorkerDesk


@pytest.mark.parametrize("timeout_s", [0, 0.05, -1])
def test_a_job_that_has_not_ended_in_time_goes_on(client: BatchClient, timeout_s: float) -> None:
    job = client.enqueue(MODEL, User, [says()])

    with pytest.raises(WaitTimeoutError, match="it goes on") as caught:
        job.wait(timeout_s)

    assert isinstance(caught.value, TimeoutError)
    assert job.status() is JobStatus.QUEUED


@pytest.mark.parametrize("status", [JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED])
def test_the_final_status_is_returned_whatever_it_is(
    client: BatchClient, desk: WorkerDesk, status: JobStatus
) -> None:
    job = client.enqueue(MODEL, User, [says()])
    desk.answer(job.id, (0, ANN))
    desk.end(job.id, status)

    assert job.wait(timeout_s=0) is status


def test_the_end_is_told_and_not_asked_for(client: BatchClient, desk: WorkerDesk) -> None:
    job = client.enqueue(MODEL, User, [says()])
    ending = threading.Timer(0.3, desk.complete, (job.id, (0, ANN)))
    ending.start()
    started = time.monotonic()

    assert job.wait(timeout_s=20) is JobStatus.COMPLETED
    assert time.monotonic() - started < 5
    ending.join()


def test_who_reads_slowly_still_sees_the_end(client: BatchClient, desk: WorkerDesk) -> None:
    job = client.enqueue(MODEL, User, [says(), says()])
    desk.answer(job.id, (0, ANN))
    stream = job.iter_results(timeout_s=0.05)

    next(stream)
    desk.complete(job.id, (1, ANN))
    time.sleep(0.1)

    assert len(list(stream)) == 1


def test_waiting_for_a_job_that_is_gone_says_so(client: BatchClient, ledger: Redis) -> None:
    job = client.enqueue(MODEL, User, [says()])
    ledger.flushall()

    for call in (job.wait, job.status, job.info, job.results, job.cancel, job.retry_failed):
        with pytest.raises(JobNotFoundError):
            call()
    with pytest.raises(JobNotFoundError):
        list(job.iter_results())


def test_a_progress_bar_goes_to_standard_error(
    client: BatchClient, desk: WorkerDesk, capsys: pytest.CaptureFixture[str]
) -> None:
    job = client.enqueue(MODEL, User, [says()])
    desk.complete(job.id, (0, ANN))

    job.wait(progress=True)

    output = capsys.readouterr()
    assert output.out == ""
    assert "1/1" in output.err
