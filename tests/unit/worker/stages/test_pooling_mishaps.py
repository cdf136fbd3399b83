"""Pooling where workers are frozen or die in the middle: each request is sent once, and none is forgotten."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from batchline import ErrorType, JobStatus
from batchline_shared.errors import ProviderAuthError, ProviderRejectedError
from batchline_shared.ledger import ShardState, Stage, keys
from batchline_worker.providers.base import LineError
from batchline_worker.stages import submit
from unit.worker.stages.test_pooling import (
    LINGER_S,
    Dies,
    asked,
    carriers,
    depart,
    failures,
    no_trace,
    pooled,
)
from worker_bench import says

if TYPE_CHECKING:
    from batchline import Job
    from worker_bench import WorkerBench

LEASE_S = 130
"""Longer than a lease."""


def sent(bench: WorkerBench) -> list[str]:
    """The texts of all requests that batches were made of, but of those refused unread."""
    failed = {batch.id for batch in bench.provider.batches.values() if batch.phase == "failed"}
    batches = zip(bench.provider.inputs, asked(bench), strict=True)
    return sorted(text for batch_id, texts in batches if batch_id not in failed for text in texts)


def named(bench: WorkerBench, *names: str, **arguments: Any) -> list[Job[str]]:
    """Jobs of one request each, which says its name."""
    return [
        bench.client.enqueue("openai/gpt-4o-mini", None, [says(name)], linger_s=LINGER_S, **arguments)
        for name in names
    ]


def hurry(bench: WorkerBench, member: str, *, at: int = 1) -> None:
    """Make a shard due for submission at a time."""
    for partition in range(keys.PARTITIONS):
        bench.redis.zadd(keys.due(partition, Stage.SUBMIT), {member: at}, xx=True)


def submit_all(worker: Any) -> None:
    while submit.work(worker):
        pass


def dies(*_: Any, **__: Any) -> None:
    raise Dies


def killed(worker: Any) -> None:
    """Let a worker submit what is due, in the middle of which it dies."""
    with pytest.raises(Dies):
        submit_all(worker)


def refuse_once(bench: WorkerBench) -> None:
    """Let the next creation be refused, with nothing to say why."""
    bench.provider.fail("create", ProviderRejectedError("openai", "something is wrong", status_code=400))


def to_the_end(bench: WorkerBench, jobs: list[Job[str]]) -> list[JobStatus]:
    for _ in range(12):
        with suppress(Dies):
            bench.run()
        bench.provider.end_all()
        bench.later(LEASE_S)
    return [job.status() for job in jobs]


@pytest.mark.parametrize("nth", [1, 2, 3])
def test_a_worker_that_was_frozen_while_it_sent_riders_back_sends_back_none_that_is_on_its_way(
    bench: WorkerBench, monkeypatch: Any, nth: int
) -> None:
    jobs = named(bench, "a", "b", "c", "d")
    bench.run(Stage.PLAN, Stage.SUBMIT)
    refuse_once(bench)
    original, calls, other = bench.context.pools.send_back, [], bench.worker()

    def frozen(*args: Any) -> Any:
        calls.append(args)
        if len(calls) == nth:
            bench.later(LEASE_S)
            submit_all(other)
        return original(*args)

    monkeypatch.setattr(bench.context.pools, "send_back", frozen)
    depart(bench)
    for _ in range(3):
        depart(bench)

    assert sent(bench) == ["a", "b", "c", "d"]
    assert to_the_end(bench, jobs) == [JobStatus.COMPLETED] * 4
    assert sent(bench) == ["a", "b", "c", "d"]
    assert no_trace(bench)


def test_a_worker_that_was_frozen_while_it_looked_who_is_on_board_leaves_out_none_that_is_on_its_way(
    bench: WorkerBench, monkeypatch: Any
) -> None:
    jobs = named(bench, "a", "b")
    bench.run(Stage.PLAN, Stage.SUBMIT)
    jobs += named(bench, "late")
    bench.run(Stage.PLAN)
    with monkeypatch.context() as patch:
        patch.setattr(bench.context.work, "release", dies)
        killed(bench.context)
    (carrier,) = carriers(bench)
    aboard, other = bench.context.pools.aboard, bench.worker()

    def frozen(*args: Any) -> Any:
        found = aboard(*args)
        assert len(found) == 2
        monkeypatch.setattr(bench.context.pools, "aboard", aboard)
        # Meanwhile the late one is found by another worker, which then takes the carrier over, too.
        bench.later(LEASE_S)
        hurry(bench, carrier.id, at=2**45)
        submit_all(other)
        hurry(bench, carrier.id)
        submit_all(other)
        return found

    monkeypatch.setattr(bench.context.pools, "aboard", frozen)
    depart(bench)
    assert sent(bench) == ["a", "b", "late"]
    bench.later(2 * 3600)
    depart(bench)

    assert to_the_end(bench, jobs) == [JobStatus.COMPLETED] * 3
    assert sent(bench) == ["a", "b", "late"]
    assert no_trace(bench)


@pytest.mark.parametrize("company", [0, 2])
def test_who_writes_too_late_that_it_is_on_board_goes_with_another_soon_whoever_dies(
    bench: WorkerBench, monkeypatch: Any, company: int
) -> None:
    jobs = named(bench, *map(str, range(company)))
    bench.run(Stage.PLAN, Stage.SUBMIT)
    jobs += named(bench, "late")
    bench.run(Stage.PLAN)
    release, other = bench.context.work.release, bench.worker()

    def slow(*args: Any, **fields: Any) -> None:
        """The rider's worker, which dies as soon as it has written."""

        def written_meanwhile(*looked: Any) -> Any:
            found = bench.context.pools.aboard(*looked)
            assert release(*args, **fields) is not None
            return found

        monkeypatch.setattr(other.pools, "aboard", written_meanwhile)
        monkeypatch.setattr(other.pools, "close", dies)
        monkeypatch.setattr(other.work, "keep", dies)
        (carrier,) = carriers(bench)
        hurry(bench, carrier.id)
        submit_all(other)
        hurry(bench, carrier.id)
        killed(other)
        raise Dies

    with monkeypatch.context() as patch:
        patch.setattr(bench.context.work, "release", slow)
        killed(bench.context)
    bench.later(LEASE_S)
    bench.run()
    depart(bench)

    assert sent(bench) == sorted([*map(str, range(company)), "late"])
    assert to_the_end(bench, jobs) == [JobStatus.COMPLETED] * len(jobs)
    assert no_trace(bench)


@pytest.mark.parametrize("at", ["create", "batch"])
@pytest.mark.parametrize("after", [0, 1])
@pytest.mark.parametrize("nth", [1, 2, 3])
@pytest.mark.parametrize("name", ["put_out", "send_back", "close", "passengers"])
def test_a_worker_that_dies_while_it_sends_riders_back_loses_nobody(
    bench: WorkerBench, monkeypatch: Any, name: str, nth: int, after: int, at: str
) -> None:
    jobs = named(bench, "a", "b", "c")
    bench.run(Stage.PLAN, Stage.SUBMIT)
    if at == "create":
        refuse_once(bench)
    pools = bench.context.pools
    original, calls = getattr(pools, name), []

    def dying(*args: Any, **kwargs: Any) -> Any:
        calls.append(args)
        if len(calls) == nth and not after:
            raise Dies
        reply = original(*args, **kwargs)
        if len(calls) == nth:
            raise Dies
        return reply

    monkeypatch.setattr(pools, name, dying)
    with suppress(Dies):
        depart(bench)
    if at == "batch":
        error = LineError(None, "bad", "something", None, of_requests=True)
        bench.provider.refuse(bench.provider.running()[0], error)
    for _ in range(6):
        bench.later(LEASE_S)
        with suppress(Dies):
            bench.run()

    assert sent(bench) == ["a", "b", "c"]
    assert to_the_end(bench, jobs) == [JobStatus.COMPLETED] * 3
    assert sent(bench) == ["a", "b", "c"]
    for job in jobs:
        bench.assert_whole(job)
    assert no_trace(bench)


def test_a_job_whose_requests_are_damaged_does_not_stop_its_neighbours(bench: WorkerBench) -> None:
    first, damaged, last = pooled(bench, 3)
    bench.redis.delete(keys.input_chunks(damaged.id))
    bench.later(LINGER_S)
    for _ in range(20):
        bench.later(LEASE_S)
        bench.run(Stage.SUBMIT)

    assert len(sent(bench)) == 2
    assert [bench.finish(job) for job in (first, last)] == [JobStatus.COMPLETED] * 2
    # Alone at last, and never sent: nothing keeps it from ending with what is wrong.
    (failure,) = failures(damaged)
    assert failure.error_type is ErrorType.INVALID_REQUEST
    assert "chunks of job" in failure.error_message
    assert len(sent(bench)) == 2
    assert no_trace(bench)


def test_a_job_whose_record_is_damaged_does_not_stop_the_results_of_its_neighbours(
    bench: WorkerBench,
) -> None:
    first, damaged, last = pooled(bench, 3)
    depart(bench)
    whole = bench.redis.hget(keys.meta(damaged.id), "priority")
    bench.redis.hset(keys.meta(damaged.id), "priority", "none such")
    bench.provider.end_all()
    for _ in range(3):
        bench.later(LEASE_S)
        bench.run(Stage.POLL, Stage.COLLECT, Stage.SETTLE)
    assert [first.status(), last.status()] == [JobStatus.COMPLETED] * 2
    # Set aside meanwhile, until a person has mended it.
    bench.redis.hset(keys.meta(damaged.id), "priority", whole)
    assert damaged.release() == [damaged.id]

    assert bench.finish(damaged) is JobStatus.COMPLETED
    assert len(sent(bench)) == 3
    bench.assert_whole(damaged)


def test_a_rider_whose_worker_died_right_after_it_joined_is_sent_with_the_others(
    bench: WorkerBench, monkeypatch: Any
) -> None:
    jobs = named(bench, "a")
    bench.run(Stage.PLAN)
    with monkeypatch.context() as patch:
        patch.setattr(bench.context.work, "release", dies)
        killed(bench.context)
    jobs += named(bench, "b")
    bench.run(Stage.PLAN, Stage.SUBMIT)
    depart(bench)
    assert sent(bench) == ["b"]
    bench.later(LEASE_S)
    bench.run(Stage.SUBMIT)
    depart(bench)

    assert sent(bench) == ["a", "b"]
    assert to_the_end(bench, jobs) == [JobStatus.COMPLETED] * 2
    assert {shard.state for shard in carriers(bench)} == {ShardState.DONE}


def test_what_was_refused_together_does_not_wait_long_for_its_half(bench: WorkerBench) -> None:
    jobs = [bench.enqueue(1, linger_s=3600) for _ in range(4)]
    bench.run(Stage.PLAN, Stage.SUBMIT)
    refuse_once(bench)
    bench.later(3601)
    bench.run(Stage.SUBMIT)
    bench.later(2)
    bench.run(Stage.SUBMIT)
    assert sent(bench) == []
    bench.later(11)
    bench.run(Stage.SUBMIT)
    bench.later(2)
    bench.run(Stage.SUBMIT)

    assert [len(texts) for texts in asked(bench)] == [2, 2]
    assert to_the_end(bench, jobs) == [JobStatus.COMPLETED] * 4
    assert [job.info().message for job in jobs] == [""] * 4


def test_the_jobs_of_halves_that_were_accepted_are_told_of_the_refusal_no_more(bench: WorkerBench) -> None:
    jobs = pooled(bench, 2)
    refuse_once(bench)
    depart(bench)
    assert ["something is wrong" in job.info().message for job in jobs] == [True, True]
    depart(bench)

    assert [job.status() for job in jobs] == [JobStatus.IN_PROGRESS] * 2
    assert [job.info().message for job in jobs] == ["", ""]


def test_one_that_is_left_of_many_is_not_taken_to_be_as_large_as_all(bench: WorkerBench) -> None:
    (gone,) = pooled(bench, 1, rows=9)
    (left,) = pooled(bench, 1)
    bench.provider.fail("upload", ProviderAuthError("openai", "no key"))
    depart(bench)
    gone.cancel()
    bench.later(60)
    bench.run()
    assert [len(texts) for texts in asked(bench)] == [1]
    bench.provider.refuse(bench.provider.running()[0], tokens=carriers(bench)[0].tokens // 2)

    assert bench.finish(left) is JobStatus.COMPLETED
    assert gone.status() is JobStatus.CANCELLED
    assert no_trace(bench)
