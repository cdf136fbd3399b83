"""Draining: what a message sets in motion."""

from __future__ import annotations

import threading

import fakeredis
import pytest

from batchline import JobStatus
from batchline_shared.ledger import Stage, keys
from batchline_worker.drain import Drains
from worker_bench import WorkerBench


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
