"""Settling, cancelling, retrying and recovering: how jobs end, and end again."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from batchline import JobStatus
from batchline_shared.errors import JobNotReadyError
from batchline_shared.ledger import ShardState, Stage, keys, overview
from batchline_worker.providers.base import BatchPhase
from batchline_worker.stages import plan, settle
from scripted_provider import answer_line, error_line, lost_reply
from worker_bench import WorkerBench

if TYPE_CHECKING:
    from collections.abc import Callable

    from batchline import Job


@pytest.mark.parametrize(
    ("phase", "answered", "status"),
    [
        (BatchPhase.COMPLETED, True, JobStatus.COMPLETED),
        (BatchPhase.EXPIRED, False, JobStatus.EXPIRED),
        (BatchPhase.CANCELLED, False, JobStatus.FAILED),
        (BatchPhase.FAILED, False, JobStatus.FAILED),
    ],
)
def test_a_job_ends_as_its_batches_did(
    bench: WorkerBench, *, phase: BatchPhase, answered: bool, status: JobStatus
) -> None:
    bench.provider.answer = answer_line if answered else lambda _: None
    job = bench.submitted(3)
    bench.provider.end(bench.shard(job).batch_id, phase)

    assert bench.finish(job) is status
    bench.assert_whole(job)
    assert bench.redis.pttl(keys.meta(job.id)) > 0


@pytest.mark.parametrize("retention_s", [0, 100], ids=["for ever", "100 s"])
def test_a_job_is_kept_for_as_long_as_it_was_asked_to_be(bench: WorkerBench, *, retention_s: int) -> None:
    job = bench.submitted(3, retention_s=retention_s, idempotency_key="once")
    bench.finish(job)

    names = [keys.meta(job.id), keys.work(keys.partition_of(job.id), job.id)]
    names += list(bench.redis.scan_iter(match="*idem*"))
    assert len(names) == 3
    for name in names:
        left_s = bench.redis.ttl(name)
        assert left_s == -1 if retention_s == 0 else 0 < left_s <= retention_s


# --- cancelling ------------------------------------------------------------------------------


def pending(bench: WorkerBench) -> Job[str]:
    job = bench.enqueue(5)
    bench.run(Stage.PLAN)
    return job


def uploaded(bench: WorkerBench) -> Job[str]:
    job = bench.submitted(5)
    bench.provider.refuse(bench.shard(job).batch_id, tokens=100)
    bench.later(20)
    bench.run(Stage.POLL)
    assert bench.shard(job).state == ShardState.UPLOADED
    return job


def submitting(bench: WorkerBench) -> Job[str]:
    job = pending(bench)
    bench.provider.fail("create", lost_reply(), done=True)
    bench.run(Stage.SUBMIT)
    assert bench.shard(job).state == ShardState.SUBMITTING
    return job


def refused_as_a_whole(bench: WorkerBench) -> Job[str]:
    job = bench.submitted(5)
    bench.provider.refuse(bench.shard(job).batch_id, tokens=100)
    return job


def collecting(bench: WorkerBench) -> Job[str]:
    bench.provider.answer = lambda _: None
    job = bench.submitted(5)
    bench.provider.end(bench.shard(job).batch_id, BatchPhase.CANCELLED)
    bench.later(20)
    bench.run(Stage.POLL)
    assert bench.shard(job).state == ShardState.COLLECTING
    return job


@pytest.mark.parametrize(
    "reach",
    [
        lambda bench: bench.enqueue(5),
        pending,
        uploaded,
        submitting,
        lambda bench: bench.submitted(5),
        refused_as_a_whole,
        collecting,
    ],
    ids=["queued", "pending", "uploaded", "submitting", "submitted", "refused as a whole", "collecting"],
)
def test_a_job_that_is_cancelled_in_any_state_ends_as_cancelled(
    bench: WorkerBench, reach: Callable[[WorkerBench], Job[str]]
) -> None:
    bench.provider.answer = lambda _: None
    job = reach(bench)
    assert job.cancel() is JobStatus.CANCELLING
    creates = bench.provider.calls["create"]
    bench.later(91)  # past the quiet period of a creation of unknown outcome
    bench.run()

    assert bench.finish(job) is JobStatus.CANCELLED
    assert job.info().errors == {"cancelled": 5}
    assert bench.provider.calls["create"] == creates
    assert all(batch.phase.is_final for batch in bench.provider.batches.values())
    bench.assert_whole(job)


def test_a_cancel_does_not_wait_for_room_for_tokens(bench: WorkerBench) -> None:
    job = refused_as_a_whole(bench)
    job.cancel()
    bench.run()
    bench.later(15)
    bench.run()

    assert job.status() is JobStatus.CANCELLED


def test_a_job_that_is_cancelled_while_it_is_planned_ends_whole() -> None:
    bench = bench_of_small_shards(2)
    job = bench.enqueue(7)
    limits = plan.shard_limits

    def cancel_first(*args: object) -> object:
        job.cancel()
        return limits(*args)  # type: ignore[arg-type]

    plan.shard_limits = cancel_first  # type: ignore[assignment]
    try:
        plan.work(bench.context)
    finally:
        plan.shard_limits = limits
    assert bench.finish(job) is JobStatus.CANCELLED
    assert bench.provider.calls["create"] == 0
    bench.assert_whole(job)


def test_what_was_answered_before_a_cancel_is_kept() -> None:
    bench = bench_of_small_shards(2)
    job = bench.enqueue(6)
    bench.run(Stage.PLAN, Stage.SUBMIT)
    bench.provider.end(bench.shards(job)[0].batch_id)
    bench.later(20)
    bench.run()
    bench.provider.answer = lambda _: None
    job.cancel()

    assert bench.finish(job) is JobStatus.CANCELLED
    assert job.info().succeeded == 2
    assert job.info().errors == {"cancelled": 4}
    bench.assert_whole(job)


def test_a_worker_that_is_faster_than_the_cancel_call_ends_the_job_as_cancelled(bench: WorkerBench) -> None:
    job = pending(bench)
    bench.queue.cancel(job.id)  # and its caller has not come to write the status

    assert bench.finish(job) is JobStatus.CANCELLED


def test_cancelling_an_ended_job_changes_nothing(bench: WorkerBench) -> None:
    job = bench.enqueue(2)
    bench.finish(job)

    assert job.cancel() is JobStatus.COMPLETED
    assert bench.run() == 0


# --- recovering ------------------------------------------------------------------------------


def bench_of_small_shards(requests: int) -> WorkerBench:
    import fakeredis  # noqa: PLC0415 - only these tests make benches of their own

    return WorkerBench(fakeredis.FakeRedis(), shard_max_requests=requests)


def test_outcomes_that_redis_lost_are_collected_again_and_not_paid_again() -> None:
    bench = bench_of_small_shards(2)
    job = bench.enqueue(6)
    bench.run(Stage.PLAN, Stage.SUBMIT)
    bench.provider.end_all()
    bench.later(20)
    bench.run(Stage.POLL, Stage.COLLECT)
    bench.redis.delete(keys.done(job.id), keys.outcomes(job.id))
    bench.redis.hset(keys.meta(job.id), mapping={"landed": 0, "succeeded": 0})

    assert bench.finish(job) is JobStatus.COMPLETED
    assert bench.provider.calls["create"] == 3
    bench.assert_whole(job)


def test_rows_of_a_batch_that_cannot_be_read_again_are_not_paid_again(bench: WorkerBench) -> None:
    job = bench.submitted(3)
    bench.provider.end_all()
    bench.later(20)
    bench.run(Stage.POLL, Stage.COLLECT)
    bench.redis.delete(keys.done(job.id), keys.outcomes(job.id))
    record = keys.work(keys.partition_of(job.id), bench.shard(job).id)
    bench.redis.hset(record, "state", ShardState.IN_DOUBT)
    bench.run()
    bench.later(3600)
    bench.run()

    assert bench.provider.calls["create"] == 1
    assert not job.status().is_final

    bench.redis.hset(record, "state", ShardState.DONE)

    assert bench.finish(job) is JobStatus.COMPLETED
    assert bench.provider.calls["create"] == 1


def test_a_recovery_whose_answer_was_lost_and_was_sent_again_is_not_paid_again(
    bench: WorkerBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = bench.submitted()
    bench.provider.end_all()
    bench.later(20)
    bench.run(Stage.POLL, Stage.COLLECT)
    bench.redis.delete(keys.done(job.id), keys.outcomes(job.id))
    bench.redis.hset(keys.meta(job.id), mapping={"landed": 0, "succeeded": 0})
    reopen = bench.context.work.reopen_shard

    def twice(*parts: Any) -> bool:
        reopen(*parts)
        return reopen(*parts)  # as redis-py does when a connection breaks before the answer

    monkeypatch.setattr(bench.context.work, "reopen_shard", twice)

    assert bench.finish(job) is JobStatus.COMPLETED
    assert bench.provider.calls["create"] == 1
    bench.assert_whole(job)


def test_a_lost_outcome_of_a_row_that_was_tried_again_comes_from_the_newest_batch(
    bench: WorkerBench,
) -> None:
    bench.provider.answer = error_line
    job = bench.enqueue(3)
    bench.finish(job)
    bench.provider.answer = answer_line
    job.retry_failed()
    bench.run(Stage.PLAN, Stage.SUBMIT)
    bench.provider.end_all()
    bench.later(20)
    bench.run(Stage.POLL, Stage.COLLECT)
    bench.redis.delete(keys.done(job.id), keys.outcomes(job.id))
    bench.redis.hset(keys.meta(job.id), mapping={"landed": 0, "succeeded": 0})

    bench.run(Stage.SETTLE)
    assert [shard.state for shard in bench.shards(job)] == [ShardState.DONE, ShardState.COLLECTING]
    assert bench.finish(job) is JobStatus.COMPLETED
    assert job.info().succeeded == 3
    assert bench.provider.calls["create"] == 2


def test_rows_that_no_batch_ever_held_are_planned_anew(bench: WorkerBench) -> None:
    job = pending(bench)
    (shard,) = bench.queue.lease_shards(Stage.SUBMIT, 1)
    bench.queue.close_shard(shard, Stage.SUBMIT)

    assert bench.finish(job) is JobStatus.COMPLETED
    assert bench.provider.calls["create"] == 1
    bench.assert_whole(job)


# --- trying again ----------------------------------------------------------------------------


def test_failed_requests_are_tried_again_alone(bench: WorkerBench) -> None:
    bench.provider.answer = lambda wire_id: (
        error_line(wire_id) if wire_id.endswith(("-1", "-3")) else answer_line(wire_id)
    )
    job = bench.enqueue(5)
    bench.finish(job)
    bench.provider.answer = answer_line

    assert job.retry_failed() == 2
    assert job.status() is JobStatus.QUEUED
    assert bench.finish(job) is JobStatus.COMPLETED
    assert job.info().succeeded == 5
    assert job.info().retries == 1
    assert [shard.segment.rows for shard in bench.shards(job)] == [5, 2]
    bench.assert_whole(job)
    assert job.retry_failed() == 0


def test_the_gauges_count_a_job_once_however_often_it_was_tried(bench: WorkerBench) -> None:
    bench.provider.answer = error_line
    job = bench.enqueue(4)
    bench.finish(job)
    assert overview(bench.redis).requests == {"succeeded": 0, "errored": 4}
    bench.provider.answer = answer_line
    job.retry_failed()
    bench.finish(job)

    seen = overview(bench.redis)
    assert {name: n for name, n in seen.jobs.items() if n} == {"completed": 1}
    assert seen.requests == {"succeeded": 4, "errored": 0}


def test_a_retry_keeps_the_shards_from_expiring_with_the_first_end(bench: WorkerBench) -> None:
    bench.provider.answer = error_line
    job = bench.enqueue(4)
    bench.finish(job)
    partition = keys.partition_of(job.id)
    first = bench.shard(job).id
    names = [keys.shards(partition, job.id), keys.work(partition, first), keys.work(partition, job.id)]
    assert all(bench.redis.pttl(name) > 0 for name in names)

    job.retry_failed()

    assert all(bench.redis.pttl(name) == -1 for name in names)
    assert all(bench.redis.pttl(name) == -1 for name in keys.job_keys(job.id) if bench.redis.exists(name))


def test_a_retry_right_after_the_end_waits_for_the_worker_to_close_the_work(bench: WorkerBench) -> None:
    bench.provider.answer = error_line
    job = bench.submitted(2)
    bench.provider.end_all()
    bench.later(20)
    bench.run(Stage.POLL, Stage.COLLECT)
    (leased,) = bench.queue.lease_jobs(Stage.SETTLE, 1)
    bench.store.finish(job.id, JobStatus.FAILED, message="", retention_s=100)
    sleeps: list[float] = []

    def close(seconds: float) -> None:
        sleeps.append(seconds)
        bench.queue.close_job(leased, retention_s=100, clean_after_s=None, counts={})

    with pytest.MonkeyPatch.context() as patch:
        # Not in `time` itself, where others sleep too.
        patch.setattr("batchline.retrying.time", SimpleNamespace(monotonic=time.monotonic, sleep=close))
        assert job.retry_failed() == 2

    assert len(sleeps) == 1


def test_a_second_retry_at_the_same_time_is_refused(bench: WorkerBench) -> None:
    bench.provider.answer = error_line
    job = bench.enqueue(2)
    bench.finish(job)
    assert job.retry_failed() == 2

    with pytest.raises(JobNotReadyError):
        job.retry_failed()


def test_a_retry_whose_client_dies_before_it_began_leaves_the_job_as_it_was(bench: WorkerBench) -> None:
    bench.provider.answer = error_line
    job = bench.enqueue(2)
    bench.finish(job)
    bench.queue.open_job(job.id, delay_s=60, sparse=True)

    bench.later(61)
    bench.run()

    assert job.status() is JobStatus.FAILED
    assert overview(bench.redis).jobs["failed"] == 1
    assert job.retry_failed() == 2


def test_a_retry_whose_client_dies_on_the_way_loses_no_request(bench: WorkerBench) -> None:
    bench.provider.answer = error_line
    job = bench.enqueue(2)
    bench.finish(job)
    bench.queue.open_job(job.id, delay_s=60, sparse=True)
    bench.store.begin_retry(job.id)
    before = bench.store.outcome_chunk(job.id, 0)
    rows = next(bench.store.outcome_rows(job.id, 0, 1))
    kept = [row for row in rows if b'"n":0,' not in row]
    taken = [row for row in rows if row not in kept]
    assert bench.store.take_back(job.id, 0, before, kept, taken, [0], {"errored": 1, "err.provider_error": 1})
    bench.provider.answer = answer_line

    assert bench.finish(job) is JobStatus.COMPLETED
    assert [one.success for one in job.results()] == [True, False]
    bench.assert_whole(job)


def test_a_job_is_not_ended_while_its_outcomes_are_taken_back(bench: WorkerBench) -> None:
    bench.provider.answer = error_line
    job = bench.enqueue(2)
    bench.finish(job)
    bench.queue.open_job(job.id, delay_s=0, sparse=True)
    bench.run(Stage.PLAN)  # a worker finds the job ended still, and passes it on to settling
    bench.store.begin_retry(job.id)
    settle.work(bench.context)

    assert job.status() is JobStatus.QUEUED
    assert bench.due_in_s(job.id, Stage.PLAN) is not None


def test_an_idempotency_key_goes_with_its_job(bench: WorkerBench) -> None:
    job = bench.enqueue(2, idempotency_key="k")
    name = keys.idempotency(bench.store.meta(job.id).idempotency)
    assert bench.redis.pttl(name) == -1
    bench.finish(job)

    assert bench.redis.pttl(name) > 0


def test_an_idempotency_key_does_not_go_while_its_job_is_tried_again(bench: WorkerBench) -> None:
    bench.provider.answer = error_line
    job = bench.enqueue(2, idempotency_key="k")
    name = keys.idempotency(bench.store.meta(job.id).idempotency)
    bench.finish(job)
    job.retry_failed()

    assert bench.redis.pttl(name) == -1
    bench.finish(job)
    assert bench.redis.pttl(name) > 0
