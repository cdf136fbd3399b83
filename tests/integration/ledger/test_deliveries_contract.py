"""Deliveries on every server: made with the end of a job, once, and gone with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from batchline_shared.ledger import (
    Attempted,
    BatchIndex,
    Deliveries,
    DeliveryKind,
    DeliveryState,
    Ending,
    JobWork,
    Stage,
    WorkQueue,
    keys,
)
from batchline_shared.ledger.deletion import Deletion

if TYPE_CHECKING:
    from batchline_shared.ledger import DeliveryWork

JOB = "job_1"
PARTITION = keys.partition_of(JOB)
COUNTS = {"total": 3, "succeeded": 2, "errored": 1}
BOTH = Ending("shop.done@q", "shop", "completed", COUNTS, 1)


@pytest.fixture
def deliveries(redis: Any) -> Deliveries:
    return Deliveries(redis)


def close(queue: WorkQueue, ending: Ending | None = BOTH, retention_s: int = 100) -> JobWork:
    """Open a job's work, and close it."""
    assert queue.open_job(JOB, delay_s=0)
    (job,) = queue.lease_jobs(Stage.PLAN, 1)
    assert queue.plan_done(job)
    (job,) = queue.lease_jobs(Stage.SETTLE, 1)
    assert queue.close_job(job, retention_s=retention_s, clean_after_s=None, counts={}, ending=ending)
    return job


def take(queue: WorkQueue) -> DeliveryWork:
    (delivery,) = queue.lease_deliveries(1)
    return delivery


def due(redis: Any) -> list[bytes]:
    found: list[bytes] = redis.zrange(keys.due(PARTITION, Stage.NOTIFY), 0, -1)
    return found


def test_closing_makes_one_delivery_for_each_who_is_to_be_told_due_at_once(
    queue: WorkQueue, deliveries: Deliveries
) -> None:
    close(queue)

    told = queue.lease_deliveries(10)
    assert {(one.kind, one.target) for one in told} == {("task", "shop.done@q"), ("webhook", "shop")}
    assert {(one.status, one.number, one.state, one.tries) for one in told} == {
        ("completed", 1, "pending", 0)
    }
    assert all(one.counts == COUNTS and one.job_id == JOB for one in told)
    assert all(one.ended_ms == one.next_ms > 0 for one in told)
    assert [one.kind for one in deliveries.of_job(JOB)] == list(DeliveryKind)


@pytest.mark.parametrize("ending", [None, Ending("", "", "completed", COUNTS, 1)])
def test_a_job_that_names_nobody_has_none(
    redis: Any, queue: WorkQueue, deliveries: Deliveries, ending: Ending | None
) -> None:
    close(queue, ending)

    assert (due(redis), deliveries.of_job(JOB)) == ([], [])


def test_closing_twice_tells_once(redis: Any, queue: WorkQueue) -> None:
    job = close(queue)

    assert not queue.close_job(job, retention_s=100, clean_after_s=None, counts={}, ending=BOTH)
    assert len(due(redis)) == 2


def test_each_end_has_its_own(queue: WorkQueue, deliveries: Deliveries) -> None:
    close(queue, Ending("", "shop", "failed", COUNTS, 1))
    close(queue, Ending("", "shop", "completed", COUNTS, 2))

    assert [(one.number, one.status) for one in deliveries.of_job(JOB)] == [(1, "failed"), (2, "completed")]
    assert len(queue.lease_deliveries(10)) == 2


def test_they_expire_with_the_job_live_on_with_it_and_expire_again(redis: Any, queue: WorkQueue) -> None:
    names = [keys.work(PARTITION, keys.delivery(JOB, kind, 1)) for kind in DeliveryKind]
    close(queue, retention_s=100)
    assert all(0 < redis.pttl(name) <= 100_000 for name in names)

    queue.open_job(JOB, delay_s=0)
    assert [redis.ttl(name) for name in names] == [-1, -1]
    (job,) = queue.lease_jobs(Stage.PLAN, 1)
    queue.plan_done(job)
    (job,) = queue.lease_jobs(Stage.SETTLE, 1)
    queue.close_job(job, retention_s=50, clean_after_s=None, counts={}, ending=None)

    assert all(0 < redis.pttl(name) <= 50_000 for name in names)


def test_a_job_that_is_kept_for_ever_keeps_them(redis: Any, queue: WorkQueue) -> None:
    close(queue, retention_s=0)

    assert redis.ttl(keys.work(PARTITION, keys.delivery(JOB, "task", 1))) == -1


def test_one_whose_record_has_expired_leaves_the_due_set(redis: Any, queue: WorkQueue) -> None:
    close(queue)
    redis.delete(*(keys.work(PARTITION, keys.delivery(JOB, kind, 1)) for kind in DeliveryKind))

    assert queue.lease_deliveries(10) == []
    assert due(redis) == []


def test_deleting_a_jobs_work_deletes_them(redis: Any, queue: WorkQueue) -> None:
    close(queue)
    close(queue)

    assert Deletion(redis).forget_work(JOB)
    assert [name for name in redis.keys("*") if b":due:" in name or b":work:" in name] == []


def test_what_was_noted_can_be_read(queue: WorkQueue, deliveries: Deliveries) -> None:
    close(queue, Ending("", "shop", "completed", COUNTS, 1))
    first = take(queue)
    log = first.with_attempt(Attempted(5, 500, "status"))
    assert deliveries.note(first, DeliveryState.PENDING, 0.0, tries=1, attempts=log, message="no")

    second = take(queue)
    assert (second.tries, second.message, second.attempts) == (1, "no", (Attempted(5, 500, "status"),))
    log = second.with_attempt(Attempted(9, 204, None))
    assert deliveries.note(second, DeliveryState.DELIVERED, None, tries=2, attempts=log, message="")

    (now,) = deliveries.of_job(JOB)
    assert (now.state, now.next_ms, now.tries, now.message) == ("delivered", 0, 2, "")
    assert now.attempts == (Attempted(5, 500, "status"), Attempted(9, 204, None))


def test_the_wait_is_counted_on_the_servers_clock(
    redis: Any, queue: WorkQueue, deliveries: Deliveries
) -> None:
    close(queue, Ending("", "shop", "completed", COUNTS, 1))
    before_ms = queue.now_ms()
    deliveries.note(take(queue), DeliveryState.PENDING, 60.0)

    (now,) = deliveries.of_job(JOB)
    assert before_ms + 60_000 <= now.next_ms <= queue.now_ms() + 60_000
    assert redis.zscore(keys.due(PARTITION, Stage.NOTIFY), now.id) == now.next_ms
    assert queue.lease_deliveries(1) == []


def test_a_lost_lease_writes_nothing(redis: Any, queue: WorkQueue, deliveries: Deliveries) -> None:
    close(queue, Ending("", "shop", "completed", COUNTS, 1))
    old = take(queue)
    redis.zadd(keys.due(PARTITION, Stage.NOTIFY), {old.id: 1})
    new = take(queue)

    assert not queue.renew(old, Stage.NOTIFY)
    assert not deliveries.note(old, DeliveryState.GIVEN_UP, None)
    assert queue.renew(new, Stage.NOTIFY)
    assert deliveries.note(new, DeliveryState.DELIVERED, None)
    assert not deliveries.note(new, DeliveryState.PENDING, 0.0)
    assert due(redis) == []


def test_the_log_is_bounded(queue: WorkQueue, deliveries: Deliveries) -> None:
    close(queue, Ending("shop.done", "", "completed", COUNTS, 1))
    for n in range(30):
        one = take(queue)
        log = one.with_attempt(Attempted(n, None, "broker"))
        deliveries.note(one, DeliveryState.PENDING, 0.0, tries=one.tries + 1, attempts=log)

    (now,) = deliveries.of_job(JOB)
    assert (now.tries, [one.at_ms for one in now.attempts]) == (30, list(range(10, 30)))


def test_a_batch_is_known_until_it_is_forgotten_and_not_for_ever(redis: Any) -> None:
    index = BatchIndex(redis)
    index.note("openai", "batch_1", "1-0")

    assert index.shard_of("openai", "batch_1") == "1-0"
    assert index.shard_of("openai@other", "batch_1") is None
    assert 0 < redis.ttl(keys.batch_shard("openai", "batch_1")) <= 4 * 24 * 3600
    index.forget("openai", "batch_1")
    assert index.shard_of("openai", "batch_1") is None


def test_waking_a_shard_that_is_not_polled_does_nothing(redis: Any, queue: WorkQueue) -> None:
    queue.hasten_poll("1-0")
    assert redis.dbsize() == 0

    redis.hset(keys.work(PARTITION, "1-0"), mapping={"state": "pending", "token": 0})
    queue.hasten_poll("1-0")
    assert redis.zcard(keys.due(PARTITION, Stage.POLL)) == 0
