"""`retry_failed`: which outcomes are taken back, and what stays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from redis.commands.core import Script

from batchline import BatchClient, ErrorType, InvalidInputError, JobNotReadyError, JobStatus
from batchline_shared.ledger.scripts import source
from unit.client.sketches import ANN, MODEL, User, keys_left, says

if TYPE_CHECKING:
    from redis import Redis

    from unit.client.worker_desk import WorkerDesk

MISFIT = '{"name":"Ann"}'


def test_by_default_what_a_retry_may_help_is_sent_again(client: BatchClient, desk: WorkerDesk) -> None:
    job = client.enqueue(MODEL, User, [says()] * 5)
    desk.answer(job.id, (0, ANN), (1, ErrorType.EXPIRED), (2, ErrorType.REFUSED))
    desk.complete(job.id, (3, MISFIT), (4, ErrorType.INVALID_REQUEST))

    assert job.retry_failed() == 2  # expired, and the answer that does not fit

    info = job.info()
    assert (info.status, info.retries, info.pending) == (JobStatus.QUEUED, 1, 2)
    assert (info.succeeded, info.errored) == (1, 2)
    desk.complete(job.id, (3, ANN), (1, ANN))
    assert [outcome.success for outcome in job.results()] == [True, True, False, True, False]


def test_only_the_types_asked_for_are_sent_again(client: BatchClient, desk: WorkerDesk) -> None:
    job = client.enqueue(MODEL, User, [says()] * 3)
    desk.complete(job.id, (0, MISFIT), (1, ErrorType.EXPIRED), (2, ErrorType.REFUSED))

    assert job.retry_failed([]) == 0
    assert job.retry_failed(["truncated"]) == 0
    assert job.status() is JobStatus.COMPLETED
    assert job.retry_failed({"refused", ErrorType.TRUNCATED}) == 1


def test_a_job_without_failures_stays_as_it_is(client: BatchClient, desk: WorkerDesk, ledger: Redis) -> None:
    job = client.enqueue(MODEL, User, [says()])
    desk.complete(job.id, (0, ANN))
    before = keys_left(ledger)

    assert job.retry_failed() == 0
    assert (job.status(), keys_left(ledger)) == (JobStatus.COMPLETED, before)


def test_a_misfit_is_found_however_long_its_custom_id_is(client: BatchClient, desk: WorkerDesk) -> None:
    job = client.enqueue(MODEL, User, [says()], custom_ids=["\x01" * 512])  # six bytes each in JSON
    desk.complete(job.id, (0, MISFIT))

    assert job.retry_failed() == 1


def test_what_fits_no_model_is_only_known_with_one(client: BatchClient, desk: WorkerDesk) -> None:
    job = client.enqueue(MODEL, User, [says()])
    desk.complete(job.id, (0, MISFIT))

    assert client.job(job.id).retry_failed() == 0
    assert client.job(job.id, User).retry_failed() == 1


def test_a_job_that_runs_cannot_be_retried(client: BatchClient, desk: WorkerDesk) -> None:
    job = client.enqueue(MODEL, User, [says()])
    with pytest.raises(JobNotReadyError, match="only a finished job"):
        job.retry_failed()

    desk.complete(job.id, (0, ErrorType.EXPIRED))
    job.retry_failed()
    with pytest.raises(JobNotReadyError, match="only a finished job"):
        job.retry_failed()


@pytest.mark.parametrize("error_types", ["expired", ["no_such_type"]], ids=str)
def test_an_error_type_that_does_not_exist_is_named(
    client: BatchClient, desk: WorkerDesk, error_types: list[str]
) -> None:
    job = client.enqueue(MODEL, User, [says()])
    desk.complete(job.id, (0, ErrorType.EXPIRED))

    with pytest.raises(InvalidInputError, match="known are invalid_request"):
        job.retry_failed(error_types)
    assert job.status() is JobStatus.COMPLETED


@pytest.mark.parametrize("name", ["open_job", "begin_retry", "take_back"])
def test_a_step_whose_answer_is_lost_is_not_taken_for_somebody_elses(
    client: BatchClient, desk: WorkerDesk, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = client.enqueue(MODEL, User, [says()] * 2)
    desk.complete(job.id, (0, ANN), (1, ErrorType.EXPIRED))
    call, text = Script.__call__, source(name)

    def twice(self: Script, *args: Any, **how: Any) -> Any:
        if self.script == text:
            call(self, *args, **how)  # redis-py sends it again, over another connection
        return call(self, *args, **how)

    monkeypatch.setattr(Script, "__call__", twice)

    assert job.retry_failed() == 1
    assert job.info().pending == 1
