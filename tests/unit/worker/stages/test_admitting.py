"""Room in an account: shared, waited for without harm, given back, and learned from refusals."""

from __future__ import annotations

from typing import Any

import fakeredis
import pytest

from batchline import BatchError, InvalidInputError, Job, JobStatus, RetryPolicy
from batchline_shared.errors import ProviderUnavailableError
from batchline_shared.ledger import ShardState, Stage
from batchline_worker.providers.base import LineError
from batchline_worker.stages import admitting
from scripted_provider import lost_reply
from worker_bench import WorkerBench, says

ROW_TOKENS = 25
"""Of `WorkerBench.enqueue`'s rows, each with its part of the template, more or less."""


def bench(**limits: Any) -> WorkerBench:
    """Three requests to a shard."""
    return WorkerBench(
        fakeredis.FakeRedis(), shard_max_requests=3, limits={"openai": limits} if limits else {}
    )


def running(work: WorkerBench) -> int:
    return sum(not batch.phase.is_final for batch in work.provider.batches.values())


def end_one(work: WorkerBench) -> None:
    """End the batch that runs longest, and let workers go on; nothing waits for a clock."""
    first = next(batch.id for batch in work.provider.batches.values() if not batch.phase.is_final)
    work.provider.end(first)
    for shard_id in (one.id for job in work.client.jobs() for one in work.queue.shards_of(job.id)):
        shard = work.queue.shard(shard_id)
        if shard is not None and shard.batch_id == first:
            work.poll_now(shard.id)
    work.run()


def test_no_more_batches_run_than_the_account_may_have_and_each_end_lets_the_next_one_in() -> None:
    work = bench(batches_in_flight=2)
    job = work.enqueue(3 * 6)
    work.run()
    assert running(work) == 2
    assert "waits for another batch of openai to end" in job.info().message

    for _ in range(5):
        end_one(work)
        assert running(work) == min(2, 6 - sum(b.phase.is_final for b in work.provider.batches.values()))
    work.finish(job)
    work.assert_whole(job)
    assert work.provider.calls["create"] == 6
    assert work.context.admission.snapshot("openai").batches.used == 0


def test_shards_are_cut_to_a_part_of_the_tokens_that_may_be_enqueued() -> None:
    work = bench(enqueued_tokens=8 * ROW_TOKENS)
    job = work.enqueue(12)
    work.run()

    assert {shard.segment.rows for shard in work.shards(job)} <= {1, 2}
    room = work.context.admission.snapshot("openai").models["gpt-4o-mini"]
    assert room.tokens.limit is not None
    assert 0 < room.tokens.used <= room.tokens.limit
    assert room.waiting > 0
    work.finish(job)
    work.assert_whole(job)


def test_a_limit_that_a_refusal_names_is_learned_and_the_shard_is_cut_to_it() -> None:
    work = bench()
    job = work.enqueue(3)
    work.run()
    (batch_id,) = work.provider.batches
    shard = work.shard(job)
    work.provider.refuse(batch_id, tokens=2 * ROW_TOKENS)
    work.poll_now(shard.id)

    work.run()

    assert len(work.shards(job)) == 3
    assert {one.segment.rows for one in work.shards(job)} == {1}
    assert work.provider.files.keys() >= {one.file_id for one in work.shards(job) if one.file_id}
    assert work.finish(job) is JobStatus.COMPLETED
    work.assert_whole(job)
    assert {one.attempts for one in job.results()} == {1}, "no attempt was used up"


def test_a_refusal_without_a_limit_lets_the_shard_wait_for_a_batch_to_end() -> None:
    work = bench()
    first = work.submitted(3)
    second = work.submitted(3)
    refused = list(work.provider.batches)[1]
    full = LineError(line=None, code="token_limit_exceeded", message="full", param=None)
    work.provider.refuse(refused, full)
    work.poll_now(work.shard(second).id)
    work.run()
    assert work.shard(second).state == ShardState.UPLOADED
    assert running(work) == 1

    end_one(work)

    assert work.shard(second).state == ShardState.SUBMITTED, "woken at once"
    for job in (first, second):
        work.finish(job)
        work.assert_whole(job)
    assert work.provider.calls["create"] == 3


def test_a_single_request_that_no_room_holds_is_one_error_and_the_others_go_on() -> None:
    work = bench()
    job = work.client.enqueue("openai/gpt-4o-mini", None, [says("x" * 40_000), says("a"), says("b")])
    work.run()
    for _ in range(30):
        for batch in list(work.provider.batches.values()):
            large = b"xxxx" in work.provider.inputs[batch.id]
            if large and not batch.phase.is_final:
                work.provider.refuse(batch.id, tokens=500)
        work.later(70)
        work.run()
    status = work.finish(job)

    assert status is JobStatus.COMPLETED
    work.assert_whole(job)
    (error,) = [one for one in job.results() if not one.success]
    assert (error.custom_id, error.error_type) == ("request-0", "invalid_request")
    assert "may have 500 enqueued at most" in error.error_message


def refuse_larger(work: WorkerBench, job: Job[Any], rows: int) -> None:
    """Play a provider that counts more tokens than we do: only batches of so few rows have room."""
    for _ in range(24):
        work.run()
        for shard in work.shards(job):
            if shard.state == ShardState.SUBMITTED and shard.segment.rows > rows:
                work.provider.refuse(shard.batch_id, tokens=1000 * ROW_TOKENS)
                work.poll_now(shard.id)
        work.later(70)


def test_a_shard_that_fits_only_by_our_estimate_is_cut_until_the_provider_takes_it() -> None:
    work = bench()
    job = work.enqueue(6)
    refuse_larger(work, job, 1)

    assert work.finish(job) is JobStatus.COMPLETED
    work.assert_whole(job)
    assert {one.segment.rows for one in work.shards(job)} == {1}
    assert {one.attempts for one in job.results()} == {1}, "no attempt was used up"


def test_a_request_that_is_refused_for_a_day_though_it_seems_to_fit_is_one_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("batchline_worker.stages.poll.NO_ROOM_AFTER", 5)
    work = bench()
    job = work.client.enqueue("openai/gpt-4o-mini", None, [says("a")], retry=RetryPolicy(max_attempts=1))
    refuse_larger(work, job, 0)

    assert work.finish(job) is JobStatus.FAILED
    (error,) = job.results()
    assert isinstance(error, BatchError)
    assert error.error_type == "rate_limited"
    assert "no room" in error.error_message
    assert work.provider.calls["create"] == 5


def test_a_small_job_waits_for_one_shard_of_a_large_one_and_not_for_all() -> None:
    work = bench(batches_in_flight=1)
    large = work.enqueue(3 * 10)
    work.run()
    small = work.enqueue(3)
    work.run()

    end_one(work)
    end_one(work)

    assert work.shard(small).state in (ShardState.SUBMITTED, ShardState.DONE)
    for job in (small, large):
        work.finish(job)
        work.assert_whole(job)


def test_an_outage_stops_the_account_and_uses_up_nothing() -> None:
    work = bench()
    down = ProviderUnavailableError("openai", "HTTP 503", status_code=503)
    work.provider.fail("upload", down, times=3)
    job = work.enqueue(3 * 8)
    work.run()
    assert work.provider.calls["upload"] == 3, "the third failure stopped the account"
    assert work.context.admission.paused("openai") > 20
    assert "fails or does not answer" in job.info().message

    work.provider.fail("upload", down)
    work.later(40)
    work.run()
    assert work.provider.calls["upload"] == 4, "one shard tries whether it is back"

    work.finish(job)
    work.assert_whole(job)
    assert work.provider.calls["create"] == 8
    assert {one.attempts for one in job.results()} == {1}


def test_what_a_worker_held_that_died_before_giving_it_back_is_swept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    work = bench(batches_in_flight=1)
    first, second = work.enqueue(3), work.enqueue(3)
    work.run()
    monkeypatch.setattr(admitting, "leave", lambda *_: None)
    work.provider.end_all()
    work.later(20)
    work.run(Stage.POLL)
    monkeypatch.undo()
    assert work.context.admission.snapshot("openai").batches.used == 1
    assert running(work) == 0

    admitting.sweep(work.context)
    work.run(Stage.SUBMIT)

    assert running(work) == 1
    for job in (first, second):
        work.finish(job)
        work.assert_whole(job)


def test_a_creation_of_unknown_outcome_keeps_its_room() -> None:
    work = bench(batches_in_flight=1)
    work.provider.fail("create", lost_reply(), done=True)
    first = work.enqueue(3)
    second = work.enqueue(3)
    work.run()
    admitting.sweep(work.context)
    work.run()

    states = sorted(work.shard(job).state for job in (first, second))
    assert states == [ShardState.PENDING, ShardState.SUBMITTING]
    assert work.provider.calls["create"] == 1
    for job in (first, second):
        work.finish(job)
        work.assert_whole(job)
    assert work.provider.calls["create"] == 2


def test_cancelling_a_job_that_waits_for_room_frees_its_place() -> None:
    work = bench(batches_in_flight=1)
    first, second = work.enqueue(3), work.enqueue(3)
    work.run()
    waiting = first if work.shard(first).state == ShardState.PENDING else second
    waiting.cancel()

    work.run()

    assert waiting.status() is JobStatus.CANCELLED
    assert work.context.admission.snapshot("openai").models["gpt-4o-mini"].waiting == 0


def test_estimates_follow_what_the_provider_reports() -> None:
    work = bench()
    work.finish(work.enqueue(3))

    factor = work.context.admission.factor("openai", "gpt-4o-mini")

    assert factor == pytest.approx(0.25), "the scripted answers report 3 tokens for each request"


def test_the_job_of_higher_priority_goes_first() -> None:
    work = bench(batches_in_flight=1)
    jobs = {name: work.enqueue(3 * 3, priority=name) for name in ("low", "normal", "high")}
    work.run(Stage.PLAN)
    # All are in line before the first of them gets its room.
    work.context.admission.pause("openai", 60)
    work.run()
    work.later(61)
    work.later(61)
    work.run()

    order = []
    for _ in range(9):
        (batch,) = [one for one in work.provider.batches.values() if not one.phase.is_final]
        order += [name for name, job in jobs.items() if batch.id in {s.batch_id for s in work.shards(job)}]
        end_one(work)

    assert order == ["high"] * 3 + ["normal"] * 3 + ["low"] * 3


def test_a_priority_that_does_not_exist_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="low, normal, high, not 'urgent'"):
        bench().enqueue(3, priority="urgent")
