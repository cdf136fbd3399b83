"""Leases, as their holder sees them."""

from __future__ import annotations

import threading
from types import SimpleNamespace

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


class Turns:
    """The clock of a lease's keeper: its thread sleeps until the test lets it go on."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.slept_s: list[float] = []
        self._asleep, self._go_on = threading.Semaphore(0), threading.Semaphore(0)
        self.time = SimpleNamespace(monotonic=lambda: self.now_s, sleep=self._sleep)

    def _sleep(self, seconds: float) -> None:
        self.slept_s.append(seconds)
        self._asleep.release()
        self._go_on.acquire()

    def fall_asleep(self) -> None:
        assert self._asleep.acquire(timeout=60)

    def wake(self) -> None:
        self._go_on.release()


def test_a_lease_that_is_held_outlives_its_length(
    bench: WorkerBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    turns = Turns()
    monkeypatch.setattr("batchline_worker.leases.time", turns.time)
    queue = bench.queue
    lease_s = queue.lease_s
    queue.open_job("job_1", delay_s=0)
    (job,) = queue.lease_jobs(Stage.PLAN, 1)
    keeper = LeaseKeeper(queue)
    with keeper.holding(job, Stage.PLAN) as hold:
        thread = keeper._thread
        turns.fall_asleep()
        for _ in range(5):
            turns.now_s += turns.slept_s[-1]
            bench.later(turns.slept_s[-1])
            turns.wake()
            turns.fall_asleep()

        assert turns.now_s > lease_s
        assert turns.slept_s == [lease_s / 3] * 6
        assert hold.remaining_s == lease_s
        assert queue.lease_jobs(Stage.PLAN, 1) == []
    turns.wake()
    assert thread is not None
    thread.join(60)


def test_a_lease_that_is_lost_says_so(bench: WorkerBench) -> None:
    # Its leases are so long that the keeper's own thread does not renew one between the two lines below.
    queue = bench.queue
    queue.open_job("job_1", delay_s=0)
    (job,) = queue.lease_jobs(Stage.PLAN, 1)
    keeper = LeaseKeeper(queue)
    with keeper.holding(job, Stage.PLAN) as hold:
        bench.later(queue.lease_s + 10)
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
