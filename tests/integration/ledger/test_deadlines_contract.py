"""Timers and live calls: a deadline passes once, a row is given out once, no account is asked too fast."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from batchline_shared.ledger import JobStatus, JobStore, LiveCalls, Stage, Timers, WorkQueue, keys
from batchline_shared.ledger.deadlines import timer_of
from batchline_shared.ledger.timers import timer_keys

JOB = "job_1"
FAR_MS = 10**9


@pytest.fixture
def timers(redis: Any) -> Timers:
    return Timers(redis, lease_s=60)


@pytest.fixture
def calls(redis: Any) -> LiveCalls:
    return LiveCalls(redis)


def committed(store: JobStore, until_ms: int) -> None:
    store.begin(JOB, {"model": "openai/m", "on_deadline": "live"})
    store.commit(JOB, {"total": 9, "chunks": 0, "deadline_ms": until_ms})


def test_a_timer_is_leased_once_it_is_reached_and_only_then(queue: WorkQueue, timers: Timers) -> None:
    now_ms = queue.now_ms()
    queue.open_job(JOB, delay_s=0, deadline_ms=now_ms - 1)
    queue.open_job("job_2", delay_s=0, deadline_ms=now_ms + FAR_MS)
    (timer,) = timers.lease(10)

    assert (timer.job_id, timer.id) == (JOB, timer_of(JOB))
    assert timers.lease(10) == []
    assert len(queue.lease_jobs(Stage.PLAN, 10)) == 2


def test_a_timer_goes_with_the_lease_that_saw_to_it_and_no_other(
    redis: Any, queue: WorkQueue, timers: Timers
) -> None:
    queue.open_job(JOB, delay_s=0, deadline_ms=1)
    (old,) = timers.lease(1)
    timers.postpone(old, 0.0)
    (new,) = timers.lease(1)
    timers.drop(old)
    assert redis.exists(*timer_keys(JOB)) == 2
    timers.drop(new)

    assert redis.exists(*timer_keys(JOB)) == 0
    assert not any(name.startswith(b"timer") for name in redis.hgetall(keys.tally(keys.partition_of(JOB))))


def test_closing_a_job_and_forgetting_its_work_take_the_timer_along(redis: Any, queue: WorkQueue) -> None:
    queue.open_job(JOB, delay_s=0, deadline_ms=queue.now_ms() + FAR_MS)
    (job,) = queue.lease_jobs(Stage.PLAN, 1)
    queue.plan_done(job)
    (job,) = queue.lease_jobs(Stage.SETTLE, 1)
    assert queue.close_job(job, retention_s=60, clean_after_s=None, counts={})

    assert redis.exists(*timer_keys(JOB)) == 0


def test_a_deadline_passes_only_for_a_job_that_runs_and_has_reached_it(
    store: JobStore, queue: WorkQueue
) -> None:
    now_ms = queue.now_ms()
    committed(store, now_ms + FAR_MS)
    assert -FAR_MS <= store.pass_deadline(JOB, "passed") < -FAR_MS + 60_000
    assert not store.meta(JOB).overdue
    store.abandon(JOB)
    for other, status in (("job_2", JobStatus.CANCELLING), ("job_3", JobStatus.COMPLETED)):
        store.begin(other, {"model": "openai/m"})
        store.commit(other, {"total": 1, "chunks": 0, "deadline_ms": now_ms})
        store.set_status(other, status, since=[JobStatus.QUEUED])
        assert store.pass_deadline(other, "passed") == 0
        assert not store.meta(other).overdue
    assert store.pass_deadline("job_4", "passed") == 0


def test_a_deadline_that_has_passed_is_seen_however_often_it_is_noted(
    store: JobStore, queue: WorkQueue
) -> None:
    committed(store, queue.now_ms() - 1)

    assert [store.pass_deadline(JOB, "passed") for _ in range(2)] == [1, 1]
    meta = store.meta(JOB)
    assert (meta.overdue, meta.goes_live, meta.message) == (True, True, "passed")
    store.set_status(JOB, JobStatus.CANCELLING, since=[JobStatus.QUEUED])
    assert not store.meta(JOB).goes_live


def test_a_row_is_given_out_once_by_any_number_of_workers(store: JobStore, calls: LiveCalls) -> None:
    committed(store, 1)
    given: list[int] = []
    lock = threading.Lock()

    def ask() -> None:
        for row in range(0, 200, 4):
            marked = calls.mark(JOB, [row, row + 1, row + 2, row + 3])
            with lock:
                given.extend(marked)

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(given) == list(range(200))
    assert store.asked_rows(JOB, 0, 203) == list(range(200))


def test_a_row_that_was_refused_may_be_asked_again_and_one_with_an_outcome_never(
    redis: Any, store: JobStore, calls: LiveCalls
) -> None:
    committed(store, 1)
    redis.setbit(keys.done(JOB), 2, 1)
    assert calls.mark(JOB, [1, 2, 3]) == [1, 3]
    calls.unmark(JOB, [3])

    assert calls.mark(JOB, [1, 2, 3]) == [3]


def test_marks_are_of_no_job_that_is_gone(redis: Any, calls: LiveCalls) -> None:
    assert calls.mark(JOB, [1]) == []
    calls.unmark(JOB, [1])

    assert redis.keys("*") == []


def test_an_account_is_granted_so_many_calls_a_minute_and_no_burst(redis: Any, calls: LiveCalls) -> None:
    granted, wait_s = calls.take("openai", 100, per_minute=60)
    assert (granted, wait_s) == (1, pytest.approx(1.0, abs=0.2))
    granted, wait_s = calls.take("openai", 1, per_minute=60)
    assert (granted, wait_s) == (0, pytest.approx(1.0, abs=0.2))
    # An account that was idle catches up on a second's worth.
    assert calls.take("openai@other", 100, per_minute=600)[0] == 10
    assert 0 < redis.pttl(keys.live_calls("openai")) <= 62_000


def test_the_longer_of_two_pauses_counts(calls: LiveCalls) -> None:
    calls.pause("openai", 30)
    calls.pause("openai", 10)

    assert calls.take("openai", 1, per_minute=6000) == (0, pytest.approx(30, abs=1))


def test_a_retry_drops_marks_and_a_deadline_that_has_passed(
    redis: Any, store: JobStore, queue: WorkQueue, calls: LiveCalls
) -> None:
    committed(store, queue.now_ms() - 1)
    store.pass_deadline(JOB, "passed")
    calls.mark(JOB, [1])
    store.finish(JOB, JobStatus.FAILED, message="", retention_s=60)
    assert store.begin_retry(JOB)

    assert store.meta(JOB).deadline is None
    assert not redis.exists(keys.asked(JOB))
