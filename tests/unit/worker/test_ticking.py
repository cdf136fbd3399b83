"""Ticking: what a clock sets in motion."""

from __future__ import annotations

import fakeredis

from batchline_shared.ledger import Stage, keys
from batchline_worker.ticking import tick
from worker_bench import WorkerBench

INTERVAL_S = 60.0
"""Longer than a machine stalls: the interval must not end between a tick and what is said of it."""


def test_any_number_of_clocks_makes_one_tick_in_an_interval() -> None:
    bench = WorkerBench(fakeredis.FakeRedis(), tick_interval_s=INTERVAL_S)
    bench.enqueue(2)
    results = [tick(worker) for worker in [bench.context, *(bench.worker() for _ in range(4))]]

    assert results == [{Stage.PLAN: 1}, {}, {}, {}, {}]
    assert bench.nudged == {Stage.PLAN: 1}


def test_a_tick_without_work_nudges_nobody() -> None:
    bench = WorkerBench(fakeredis.FakeRedis(), tick_interval_s=INTERVAL_S)

    assert tick(bench.context) == {}
    assert not bench.nudged
    assert 0 < bench.redis.pttl(keys.TICK) <= INTERVAL_S * 1000


def test_a_tick_nudges_a_crowded_stage_a_few_times(bench: WorkerBench) -> None:
    for _ in range(9):
        bench.enqueue(1)

    assert tick(bench.context) == {Stage.PLAN: 9}
    assert bench.nudged[Stage.PLAN] == 4


def test_jobs_whose_record_is_gone_leave_the_list_and_others_stay(bench: WorkerBench) -> None:
    gone = [bench.enqueue(1).id for _ in range(3)]
    kept = bench.enqueue(1)
    for job_id in gone:
        bench.redis.delete(keys.meta(job_id))

    tick(bench.context)

    assert bench.redis.zrange(keys.ALL_JOBS, 0, -1) == [kept.id.encode()]


def test_a_ledger_that_was_wiped_is_audited_again(bench: WorkerBench) -> None:
    bench.submitted(1)
    bench.redis.flushall()
    tick(bench.context)

    bench.submitted(1)

    assert [one.route for one in bench.context.audits.accounts()] == ["openai"]
