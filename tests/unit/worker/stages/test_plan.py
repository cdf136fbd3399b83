"""Planning: once whatever dies, and not far ahead of what is created."""

from __future__ import annotations

import fakeredis
import pytest

from batchline_shared.ledger import JobStatus, ShardState, Stage, keys
from batchline_worker.stages import plan, submit
from worker_bench import WorkerBench


@pytest.fixture
def bench() -> WorkerBench:
    return WorkerBench(fakeredis.FakeRedis(), shard_max_requests=3)


def test_planning_that_dies_in_the_middle_goes_on_where_it_was(
    bench: WorkerBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = bench.enqueue(10)
    nudge, calls = bench.context.nudge, iter([None, KeyboardInterrupt("killed")])

    def dying(stage: Stage) -> None:
        error = next(calls, None)
        if error:
            raise error
        nudge(stage)

    monkeypatch.setattr(bench.context, "nudge", dying)
    with pytest.raises(KeyboardInterrupt):
        plan.work(bench.context)
    assert len(bench.shards(job)) == 2
    monkeypatch.undo()

    bench.later(130)
    bench.run(Stage.PLAN)

    assert [(s.segment.first_row, s.segment.rows) for s in bench.shards(job)] == [
        (0, 3),
        (3, 3),
        (6, 3),
        (9, 1),
    ]
    bench.finish(job)
    assert bench.provider.calls["create"] == 4
    bench.assert_whole(job)


def test_two_planners_make_each_shard_once(bench: WorkerBench, monkeypatch: pytest.MonkeyPatch) -> None:
    job = bench.enqueue(10)
    nudge, other = bench.context.nudge, iter([True])

    def interrupted(stage: Stage) -> None:
        nudge(stage)
        if next(other, False):
            bench.later(130)
            plan.work(bench.worker())

    monkeypatch.setattr(bench.context, "nudge", interrupted)
    plan.work(bench.context)

    assert [s.segment.first_row for s in bench.shards(job)] == [0, 3, 6, 9]


def test_an_enqueue_that_is_under_way_is_put_off(bench: WorkerBench) -> None:
    bench.store.begin("job_1", {"provider": "openai"})
    bench.queue.open_job("job_1", delay_s=0)
    bench.run(Stage.PLAN)

    assert (bench.due_in_s("job_1", Stage.PLAN) or 0) > 25


def test_an_enqueue_that_died_is_forgotten(bench: WorkerBench) -> None:
    bench.queue.open_job("job_1", delay_s=0)
    bench.run(Stage.PLAN)

    assert bench.due_in_s("job_1", Stage.PLAN) is None
    assert 0 < bench.redis.pttl(keys.work(keys.partition_of("job_1"), "job_1")) <= 24 * 3600 * 1000


def test_planning_waits_for_a_retry_but_not_for_ever(bench: WorkerBench) -> None:
    job = bench.enqueue(2)
    bench.finish(job)
    bench.queue.open_job(job.id, delay_s=0, sparse=True)
    bench.store.begin_retry(job.id)
    bench.run(Stage.PLAN)
    assert bench.store.meta(job.id).retrying

    bench.finish(job)

    assert not bench.store.meta(job.id).retrying
    assert [s.state for s in bench.shards(job)] == [ShardState.DONE]


def test_a_large_job_has_few_shards_that_wait_and_goes_on_as_they_are_created(bench: WorkerBench) -> None:
    job = bench.enqueue(3 * 40)
    bench.run(Stage.PLAN)
    assert len(bench.shards(job)) == 16
    assert job.status() is JobStatus.SUBMITTING

    submit.work(bench.context)
    assert bench.due_in_s(job.id, Stage.PLAN) == pytest.approx(0, abs=0.5)
    bench.run(Stage.PLAN)
    assert len(bench.shards(job)) == 17

    bench.run(Stage.PLAN, Stage.SUBMIT)
    assert len(bench.shards(job)) == 40
    bench.finish(job)
    bench.assert_whole(job)
    assert bench.provider.calls["create"] == 40


def test_a_large_job_that_is_cancelled_gives_what_it_has_not_planned_its_outcome(bench: WorkerBench) -> None:
    job = bench.enqueue(3 * 40)
    bench.run(Stage.PLAN)
    submit.work(bench.context)
    job.cancel()

    assert bench.finish(job) is JobStatus.CANCELLED
    bench.assert_whole(job)
    assert bench.provider.calls["create"] == 1
