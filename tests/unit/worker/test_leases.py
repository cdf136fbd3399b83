"""Leases, as their holder sees them."""

from __future__ import annotations

import time

import fakeredis
import pytest

from batchline_shared.ledger import Stage
from batchline_worker.leases import LeaseKeeper
from worker_bench import WorkerBench


@pytest.fixture
def short_leases() -> WorkerBench:
    bench = WorkerBench(fakeredis.FakeRedis())
    bench.queue.lease_s, bench.queue._lease_ms = 0.9, 900
    return bench


def test_a_lease_that_is_held_outlives_its_length(short_leases: WorkerBench) -> None:
    queue = short_leases.queue
    queue.open_job("job_1", delay_s=0)
    (job,) = queue.lease_jobs(Stage.PLAN, 1)
    with LeaseKeeper(queue).holding(job, Stage.PLAN) as hold:
        time.sleep(1.2)  # longer than the lease; each renewal may come 0.6 s late
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


def test_the_thread_that_renews_ends_with_the_last_lease_and_comes_back_with_the_next(
    short_leases: WorkerBench,
) -> None:
    queue = short_leases.queue
    queue.open_job("job_1", delay_s=0)
    (job,) = queue.lease_jobs(Stage.PLAN, 1)
    keeper = LeaseKeeper(queue)
    threads = []
    for _ in range(2):
        with keeper.holding(job, Stage.PLAN):
            assert keeper._thread is not None
            threads.append(keeper._thread)
        threads[-1].join(30)
        assert not threads[-1].is_alive()

    assert threads[0] is not threads[1]
