"""A shard in doubt is moved by what was decided of it, and by nothing else."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import fakeredis
import pytest

from batchline import AsyncBatchClient, InvalidInputError, JobStatus, WaitTimeoutError
from batchline_shared.errors import ProviderRejectedError, ProviderUnavailableError
from batchline_shared.ledger import NO_BATCH, Resolved, ShardState, Stage, batch_decision, keys
from batchline_worker.providers.base import BatchPhase
from scripted_provider import ScriptedProvider, answer_line, lost_reply
from worker_bench import WorkerBench

if TYPE_CHECKING:
    from collections.abc import Callable

    from batchline import Job
    from batchline_shared.ledger import ShardWork


def into_doubt(bench: WorkerBench) -> None:
    bench.provider.fail("find", ProviderUnavailableError("openai", "503"), times=4)
    for _ in range(4):
        bench.later(100)
        bench.run(Stage.SUBMIT)
    bench.provider.faults["find"].clear()


@pytest.fixture
def bench() -> WorkerBench:
    return WorkerBench(fakeredis.FakeRedis(), doubt_after_s=60)


def in_doubt(bench: WorkerBench, *, made: bool = True, count: int = 3) -> tuple[Job[str], ShardWork]:
    job = bench.enqueue(count)
    bench.run(Stage.PLAN)
    bench.provider.fail("create", lost_reply(), done=made)
    bench.run(Stage.SUBMIT)
    into_doubt(bench)
    shard = bench.shard(job)
    assert shard.state == ShardState.IN_DOUBT
    return job, shard


def decide(bench: WorkerBench, job: Job[str], shard: str, batch_id: str | None) -> None:
    """Decide, and let a worker carry it out; the caller's wait is for another test."""
    with pytest.raises(WaitTimeoutError, match="the decision stands"):
        job.resolve(shard, batch_id=batch_id, timeout_s=0)
    bench.run(Stage.SUBMIT)


def test_a_batch_that_a_person_names_is_adopted_and_paid_for_once(bench: WorkerBench) -> None:
    job, shard = in_doubt(bench)
    (batch_id,) = bench.provider.batches

    decide(bench, job, shard.id, batch_id)

    assert bench.shard(job).state == ShardState.SUBMITTED
    assert bench.finish(job) is JobStatus.COMPLETED
    assert bench.provider.calls["create"] == 1
    bench.assert_whole(job)


def test_where_a_person_says_that_there_is_none_the_shard_goes_out_again(bench: WorkerBench) -> None:
    job, shard = in_doubt(bench, made=False)

    decide(bench, job, shard.id, None)

    assert job.info().message == ""
    assert bench.finish(job) is JobStatus.COMPLETED
    assert bench.provider.calls["create"] == 2
    assert len(bench.provider.batches) == 1


def test_a_decision_survives_the_death_of_its_worker(bench: WorkerBench) -> None:
    job, shard = in_doubt(bench)
    (batch_id,) = bench.provider.batches
    bench.provider.fail("poll", KeyboardInterrupt())

    with pytest.raises(KeyboardInterrupt):
        decide(bench, job, shard.id, batch_id)
    bench.later(bench.settings.lease_s + 1)
    bench.run(Stage.SUBMIT)

    assert bench.shard(job).batch_id == batch_id


def test_a_decision_can_be_repeated_and_is_carried_out_once(bench: WorkerBench) -> None:
    job, shard = in_doubt(bench, made=False)
    decide(bench, job, shard.id, None)
    (batch_id,) = bench.provider.batches

    assert job.resolve(shard.id, batch_id=None).batch_id == batch_id
    bench.run(Stage.SUBMIT)

    assert bench.provider.calls["create"] == 2
    with pytest.raises(InvalidInputError, match="not in doubt"):
        job.resolve(shard.id, batch_id="batch_99")


def test_another_decision_takes_the_place_of_one_that_is_under_way(bench: WorkerBench) -> None:
    job, shard = in_doubt(bench)
    (batch_id,) = bench.provider.batches
    assert bench.queue.resolve(shard.id, NO_BATCH) is Resolved.NOTED
    (leased,) = bench.queue.lease_shards(Stage.SUBMIT, 1)

    assert bench.queue.resolve(shard.id, batch_decision(batch_id)) is Resolved.NOTED

    assert bench.queue.release(leased, ShardState.UPLOADED, (Stage.SUBMIT, Stage.SUBMIT), 0.0) is None
    bench.run(Stage.SUBMIT)
    assert bench.shard(job).batch_id == batch_id


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"shard_id": "another-1"}, "made for shard another-1"),
        ({"shard_id": None, "input_file_id": "file-99"}, "another input"),
        ({"total": 4}, "has 4 requests, and the shard 3"),
        ({"phase": BatchPhase.FAILED}, "ran nothing"),
    ],
    ids=["mark", "input", "count", "refused"],
)
def test_a_batch_that_is_not_the_shards_is_refused_and_the_doubt_stays(
    bench: WorkerBench, change: dict[str, Any], words: str
) -> None:
    job, shard = in_doubt(bench)
    (batch_id,) = bench.provider.batches
    bench.provider.batches[batch_id] = replace(bench.provider.batches[batch_id], **change)

    decide(bench, job, shard.id, batch_id)

    now = bench.shard(job)
    assert (now.state, now.decision, now.batch_id) == (ShardState.IN_DOUBT, "", "")
    assert words in now.message
    assert words in job.info().message
    assert bench.due_in_s(shard.id, Stage.SUBMIT) is None


def test_a_batch_that_the_provider_does_not_know_is_refused(bench: WorkerBench) -> None:
    job, shard = in_doubt(bench)
    bench.provider.fail("poll", ProviderRejectedError("openai", "no such batch", status_code=404))

    decide(bench, job, shard.id, "batch_99")

    assert "does not show batch batch_99" in bench.shard(job).message


def test_what_is_no_id_of_a_batch_is_refused_at_once(bench: WorkerBench) -> None:
    job, shard = in_doubt(bench)

    with pytest.raises(InvalidInputError, match="no batch of openai"):
        job.resolve(shard.id, batch_id="../files")
    assert bench.shard(job).decision == ""


def test_a_provider_that_does_not_answer_is_asked_again(bench: WorkerBench) -> None:
    job, shard = in_doubt(bench)
    (batch_id,) = bench.provider.batches
    bench.provider.fail("poll", ProviderUnavailableError("openai", "503"))

    decide(bench, job, shard.id, batch_id)
    assert bench.shard(job).state == ShardState.IN_DOUBT
    bench.later(5)
    bench.run(Stage.SUBMIT)

    assert bench.shard(job).batch_id == batch_id


def test_the_caller_hears_what_came_of_it(bench: WorkerBench) -> None:
    job, shard = in_doubt(bench)
    (batch_id,) = bench.provider.batches

    with ThreadPoolExecutor(1) as threads:
        refused = threads.submit(job.resolve, shard.id, batch_id="batch_99")
        until(lambda: bench.run(Stage.SUBMIT))
        with pytest.raises(InvalidInputError, match="does not show batch batch_99"):
            refused.result(10)
        taken = threads.submit(job.resolve, shard.id, batch_id=batch_id)
        until(lambda: bench.run(Stage.SUBMIT))
        part = taken.result(10)

    assert (part.shard, part.state, part.batch_id) == (shard.id, "submitted", batch_id)


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_shard_of_a_cancelled_job_that_has_a_batch_is_cancelled_and_collected(bench: WorkerBench) -> None:
    job, shard = in_doubt(bench)
    (batch_id,) = bench.provider.batches
    job.cancel()

    decide(bench, job, shard.id, batch_id)
    bench.run()
    bench.provider.end(batch_id, BatchPhase.CANCELLED)

    assert bench.provider.calls["cancel"] == 1
    assert bench.finish(job).is_final


def test_a_shard_of_a_cancelled_job_that_has_none_ends_unsent(bench: WorkerBench) -> None:
    job, shard = in_doubt(bench, made=False)
    job.cancel()

    decide(bench, job, shard.id, None)

    assert bench.finish(job) is JobStatus.CANCELLED
    assert bench.provider.calls["create"] == 1


def test_a_part_that_is_not_in_doubt_or_not_the_jobs_is_refused(bench: WorkerBench) -> None:
    job = bench.submitted(2)
    other, shard = in_doubt(bench)

    with pytest.raises(InvalidInputError, match="is submitted, not in doubt"):
        job.resolve(bench.shard(job).id, batch_id=None)
    with pytest.raises(InvalidInputError, match="has no shard"):
        job.resolve(shard.id, batch_id=None)
    assert bench.shard(other).state == ShardState.IN_DOUBT


def test_where_batches_bear_no_mark_the_results_have_to_prove_the_choice() -> None:
    provider = ScriptedProvider("anthropic", takes_files=False, marks_batches=False)
    bench = WorkerBench(fakeredis.FakeRedis(), provider, doubt_after_s=60)
    job = bench.client.enqueue("anthropic/claude-sonnet-4-5", None, [[{"role": "user", "content": "q"}]] * 2)
    bench.run(Stage.PLAN)
    provider.fail("create", lost_reply(), done=True)
    bench.run(Stage.SUBMIT)
    into_doubt(bench)
    shard = bench.shard(job)
    (batch_id,) = provider.batches

    decide(bench, job, shard.id, batch_id)

    assert bench.shard(job).unconfirmed
    assert bench.context.gates.noted("anthropic", [batch_id]) == {batch_id}
    provider.answer = lambda name: answer_line(name.replace("bl-", "other-"))
    provider.end(batch_id)
    bench.poll_now(shard.id)
    bench.run(Stage.POLL, Stage.COLLECT)
    assert bench.shard(job).state == ShardState.SUBMITTING


# --- shared batches --------------------------------------------------------------------------


def pooled_in_doubt(bench: WorkerBench) -> tuple[list[Job[str]], str]:
    jobs = [bench.enqueue(1, linger_s=5) for _ in range(3)]
    bench.run(Stage.PLAN, Stage.SUBMIT)
    bench.provider.fail("create", lost_reply(), done=True)
    bench.later(8)
    bench.run(Stage.SUBMIT)
    bench.later(8)
    bench.run(Stage.SUBMIT)
    into_doubt(bench)
    carrier = bench.shard(jobs[0]).ride
    assert carrier is not None
    return jobs, carrier.carrier


def test_the_parts_of_a_shared_batch_show_its_doubt(bench: WorkerBench) -> None:
    jobs, _ = pooled_in_doubt(bench)

    assert [job.batches()[0].state for job in jobs] == ["in_doubt"] * 3
    assert "503" in jobs[0].batches()[0].message


@pytest.mark.parametrize("by", ["rider", "carrier"])
def test_a_shared_batch_is_resolved_through_any_of_its_jobs(bench: WorkerBench, by: str) -> None:
    jobs, carrier = pooled_in_doubt(bench)
    (batch_id,) = bench.provider.batches

    decide(bench, jobs[1], bench.shard(jobs[1]).id if by == "rider" else carrier, batch_id)

    assert [bench.finish(job) for job in jobs] == [JobStatus.COMPLETED] * 3
    assert bench.provider.calls["create"] == 1


def test_a_rider_whose_carrier_is_gone_is_sent_again_but_takes_no_batch(bench: WorkerBench) -> None:
    jobs, carrier = pooled_in_doubt(bench)
    job, shard = jobs[0], bench.shard(jobs[0])
    assert shard.ride is not None
    bench.redis.delete(keys.work(keys.partition_of(shard.ride.pool), carrier))
    bench.later(4000)
    bench.run(Stage.SUBMIT)
    assert bench.shard(job).state == ShardState.IN_DOUBT

    decide(bench, job, shard.id, "batch_1")
    assert "cannot be told" in bench.shard(job).message
    decide(bench, job, shard.id, None)

    assert bench.finish(job) is JobStatus.COMPLETED


def test_an_event_loop_can_decide_too(bench: WorkerBench) -> None:
    job, shard = in_doubt(bench, made=False)
    decide(bench, job, shard.id, None)

    async def again() -> str:
        async with AsyncBatchClient(settings=bench.settings, redis=bench.redis) as client:
            handle = await client.job(job.id)
            return (await handle.resolve(shard.id, batch_id=None)).state

    assert asyncio.run(again()) == "submitted"
