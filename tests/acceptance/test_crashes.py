"""Whatever ends on the way: no request is lost, none is paid for twice, each has one outcome."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from acceptance.live_stack import LiveStack, until
from batchline import BatchClient, Job, JobStatus, RetryPolicy

if TYPE_CHECKING:
    from collections.abc import Iterator

MODEL = "openai/gpt-4o-mini"
SLOW_CREATE = {"call": "batches.create", "kind": "delay_before", "seconds": 0.4, "rate": 1.0}
NO_MORE_FOR_NOW = {"call": "batches.create", "kind": "rate_limit", "retry_after": 0.5, "rate": 1.0}
"""With `skip`: the provider takes so many batches, and more when its faults are reset.

So that work is left when a process ends, however late this one gets to end it."""

SHARDS_OF_100 = {"BATCHLINE_SHARD_MAX_REQUESTS": "100"}
SECRET = "the patient's name is Rumpelstiltskin"


class Topic(BaseModel):
    """What is asked of every passage."""

    title: str
    words: int


def passages(count: int, marker: str = "") -> Iterator[list[dict[str, Any]]]:
    """Requests that differ from each other."""
    for number in range(count):
        yield [{"role": "user", "content": f"Passage {number}: {SECRET} {marker}"}]


def enqueue(client: BatchClient, count: int, marker: str = "") -> Job[Topic]:
    ids = (f"passage/{number}" for number in range(count))
    return client.enqueue(MODEL, Topic, passages(count, marker), custom_ids=ids)


def assert_each_answered_once(job: Job[Topic], count: int) -> None:
    expected = [f"passage/{number}" for number in range(count)]
    streamed = Counter(outcome.custom_id for outcome in job.iter_results(timeout_s=10))
    results = job.results()

    assert [outcome.custom_id for outcome in results] == expected
    assert streamed == Counter(expected)
    assert all(outcome.success for outcome in results)
    assert (job.info().succeeded, job.info().errored) == (count, 0)


def test_killing_both_workers_of_a_job_once_loses_nothing_and_pays_once(stack: LiveStack) -> None:
    stack.simulator.arm(SLOW_CREATE, {**NO_MORE_FOR_NOW, "skip": 8})
    first, second = stack.worker(**SHARDS_OF_100), stack.worker(**SHARDS_OF_100)
    job = enqueue(stack.client, 1000)

    until(lambda: len(stack.accepted(job.id)) >= 2)
    first.kill()
    stack.worker(**SHARDS_OF_100)
    until(lambda: len(stack.accepted(job.id)) >= 5)
    second.kill()
    assert len(stack.accepted(job.id)) < 10, "both were to die on the way"
    stack.simulator.set_faults(SLOW_CREATE)
    stack.worker(**SHARDS_OF_100)

    assert job.wait(timeout_s=60) is JobStatus.COMPLETED
    assert_each_answered_once(job, 1000)
    stack.assert_paid_once(job.id, shards=10, requests=1000)


def test_a_worker_that_dies_between_acceptance_and_record_pays_once(stack: LiveStack) -> None:
    doomed = stack.worker(**SHARDS_OF_100)
    stack.simulator.arm({"call": "batches.create", "kind": "signal", "pid": doomed.pid})
    job = enqueue(stack.client, 300)

    until(lambda: not doomed.alive)
    assert len(stack.accepted(job.id)) >= 1
    stack.worker(**SHARDS_OF_100)

    assert job.wait(timeout_s=60) is JobStatus.COMPLETED
    assert_each_answered_once(job, 300)
    stack.assert_paid_once(job.id, shards=3, requests=300)


def test_a_worker_that_dies_in_a_second_attempt_pays_for_it_once(stack: LiveStack) -> None:
    doomed = stack.worker()
    requests = [[{"role": "user", "content": f"twice {n} [[fault:server_error:1]]"}] for n in range(5)]
    stack.simulator.arm({"call": "batches.create", "kind": "signal", "pid": doomed.pid, "skip": 1})
    job = stack.client.enqueue(MODEL, None, requests, retry=RetryPolicy(max_attempts=2, backoff_s=1))

    until(lambda: not doomed.alive)
    assert len(stack.accepted(job.id)) == 2
    stack.worker()

    assert job.wait(timeout_s=60) is JobStatus.COMPLETED
    assert [(outcome.success, outcome.attempts) for outcome in job.results()] == [(True, 2)] * 5
    stack.assert_paid_once(job.id, shards=2, requests=10)


def test_a_worker_that_is_asked_to_stop_hands_its_work_on(stack: LiveStack) -> None:
    stack.simulator.arm(SLOW_CREATE, {**NO_MORE_FOR_NOW, "skip": 4})
    leaving = stack.worker(**SHARDS_OF_100)
    job = enqueue(stack.client, 600)
    until(lambda: len(stack.accepted(job.id)) >= 1)

    assert leaving.terminate() == 0
    assert len(stack.accepted(job.id)) < 6, "it was to leave on the way"

    stack.simulator.set_faults()
    stack.worker(**SHARDS_OF_100)
    assert job.wait(timeout_s=60) is JobStatus.COMPLETED
    assert_each_answered_once(job, 600)
    stack.assert_paid_once(job.id, shards=6, requests=600)


def test_emptying_the_broker_loses_nothing(stack: LiveStack) -> None:
    job = enqueue(stack.client, 500)
    stack.broker.flushdb()  # the nudge of a job that no worker has seen
    stack.simulator.arm(SLOW_CREATE)
    stack.worker(**SHARDS_OF_100)

    for batches in (1, 2, 3):
        until(lambda batches=batches: len(stack.accepted(job.id)) >= batches)  # type: ignore[misc]  # mypy cannot infer a lambda's default
        stack.broker.flushdb()

    assert job.wait(timeout_s=60) is JobStatus.COMPLETED
    assert_each_answered_once(job, 500)
    stack.assert_paid_once(job.id, shards=5, requests=500)


def test_without_a_key_a_job_waits_and_says_what_to_do(stack: LiveStack) -> None:
    keyless = stack.worker(OPENAI_API_KEY=None)
    job = enqueue(stack.client, 3)

    until(lambda: job.info().message)
    assert "OPENAI_API_KEY" in job.info().message
    assert not job.status().is_final
    assert keyless.terminate() == 0
    stack.worker()

    assert job.wait(timeout_s=60) is JobStatus.COMPLETED
    assert_each_answered_once(job, 3)
    assert job.info().message == ""
    stack.assert_paid_once(job.id, shards=1, requests=3)


def test_a_job_that_is_cancelled_before_any_worker_sees_it_costs_nothing(stack: LiveStack) -> None:
    job = enqueue(stack.client, 30)
    job.cancel()
    stack.worker()

    assert job.wait(timeout_s=60) is JobStatus.CANCELLED
    assert job.info().errors == {"cancelled": 30}
    stack.assert_paid_once(job.id, shards=0, requests=0)
