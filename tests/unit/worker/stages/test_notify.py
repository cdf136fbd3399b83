"""Notify: each end of a job is told, at least once, and until it was taken."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import fakeredis
import orjson
import pytest

from batchline import DeliveryError, DeliveryState, JobNotFoundError, JobStatus
from batchline_shared.ledger import JobStore, Stage, keys
from batchline_worker.hooks import Attempt
from scripted_provider import answer_line, error_line
from worker_bench import WorkerBench

if TYPE_CHECKING:
    from batchline import Delivery, Job
    from batchline_worker.hooks import Message

NO_ANSWER = Attempt(DeliveryError.TIMEOUT, message="the endpoint did not answer within 15 s")
SERVER_ERROR = Attempt(DeliveryError.STATUS, 500, "the endpoint answered with 500")
GONE = Attempt(DeliveryError.STATUS, 410, "the endpoint answered with 410")
NO_BROKER = Attempt(DeliveryError.BROKER, message="the broker did not take the task")

WAITS_S = (5, 300, 1800, 7200, 18000, 36000, 36000)


class Killed(BaseException):
    """What `kill -9` does to a worker at this point, as far as the ledger can tell."""


@pytest.fixture
def bench() -> WorkerBench:
    return WorkerBench(fakeredis.FakeRedis(), durable_writes=False)


def ended(bench: WorkerBench, count: int = 3, **arguments: Any) -> Job[str]:
    """A job that has ended, of which nothing has been told yet."""
    job = bench.enqueue(count, **arguments)
    before_notify = [stage for stage in Stage if stage is not Stage.NOTIFY]
    bench.run(*before_notify)
    bench.provider.end_all()
    bench.later(20)
    bench.run(*before_notify)
    assert job.status().is_final
    return job


def the_delivery(job: Job[str]) -> Delivery:
    (delivery,) = job.deliveries()
    return delivery


def due_s(bench: WorkerBench, job: Job[str], kind: str, number: int = 1) -> float | None:
    return bench.due_in_s(keys.delivery(job.id, kind, number), Stage.NOTIFY)


def killed() -> Attempt:
    raise Killed


@pytest.mark.parametrize(
    ("answer", "status"), [(answer_line, JobStatus.COMPLETED), (error_line, JobStatus.FAILED)]
)
def test_an_end_is_told_whatever_it_is(bench: WorkerBench, answer: Any, status: JobStatus) -> None:
    bench.provider.answer = answer
    job = ended(bench, webhook="shop", metadata={"team": "search"})

    bench.run()

    (message,) = bench.sender.messages
    event = orjson.loads(message.body)
    failed = 3 if status is JobStatus.FAILED else 0
    assert event["data"] == {
        "id": job.id,
        "status": status,
        "counts": {"total": 3, "succeeded": 3 - failed, "errored": failed},
        "metadata": {"team": "search"},
    }
    assert event["type"] == f"batch.{status}"
    finished_at = job.info().finished_at
    assert finished_at is not None
    assert abs((datetime.fromisoformat(event["timestamp"]) - finished_at).total_seconds()) < 1


def test_a_cancelled_job_tells_too(bench: WorkerBench) -> None:
    job = bench.enqueue(webhook="shop", on_complete="shop.done")
    job.cancel()
    bench.run()

    assert [one.status for one in job.deliveries()] == [JobStatus.CANCELLED] * 2
    assert [message.target for message in bench.sender.messages].count("shop.done") == 1


def test_a_job_that_names_nobody_tells_nobody(bench: WorkerBench) -> None:
    job = ended(bench)
    bench.run()

    assert (job.deliveries(), bench.sender.messages) == ([], [])


def test_a_message_has_no_prompt_no_answer_and_no_template(bench: WorkerBench) -> None:
    bench.provider.answer = lambda one: answer_line(one, "a secret answer")
    ended(bench, webhook="shop", on_complete="shop.done", temperature=0.77)
    bench.run()

    assert len(bench.sender.messages) == 2
    for message in bench.sender.messages:
        assert not any(text in message.body for text in (b"request 0", b"secret answer", b"0.77"))


def test_task_and_endpoint_are_told_apart_and_each_for_itself(bench: WorkerBench) -> None:
    job = ended(bench, webhook="shop", on_complete="shop.done@priority")
    bench.sender.script.extend([SERVER_ERROR, Attempt(status_code=200)])
    bench.run()

    assert sorted(message.target for message in bench.sender.messages) == ["shop", "shop.done@priority"]
    assert sorted(one.state for one in job.deliveries()) == ["delivered", "pending"]


def test_what_fails_is_tried_again_at_growing_waits_and_then_given_up(bench: WorkerBench) -> None:
    job = ended(bench, webhook="shop")
    bench.sender.script.extend([NO_ANSWER, *[SERVER_ERROR] * 7])

    waits_s = []
    for wait_s in WAITS_S:
        bench.run()
        waits_s.append(due_s(bench, job, "webhook"))
        bench.later(wait_s * 1.11)
    bench.run()

    assert all(0.89 * wait_s < found < 1.11 * wait_s for found, wait_s in zip(waits_s, WAITS_S, strict=True))
    delivery = the_delivery(job)
    assert (delivery.state, delivery.tries, delivery.next_try_at) == (DeliveryState.GIVEN_UP, 8, None)
    assert [(one.status_code, one.error) for one in delivery.attempts] == [
        (None, DeliveryError.TIMEOUT),
        *[(500, DeliveryError.STATUS)] * 7,
    ]
    assert delivery.message == "the endpoint answered with 500"
    assert due_s(bench, job, "webhook") is None
    assert len({(message.id, message.body) for message in bench.sender.messages}) == 1


def test_every_attempt_is_stamped_with_its_own_time(bench: WorkerBench) -> None:
    job = ended(bench, webhook="shop")
    bench.sender.script.append(SERVER_ERROR)
    bench.run()
    first = bench.redis.hget(
        keys.work(keys.partition_of(job.id), keys.delivery(job.id, "webhook", 1)), "next_ms"
    )
    bench.later(6)
    bench.run()

    one, two = bench.sender.messages
    assert first is not None
    assert one.sent_at <= two.sent_at
    assert [attempt.at for attempt in the_delivery(job).attempts] == [one.sent_at, two.sent_at]


def test_a_pending_delivery_says_when_it_is_tried_again(bench: WorkerBench) -> None:
    job = ended(bench, webhook="shop")
    bench.sender.script.append(SERVER_ERROR)
    bench.run()

    delivery = the_delivery(job)
    assert delivery.next_try_at is not None
    assert 4 < (delivery.next_try_at - delivery.attempts[0].at).total_seconds() < 6


def test_a_410_ends_it_at_once(bench: WorkerBench) -> None:
    job = ended(bench, webhook="shop")
    bench.sender.script.append(GONE)
    bench.run()

    assert the_delivery(job).state is DeliveryState.REFUSED
    assert due_s(bench, job, "webhook") is None


def test_a_broker_is_tried_again_for_as_long_as_the_job_is_kept(bench: WorkerBench) -> None:
    job = ended(bench, on_complete="shop.done")
    bench.sender.script.extend([NO_BROKER] * 30)

    for _ in range(30):
        bench.run()
        wait_s = due_s(bench, job, "task")
        assert wait_s is not None
        assert wait_s <= 600
        bench.later(601)
    bench.run()

    delivery = the_delivery(job)
    assert (delivery.state, delivery.tries, len(delivery.attempts)) == (DeliveryState.DELIVERED, 31, 20)
    assert delivery.message == ""


def test_a_worker_killed_before_it_sends_costs_nothing_but_the_lease(bench: WorkerBench) -> None:
    job = ended(bench, webhook="shop")
    bench.queue.lease_deliveries(1)  # and dies
    bench.run()
    assert bench.sender.messages == []

    bench.later(bench.settings.lease_s + 1)
    bench.run()

    assert len(bench.sender.messages) == 1
    assert the_delivery(job).state is DeliveryState.DELIVERED


def test_a_worker_killed_between_sending_and_writing_has_it_sent_again_under_the_same_id(
    bench: WorkerBench,
) -> None:
    job = ended(bench, webhook="shop")
    bench.sender.script.append(killed)
    with pytest.raises(Killed):
        bench.run(Stage.NOTIFY)

    bench.later(bench.settings.lease_s + 1)
    bench.run()

    one, two = bench.sender.messages
    assert (one.id, one.body) == (two.id, two.body)
    assert the_delivery(job).state is DeliveryState.DELIVERED


def test_a_worker_killed_between_the_end_and_its_telling_is_mended(
    bench: WorkerBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = bench.submitted(webhook="shop")
    bench.provider.end_all()
    bench.later(20)
    dying = bench.worker()

    def die(*_: Any, **__: Any) -> bool:
        raise Killed

    monkeypatch.setattr(dying.work, "close_job", die)
    with pytest.raises(Killed):
        bench.run(Stage.POLL, Stage.COLLECT, Stage.SETTLE, worker=dying)
    assert job.status() is JobStatus.COMPLETED
    assert job.deliveries() == []

    bench.later(bench.settings.lease_s + 1)
    bench.run()

    assert len(bench.sender.messages) == 1
    assert the_delivery(job).state is DeliveryState.DELIVERED


def test_a_late_write_of_a_worker_that_lost_its_lease_changes_nothing(bench: WorkerBench) -> None:
    job = ended(bench, webhook="shop")

    def frozen() -> Attempt:
        bench.later(bench.settings.lease_s + 1)
        bench.run(Stage.NOTIFY, worker=bench.worker())
        return SERVER_ERROR

    bench.sender.script.append(frozen)
    bench.run(Stage.NOTIFY)

    assert the_delivery(job).state is DeliveryState.DELIVERED
    assert due_s(bench, job, "webhook") is None


def test_a_retry_ends_again_and_is_told_again(bench: WorkerBench) -> None:
    bench.provider.answer = error_line
    job = ended(bench, webhook="shop", on_complete="shop.done")
    bench.run()
    bench.provider.answer = answer_line
    assert job.retry_failed() == 3
    bench.finish(job)
    bench.run()

    statuses = [(one.kind, one.status, one.state) for one in job.deliveries()]
    assert statuses == [
        (kind, status, DeliveryState.DELIVERED)
        for status in (JobStatus.FAILED, JobStatus.COMPLETED)
        for kind in ("task", "webhook")
    ]
    assert len(bench.sender.messages) == 4
    assert len({message.id for message in bench.sender.messages}) == 2


def test_a_retry_that_dies_before_it_reopens_the_job_is_no_further_end(
    bench: WorkerBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.provider.answer = error_line
    job = ended(bench, webhook="shop")
    bench.run()

    def die(*_: Any) -> int:
        raise Killed

    monkeypatch.setattr(JobStore, "begin_retry", die)
    with pytest.raises(Killed):
        job.retry_failed()
    bench.later(61)
    bench.run()

    assert the_delivery(job).state is DeliveryState.DELIVERED
    assert len(bench.sender.messages) == 1


def test_an_end_that_was_not_taken_is_told_as_it_was_also_while_the_job_runs_again(
    bench: WorkerBench,
) -> None:
    bench.provider.answer = error_line
    job = ended(bench, webhook="shop")
    bench.sender.script.append(SERVER_ERROR)
    bench.run()
    bench.provider.answer = answer_line
    job.retry_failed()
    bench.later(6)
    bench.run(Stage.NOTIFY)

    assert job.status() is JobStatus.QUEUED
    first, again = bench.sender.messages
    assert first.body == again.body
    assert orjson.loads(again.body)["data"]["counts"] == {"total": 3, "succeeded": 0, "errored": 3}


def test_deliveries_are_kept_as_long_as_the_job_also_across_a_retry(bench: WorkerBench) -> None:
    bench.provider.answer = error_line
    job = ended(bench, webhook="shop", retention_s=5000)
    bench.run()
    record = keys.work(keys.partition_of(job.id), keys.delivery(job.id, "webhook", 1))
    assert 4990 < bench.redis.ttl(record) <= 5000

    job.retry_failed()
    assert bench.redis.ttl(record) == -1
    bench.finish(job)

    assert 4990 < bench.redis.ttl(record) <= 5000


def test_a_deleted_job_takes_what_was_not_told_with_it(bench: WorkerBench) -> None:
    job = ended(bench, webhook="shop", on_complete="shop.done")
    bench.sender.script.extend([SERVER_ERROR, NO_BROKER])
    bench.run()
    job.delete()
    bench.later(100_000)
    bench.run()

    assert len(bench.sender.messages) == 2
    assert [name for name in bench.redis.keys("*") if b"webhook" in name or b"task" in name] == []
    assert due_s(bench, job, "webhook") is due_s(bench, job, "task") is None
    with pytest.raises(JobNotFoundError):
        job.deliveries()


def test_a_delivery_that_is_under_way_when_its_job_is_deleted_does_not_come_back(bench: WorkerBench) -> None:
    job = ended(bench, webhook="shop")

    def deleted() -> Attempt:
        job.delete()
        return SERVER_ERROR

    bench.sender.script.append(deleted)
    bench.run()

    assert [name for name in bench.redis.keys("*") if b"webhook" in name] == []
    assert due_s(bench, job, "webhook") is None


def test_a_delivery_whose_job_is_gone_is_given_up(bench: WorkerBench) -> None:
    job = ended(bench, webhook="shop")
    bench.redis.delete(keys.meta(job.id))
    bench.run()

    assert bench.sender.messages == []
    assert due_s(bench, job, "webhook") is None


def test_a_malformed_record_is_set_aside_and_does_not_stop_the_others(bench: WorkerBench) -> None:
    broken, whole = ended(bench, webhook="shop"), ended(bench, webhook="shop")
    record = keys.work(keys.partition_of(broken.id), keys.delivery(broken.id, "webhook", 1))
    bench.redis.hset(record, "event", "{")
    bench.run()
    bench.run()

    assert [message.job_id for message in bench.sender.messages] == [whole.id]
    assert due_s(bench, broken, "webhook") is None


def test_messages_of_the_same_end_have_one_id_and_different_jobs_different_ones(bench: WorkerBench) -> None:
    for _ in range(2):
        ended(bench, webhook="shop", on_complete="shop.done")
    bench.run()

    by_job: dict[str, set[str]] = {}
    messages: list[Message] = bench.sender.messages
    for message in messages:
        assert "." not in message.id  # the signed text is joined by dots
        by_job.setdefault(message.job_id, set()).add(message.id)
    assert [len(ids) for ids in by_job.values()] == [1, 1]
    assert len(set.union(*by_job.values())) == 2
