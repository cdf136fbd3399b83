"""Draining and ticking: what a message and a clock set in motion."""

from __future__ import annotations

import threading
import time

import fakeredis
import pytest

from batchline import JobStatus
from batchline_shared.ledger import Stage, keys
from batchline_worker.drain import Drains
from batchline_worker.leases import LeaseKeeper
from batchline_worker.ticking import tick
from worker_bench import WorkerBench


@pytest.fixture
def bench() -> WorkerBench:
    return WorkerBench(fakeredis.FakeRedis())


@pytest.fixture
def drains(bench: WorkerBench) -> Drains:
    return Drains(bench.context, bench.settings)


def test_a_drain_works_until_nothing_is_due(bench: WorkerBench, drains: Drains) -> None:
    for _ in range(3):
        bench.enqueue(2)

    assert drains.drain(Stage.PLAN) == 3
    assert drains.drain(Stage.SUBMIT) == 3
    assert drains.drain(Stage.SUBMIT) == 0


def test_a_process_that_is_to_stop_takes_nothing(bench: WorkerBench, drains: Drains) -> None:
    bench.enqueue(2)
    bench.context.stopping.set()

    assert drains.drain(Stage.PLAN) == 0
    assert bench.queue.due_counts()[Stage.PLAN] == 1


def test_a_process_that_is_to_stop_finishes_the_row_at_hand(bench: WorkerBench, drains: Drains) -> None:
    jobs = [bench.enqueue(2) for _ in range(3)]
    drains.drain(Stage.PLAN)
    bench.provider.meanwhile("upload", bench.context.stopping.set)

    assert drains.drain(Stage.SUBMIT) == 1
    assert sum(job.status() is JobStatus.IN_PROGRESS for job in jobs) == 1


def test_a_shard_that_breaks_its_handler_does_not_stop_the_others(bench: WorkerBench, drains: Drains) -> None:
    jobs = [bench.enqueue(2) for _ in range(3)]
    drains.drain(Stage.PLAN)
    bench.provider.fail("upload", RuntimeError("a bug"))
    for _ in range(3):
        drains.drain(Stage.SUBMIT)

    assert sum(job.status() is JobStatus.IN_PROGRESS for job in jobs) == 2
    assert {bench.finish(job) for job in jobs} == {JobStatus.COMPLETED}


def test_a_malformed_record_is_set_aside_and_the_others_go_on(bench: WorkerBench, drains: Drains) -> None:
    bad, good = bench.enqueue(2), bench.enqueue(2)
    drains.drain(Stage.PLAN)
    shard = bench.shard(bad)
    bench.redis.hset(keys.work(keys.partition_of(bad.id), shard.id), "segment", "not json")

    drains.drain(Stage.SUBMIT)
    drains.drain(Stage.SUBMIT)

    assert bench.due_in_s(shard.id, Stage.SUBMIT) is None
    assert good.status() is JobStatus.IN_PROGRESS


def test_a_stage_runs_in_no_more_threads_than_it_may(bench: WorkerBench, drains: Drains) -> None:
    bench.enqueue(2)
    entered, leave = threading.Event(), threading.Event()

    def hold() -> None:
        entered.set()
        assert leave.wait(10)

    drains.drain(Stage.PLAN)
    bench.run(Stage.SUBMIT)
    bench.later(20)
    bench.provider.meanwhile("poll_many", hold)
    thread = threading.Thread(target=drains.drain, args=[Stage.POLL])
    thread.start()
    assert entered.wait(10)

    assert drains.drain(Stage.POLL) == 0
    leave.set()
    thread.join(10)
    assert bench.provider.calls["poll_many"] == 1


def test_redis_that_goes_away_ends_the_drain_without_an_error(bench: WorkerBench) -> None:
    server = fakeredis.FakeServer()
    context = WorkerBench(fakeredis.FakeRedis(server=server)).context
    drains = Drains(context, bench.settings)
    server.connected = False

    assert drains.drain(Stage.PLAN) == 0


def test_any_number_of_clocks_makes_one_tick_in_an_interval(bench: WorkerBench) -> None:
    bench.enqueue(2)
    results = [tick(worker) for worker in [bench.context, *(bench.worker() for _ in range(4))]]

    assert results == [{Stage.PLAN: 1}, {}, {}, {}, {}]
    assert bench.nudged == {Stage.PLAN: 1}


def test_a_tick_without_work_nudges_nobody(bench: WorkerBench) -> None:
    assert tick(bench.context) == {}
    assert not bench.nudged
    assert 0 < bench.redis.pttl(keys.TICK) <= 1000


def test_a_tick_nudges_a_crowded_stage_a_few_times(bench: WorkerBench) -> None:
    for _ in range(9):
        bench.enqueue(1)

    assert tick(bench.context) == {Stage.PLAN: 9}
    assert bench.nudged[Stage.PLAN] == 4


@pytest.fixture
def short_leases() -> WorkerBench:
    bench = WorkerBench(fakeredis.FakeRedis())
    bench.queue.lease_s, bench.queue._lease_ms = 0.3, 300
    return bench


def test_a_lease_that_is_held_outlives_its_length(short_leases: WorkerBench) -> None:
    queue = short_leases.queue
    queue.open_job("job_1", delay_s=0)
    (job,) = queue.lease_jobs(Stage.PLAN, 1)
    with LeaseKeeper(queue).holding(job, Stage.PLAN) as hold:
        time.sleep(0.7)
        assert hold.remaining_s > 0
        assert queue.lease_jobs(Stage.PLAN, 1) == []


def test_a_lease_that_is_lost_says_so(short_leases: WorkerBench) -> None:
    queue = short_leases.queue
    queue.open_job("job_1", delay_s=0)
    (job,) = queue.lease_jobs(Stage.PLAN, 1)
    keeper = LeaseKeeper(queue)
    with keeper.holding(job, Stage.PLAN) as hold:
        short_leases.later(10)
        queue.lease_jobs(Stage.PLAN, 1)

        assert not keeper.renew(hold)
        assert hold.lost
        assert hold.remaining_s == 0
