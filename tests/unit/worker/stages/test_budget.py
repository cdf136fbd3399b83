"""A job with a budget: what would take it above is held back, visibly, and nothing is lost."""

from __future__ import annotations

import fakeredis
import orjson
import pytest

from batchline import JobStatus
from batchline_shared.ledger import ShardState, Stage
from batchline_worker.stages import submit
from scripted_provider import answer_line
from worker_bench import WorkerBench


def charge(bench: WorkerBench, input_tokens: int) -> None:
    """Let each answer from now on cost so many input tokens: $0.075 for a million of them."""

    def answer(custom_id: str) -> bytes:
        line = orjson.loads(answer_line(custom_id))
        line["response"]["body"]["usage"] = {"prompt_tokens": input_tokens, "completion_tokens": 0}
        return orjson.dumps(line)

    bench.provider.answer = answer


@pytest.fixture
def bench() -> WorkerBench:
    """Parts of two requests, of which each costs $0.15."""
    bench = WorkerBench(fakeredis.FakeRedis(), shard_max_requests=2)
    charge(bench, 1_000_000)
    return bench


def collect_all(bench: WorkerBench) -> None:
    bench.provider.end_all()
    bench.later(20)
    bench.run(Stage.POLL, Stage.COLLECT)


def test_what_would_cost_more_than_the_budget_is_held_and_told(bench: WorkerBench) -> None:
    job = bench.enqueue(10, max_cost_usd=0.5)
    bench.run(Stage.PLAN)
    submit.work(bench.context)
    collect_all(bench)

    bench.run(Stage.SUBMIT)

    states = [shard.state for shard in bench.shards(job)]
    # $0.15 spent, and twice as much under way: the fourth part ends at the budget, the fifth is above it.
    assert states.count(ShardState.PENDING) == 1
    assert len(bench.provider.batches) == 4
    assert job.info().message.startswith("held: $0.15 spent and about $0.45 under way, of max_cost_usd $0.50")
    (held,) = [shard for shard in bench.shards(job) if shard.state == ShardState.PENDING]
    assert held.message == job.info().message
    assert bench.due_in_s(held.id, Stage.SUBMIT) == pytest.approx(60, abs=2)


def test_a_held_job_goes_on_once_what_was_under_way_proves_cheaper(bench: WorkerBench) -> None:
    job = bench.enqueue(10, max_cost_usd=0.5)
    bench.run(Stage.PLAN)
    submit.work(bench.context)
    collect_all(bench)
    bench.run(Stage.SUBMIT)
    charge(bench, 10)

    assert bench.finish(job) is JobStatus.COMPLETED

    assert len(bench.provider.batches) == 5
    assert job.info().message == ""
    bench.assert_whole(job)


def test_cancelling_a_held_job_ends_it_with_what_is_done(bench: WorkerBench) -> None:
    job = bench.enqueue(10, max_cost_usd=0.5)
    bench.run(Stage.PLAN)
    submit.work(bench.context)
    collect_all(bench)
    bench.run(Stage.SUBMIT)
    collect_all(bench)
    bench.later(61)
    bench.run()
    assert not job.status().is_final

    job.cancel()

    assert bench.finish(job) is JobStatus.CANCELLED
    assert job.info().succeeded == 8
    assert job.info().errors == {"cancelled": 2}
    bench.assert_whole(job)


def test_a_job_without_a_budget_is_sent_whole(bench: WorkerBench) -> None:
    job = bench.enqueue(10)
    bench.run(Stage.PLAN)
    submit.work(bench.context)
    collect_all(bench)

    bench.run(Stage.SUBMIT)

    assert len(bench.provider.batches) == 5
    assert {shard.state for shard in bench.shards(job)} == {ShardState.DONE, ShardState.SUBMITTED}


def test_what_its_carrier_left_behind_is_not_under_way_for_its_own_budget(bench: WorkerBench) -> None:
    job = bench.enqueue(3, linger_s=30, max_cost_usd=0.2)
    bench.run(Stage.PLAN, Stage.SUBMIT)
    bench.provider.end_all()
    bench.later(20)
    bench.run(Stage.POLL, Stage.COLLECT)
    (rider,) = [shard for shard in bench.shards(job) if shard.ride is not None]
    assert rider.state == ShardState.POOLED
    assert rider.ride is not None
    bench.context.pools.leave(rider.ride.pool, rider.id)
    assert bench.context.work.wake_shard(job.id, rider.id)
    bench.run(Stage.SUBMIT)

    assert bench.context.pools.carrier_of(rider)
    assert bench.finish(job) is JobStatus.COMPLETED
