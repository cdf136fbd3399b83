"""Deadlines: a job ends by itself when its time is over, with what is done by then."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import fakeredis
import pytest

from batchline import BatchError, JobStatus, RetryPolicy
from batchline_shared.ledger import ShardState, Stage, keys
from batchline_shared.ledger.deadlines import timer_of
from batchline_worker.providers.base import BatchPhase
from batchline_worker.stages import deadline
from scripted_provider import answer_line, error_line, lost_reply
from worker_bench import WorkerBench, says

if TYPE_CHECKING:
    from collections.abc import Iterator

    from batchline import Job

HOUR = timedelta(hours=1)
LATE_S = 3700


@pytest.fixture
def bench() -> WorkerBench:
    return WorkerBench(fakeredis.FakeRedis(), shard_max_requests=2)


def timers(bench: WorkerBench) -> list[bytes]:
    """What is left of any job's timer."""
    records = [name for name in bench.redis.scan_iter() if name.endswith(b"~deadline")]
    due = [
        one for p in range(keys.PARTITIONS) for one in bench.redis.zrange(keys.due(p, Stage.DEADLINE), 0, -1)
    ]
    return records + due


def runs_nothing(wire_id: str) -> None:
    """Of a batch that was stopped before it began."""
    del wire_id


def ended(bench: WorkerBench) -> None:
    """Let every batch end, and its results be collected."""
    bench.provider.end_all()
    bench.later(20)
    bench.run()


def messages(job: Job[Any]) -> set[str]:
    return {one.error_message for one in job.results() if isinstance(one, BatchError)}


def test_what_was_not_run_at_the_deadline_expires_and_what_was_done_is_kept(bench: WorkerBench) -> None:
    job = bench.submitted(5, deadline=HOUR)
    first, *_ = bench.provider.running()
    bench.provider.end(first)
    bench.run()
    bench.provider.answer = runs_nothing
    bench.later(LATE_S)
    bench.run()

    assert bench.provider.calls["cancel"] == 2
    assert bench.finish(job) is JobStatus.COMPLETED
    info = job.info()
    assert (info.succeeded, info.errors) == (2, {"expired": 3})
    assert info.deadline is not None
    assert messages(job) == {
        f"the job's deadline, {info.deadline:%Y-%m-%d %H:%M:%S} UTC, passed before this request was run"
    }
    bench.assert_whole(job)
    assert timers(bench) == []


def test_a_batch_that_is_cancelled_too_late_keeps_what_it_ran(bench: WorkerBench) -> None:
    bench.provider.answer = lambda one: answer_line(one) if one.endswith("-0") else None
    job = bench.submitted(2, deadline=HOUR)
    bench.later(LATE_S)

    assert bench.finish(job) is JobStatus.COMPLETED
    assert [one.success for one in job.results()] == [True, False]
    assert job.info().errors == {"expired": 1}


def test_rows_that_the_provider_itself_calls_cancelled_have_expired(bench: WorkerBench) -> None:
    bench.provider.answer = lambda one: error_line(one).replace(b'"code":null', b'"code":"batch_cancelled"')
    job = bench.submitted(2, deadline=HOUR)
    bench.later(LATE_S)

    assert bench.finish(job) is JobStatus.EXPIRED
    assert job.info().errors == {"expired": 2}
    assert job.info().message.startswith("its deadline, 2")
    assert job.info().message.endswith(" UTC, has passed")


@pytest.mark.parametrize("until", [(), (Stage.PLAN,)], ids=["never planned", "never submitted"])
def test_a_job_that_workers_only_see_after_its_deadline_expires_without_a_batch(
    bench: WorkerBench, until: tuple[Stage, ...]
) -> None:
    job = bench.enqueue(5, deadline=HOUR)
    if until:
        bench.run(*until)
    bench.later(LATE_S)
    # The deadline comes first: every stage is due at the same time.
    bench.run(Stage.DEADLINE)

    assert bench.finish(job) is JobStatus.EXPIRED
    assert bench.provider.calls["create"] == 0
    assert job.info().errors == {"expired": 5}
    bench.assert_whole(job)


def test_requests_that_wait_for_another_attempt_expire_with_the_job(bench: WorkerBench) -> None:
    bench.provider.answer = lambda one: error_line(one) if one.endswith("-1") else answer_line(one)
    job = bench.submitted(2, deadline=HOUR, retry=RetryPolicy(backoff_s=7200))
    ended(bench)
    assert job.info().succeeded == 1
    bench.later(LATE_S)
    bench.run()

    assert job.status() is JobStatus.COMPLETED
    assert job.info().errors == {"expired": 1}
    assert [one.error_type for one in job.iter_attempts() if isinstance(one, BatchError)] == [
        "provider_error"
    ]
    assert bench.provider.calls["create"] == 1
    bench.assert_whole(job)


def test_a_deadline_after_the_end_changes_nothing(bench: WorkerBench) -> None:
    job = bench.submitted(3, deadline=HOUR)
    ended(bench)
    before = job.info()
    bench.later(LATE_S)
    bench.run()

    assert before.status is JobStatus.COMPLETED
    assert job.info().model_copy(update={"deadline": before.deadline}) == before
    assert timers(bench) == []


def test_a_users_cancel_before_the_deadline_stays_a_cancel(bench: WorkerBench) -> None:
    bench.provider.answer = runs_nothing
    job = bench.submitted(3, deadline=HOUR)
    job.cancel()
    bench.run()
    bench.later(LATE_S)
    bench.run()

    assert bench.finish(job) is JobStatus.CANCELLED
    assert job.info().errors == {"cancelled": 3}
    assert timers(bench) == []


def test_a_users_cancel_after_the_deadline_is_a_cancel_of_what_is_left(bench: WorkerBench) -> None:
    bench.provider.answer = runs_nothing
    job = bench.submitted(3, deadline=HOUR)
    bench.later(LATE_S)
    bench.run()
    job.cancel()

    assert bench.finish(job) is JobStatus.CANCELLED
    assert job.info().errors == {"cancelled": 3}


def test_a_shard_in_doubt_stays_for_a_person(bench: WorkerBench) -> None:
    job = bench.enqueue(2, deadline=HOUR)
    bench.provider.fail("create", lost_reply(), times=1)
    bench.provider.fail("find", lost_reply(), times=1000)
    bench.run(Stage.PLAN, Stage.SUBMIT)
    bench.later(100)
    bench.run(Stage.SUBMIT)
    bench.later(LATE_S)
    bench.run()

    assert bench.shard(job).state == ShardState.IN_DOUBT
    assert job.status() is JobStatus.QUEUED or not job.status().is_final


def test_a_creation_of_unknown_outcome_is_found_and_then_cancelled(bench: WorkerBench) -> None:
    bench.provider.answer = runs_nothing
    job = bench.enqueue(2, deadline=HOUR)
    bench.provider.fail("create", lost_reply(), done=True)
    bench.run(Stage.PLAN, Stage.SUBMIT)
    bench.later(LATE_S)

    assert bench.finish(job) is JobStatus.EXPIRED
    assert bench.provider.calls["create"] == 1
    assert bench.provider.calls["cancel"] == 1


def test_a_worker_that_dies_between_any_two_steps_is_followed_by_another(bench: WorkerBench) -> None:
    bench.provider.answer = runs_nothing
    for dies_in in ("pass_deadline", "cancel", "drop"):
        job = bench.submitted(3, deadline=HOUR)
        bench.later(LATE_S)
        worker = bench.worker()
        owner = {"pass_deadline": worker.jobs, "cancel": worker.work, "drop": worker.timers}[dies_in]

        def die(*_: Any) -> None:
            raise KeyboardInterrupt

        setattr(owner, dies_in, die)
        with pytest.raises(KeyboardInterrupt):
            deadline.work(worker)
        bench.later(130)

        assert bench.finish(job) is JobStatus.EXPIRED, dies_in
        assert job.info().errors == {"expired": 3}
        bench.assert_whole(job)
        assert timers(bench) == []


def test_leasing_the_timer_leaves_the_jobs_own_lease_alone(bench: WorkerBench) -> None:
    job = bench.enqueue(2, deadline=HOUR)
    bench.later(LATE_S)
    (leased,) = bench.queue.lease_jobs(Stage.PLAN, 1)
    bench.run(Stage.DEADLINE)

    assert bench.queue.renew(leased, Stage.PLAN)
    assert bench.queue.plan_done(leased)
    assert not job.status().is_final


def test_a_deadline_that_passes_during_the_enqueue_ends_the_job_once_it_is_real(bench: WorkerBench) -> None:
    def requests() -> Iterator[list[dict[str, Any]]]:
        yield says()
        bench.later(LATE_S)
        bench.run(Stage.DEADLINE)
        yield says()

    job = bench.client.enqueue("openai/gpt-4o-mini", None, requests(), deadline=HOUR)
    assert len(timers(bench)) == 2
    bench.later(LATE_S)
    bench.run(Stage.DEADLINE)

    assert bench.finish(job) is JobStatus.EXPIRED
    assert bench.provider.calls["create"] == 0


def test_a_timer_that_fires_before_the_deadline_waits_for_it(bench: WorkerBench) -> None:
    job = bench.enqueue(2, deadline=HOUR)
    bench.redis.zadd(keys.due(keys.partition_of(job.id), Stage.DEADLINE), {timer_of(job.id): 0})
    bench.run()

    assert not job.status().is_final
    assert bench.due_in_s(timer_of(job.id), Stage.DEADLINE) == pytest.approx(3600, abs=30)


def test_the_timer_of_an_enqueue_that_died_goes_by_itself(bench: WorkerBench) -> None:
    job = bench.enqueue(2, deadline=HOUR)
    bench.redis.delete(*keys.job_keys(job.id))
    bench.later(LATE_S)
    bench.run()

    assert timers(bench) == []


def test_a_retry_after_a_passed_deadline_runs_without_one(bench: WorkerBench) -> None:
    bench.provider.answer = runs_nothing
    job = bench.submitted(2, deadline=HOUR)
    bench.later(LATE_S)
    bench.finish(job)

    bench.provider.answer = answer_line
    assert job.retry_failed() == 2
    assert job.info().deadline is None
    assert timers(bench) == []
    assert bench.finish(job) is JobStatus.COMPLETED
    bench.assert_whole(job)


def test_a_retry_before_the_deadline_is_bound_by_it(bench: WorkerBench) -> None:
    bench.provider.answer = error_line
    job = bench.submitted(2, deadline=HOUR)
    ended(bench)
    assert job.status() is JobStatus.FAILED

    bench.provider.answer = runs_nothing
    job.retry_failed()
    bench.run(Stage.PLAN, Stage.SUBMIT)
    assert len(timers(bench)) == 2
    bench.later(LATE_S)

    assert bench.finish(job) is JobStatus.EXPIRED
    assert job.info().errors == {"expired": 2}
    assert timers(bench) == []


def test_a_deleted_job_leaves_no_timer(bench: WorkerBench) -> None:
    job = bench.submitted(2, deadline=HOUR)
    ended(bench)
    # A retry that is refused has opened the work, and set the timer, before it is.
    bench.redis.hset(keys.meta(job.id), "deleting", 1)
    bench.queue.open_job(job.id, delay_s=60, sparse=True, deadline_ms=bench.queue.now_ms() + 10**6)
    assert timer_of(job.id).encode() in timers(bench)
    job.delete()

    assert timers(bench) == []


def test_a_batch_that_the_provider_expired_says_so_in_its_own_words(bench: WorkerBench) -> None:
    bench.provider.answer = runs_nothing
    job = bench.submitted(2, deadline=HOUR)
    bench.later(LATE_S)
    bench.run()
    bench.provider.end(bench.shard(job).batch_id, BatchPhase.EXPIRED)

    assert bench.finish(job) is JobStatus.EXPIRED
    assert messages(job) == {"the provider's completion window ended before this request was run"}
