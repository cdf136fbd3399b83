"""Paying once where the provider keeps no marks on batches: one creation in question at a time."""

from __future__ import annotations

import io
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import fakeredis
import pytest

from batchline import JobStatus
from batchline_shared.errors import (
    LedgerError,
    ProviderAuthError,
    ProviderBusyError,
    ProviderUnavailableError,
)
from batchline_shared.ledger import Gates, ShardState, Stage, keys
from batchline_worker.providers.base import BatchPhase, Submission
from scripted_provider import lost_reply
from worker_bench import WorkerBench

if TYPE_CHECKING:
    from batchline import Job
    from batchline_worker.leases import Hold
    from batchline_worker.providers.base import RemoteBatch


def unmarked(**settings: Any) -> WorkerBench:
    bench = WorkerBench(fakeredis.FakeRedis(), **settings)
    bench.provider.takes_files = False
    bench.provider.marks_batches = False
    return bench


@pytest.fixture
def bench() -> WorkerBench:
    return unmarked()


def gate(bench: WorkerBench) -> bytes | None:
    held: bytes | None = bench.redis.get(keys.gate("openai"))
    return held


def lost(bench: WorkerBench, count: int = 3) -> Job[str]:
    """A job whose batch was created, but whose worker never heard of it."""
    job = bench.enqueue(count)
    bench.run(Stage.PLAN)
    bench.provider.fail("create", lost_reply(), done=True)
    bench.run(Stage.SUBMIT)
    return job


def foreign(bench: WorkerBench, requests: int = 3) -> str:
    """A batch of somebody else's, of this size."""
    made = bench.provider.create(
        Submission("theirs-0", "job_theirs", "/v1/x", "m", requests, buffer=_lines("theirs", requests))
    )
    return made.id


def _lines(name: str, count: int) -> Any:
    return io.BytesIO(b"".join(b'{"custom_id":"%b-%d"}\n' % (name.encode(), n) for n in range(count)))


def test_the_requests_go_out_with_the_creation_and_nothing_is_uploaded(bench: WorkerBench) -> None:
    job = bench.submitted(3)

    assert bench.provider.calls["upload"] == 0
    assert bench.shard(job).state == ShardState.SUBMITTED
    assert gate(bench) is None
    assert bench.finish(job) is JobStatus.COMPLETED
    bench.assert_whole(job)


def test_while_one_creation_is_in_question_no_other_is_made(bench: WorkerBench) -> None:
    first = lost(bench)
    second = bench.enqueue(3)

    bench.run(Stage.PLAN, Stage.SUBMIT)
    bench.later(5)
    bench.run(Stage.SUBMIT)

    assert bench.provider.calls["create"] == 1
    assert bench.shard(second).state == ShardState.PENDING
    assert bench.finish(first) is JobStatus.COMPLETED
    assert bench.finish(second) is JobStatus.COMPLETED
    assert bench.provider.calls["create"] == 2
    bench.assert_whole(first)
    bench.assert_whole(second)


def test_a_shard_that_the_server_forgot_to_have_been_submitted_finds_its_own_batch(
    bench: WorkerBench,
) -> None:
    job = bench.enqueue(3)
    bench.run(Stage.PLAN)
    shard, partition = bench.shard(job), keys.partition_of(job.id)
    work, announced = keys.work(partition, shard.id), {}
    bench.provider.meanwhile("create", lambda: announced.update(bench.redis.hgetall(work)))
    bench.run(Stage.SUBMIT)
    # The power went after the batch had been noted, whose last step was made again, and before the record.
    bench.redis.delete(work)
    bench.redis.hset(work, mapping=announced)
    bench.redis.zrem(keys.due(partition, Stage.POLL), shard.id)
    bench.redis.zadd(keys.due(partition, Stage.SUBMIT), {shard.id: bench.queue.now_ms()})
    bench.later(500)

    assert bench.finish(job) is JobStatus.COMPLETED
    assert bench.provider.calls["create"] == 1
    bench.assert_whole(job)


def test_a_batch_that_has_its_shard_is_not_taken_for_a_lost_one_of_the_same_size(bench: WorkerBench) -> None:
    known = bench.submitted(3)
    job = bench.enqueue(3)
    bench.run(Stage.PLAN)
    bench.provider.fail("create", lost_reply())
    bench.run(Stage.SUBMIT)

    assert bench.finish(job) is JobStatus.COMPLETED
    assert bench.shard(job).batch_id != bench.shard(known).batch_id
    assert bench.provider.calls["create"] == 3
    bench.assert_whole(job)


def test_a_batch_that_proves_to_be_anothers_is_given_back_and_ours_made(bench: WorkerBench) -> None:
    job = bench.enqueue(3)
    bench.run(Stage.PLAN)
    bench.provider.fail("create", lost_reply())
    bench.run(Stage.SUBMIT)
    theirs = foreign(bench)

    assert bench.finish(job) is JobStatus.COMPLETED
    shard = bench.shard(job)
    assert shard.batch_id != theirs
    assert not shard.unconfirmed
    bench.assert_whole(job)


def test_a_batch_that_may_be_anothers_is_never_cancelled(bench: WorkerBench) -> None:
    job = lost(bench)
    bench.later(91)
    bench.run(Stage.SUBMIT)
    assert bench.shard(job).unconfirmed

    job.cancel()
    bench.later(400)
    bench.run(Stage.POLL)

    assert bench.provider.calls["cancel"] == 0
    assert bench.finish(job) is JobStatus.COMPLETED
    bench.assert_whole(job)


def test_blind_look_ups_from_before_a_batch_was_given_back_do_not_count_towards_doubt(
    bench: WorkerBench,
) -> None:
    job = bench.enqueue(3)
    bench.run(Stage.PLAN)
    bench.provider.fail("create", lost_reply())
    bench.run(Stage.SUBMIT)
    theirs = foreign(bench)
    bench.provider.fail("find", lost_reply())
    bench.later(91)
    bench.run(Stage.SUBMIT)
    bench.later(91)
    bench.run(Stage.SUBMIT)
    assert bench.shard(job).batch_id == theirs

    bench.provider.end(theirs)
    bench.later(2 * bench.settings.doubt_after_s)
    bench.provider.fail("find", lost_reply())
    bench.run(Stage.POLL, Stage.COLLECT, Stage.SUBMIT)

    assert bench.shard(job).state == ShardState.SUBMITTING


def test_several_batches_that_nobody_has_are_for_a_person_to_tell_apart(bench: WorkerBench) -> None:
    job = lost(bench)
    theirs = foreign(bench)

    bench.later(91)
    bench.run(Stage.SUBMIT)

    shard = bench.shard(job)
    assert shard.state == ShardState.IN_DOUBT
    assert theirs in shard.message
    assert gate(bench) is None


def test_a_batch_of_another_size_or_time_is_not_the_lost_one(bench: WorkerBench) -> None:
    job = bench.enqueue(3)
    bench.run(Stage.PLAN)
    bench.provider.fail("create", lost_reply())
    bench.run(Stage.SUBMIT)
    foreign(bench, requests=4)

    assert bench.finish(job) is JobStatus.COMPLETED
    assert bench.provider.calls["create"] == 3


@pytest.mark.parametrize(
    "error",
    [ProviderAuthError("openai", "bad key"), ProviderUnavailableError("openai", "no such thing")],
    ids=["refused", "in question"],
)
def test_a_refusal_frees_the_gate_and_an_unknown_outcome_keeps_it(
    bench: WorkerBench, error: Exception
) -> None:
    job = bench.enqueue(3)
    bench.run(Stage.PLAN)
    bench.provider.fail("create", error)
    bench.run(Stage.SUBMIT)

    kept = isinstance(error, ProviderUnavailableError)
    assert (gate(bench) is not None) is kept
    assert bench.finish(job) is JobStatus.COMPLETED
    assert gate(bench) is None


def test_the_gate_of_a_worker_that_died_before_the_call_is_its_successors(
    bench: WorkerBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = bench.enqueue(3), bench.enqueue(3)
    bench.run(Stage.PLAN)

    def killed(_: Hold) -> bool:
        raise KeyboardInterrupt

    with monkeypatch.context() as dying:
        dying.setattr(bench.context.leases, "renew", killed)
        with pytest.raises(KeyboardInterrupt):
            bench.run(Stage.SUBMIT)

    assert gate(bench) is not None
    assert bench.finish(first) is JobStatus.COMPLETED
    assert bench.finish(second) is JobStatus.COMPLETED
    assert bench.provider.calls["create"] == 2


def test_the_gate_of_a_worker_that_died_after_the_record_is_taken_over_and_its_batch_noted(
    bench: WorkerBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = bench.enqueue(3)
    bench.run(Stage.PLAN)
    with monkeypatch.context() as dying:
        dying.setattr(bench.context.gates, "note", lambda *_: None)
        dying.setattr(bench.context.gates, "leave", lambda *_: None)
        bench.run(Stage.SUBMIT)
    known = bench.shard(first).batch_id
    assert known
    assert gate(bench) is not None
    second = bench.enqueue(3)
    bench.run(Stage.PLAN)
    bench.provider.fail("create", lost_reply())

    assert bench.finish(second) is JobStatus.COMPLETED
    assert bench.shard(second).batch_id != known
    assert bench.context.gates.noted("openai", [known]) == {known}


def test_a_shard_that_cannot_be_built_does_not_hold_up_the_others(bench: WorkerBench) -> None:
    broken, whole = bench.enqueue(3), bench.enqueue(3)
    bench.run(Stage.PLAN)
    bench.redis.delete(keys.input_chunks(broken.id))
    for _ in range(2):
        with suppress(LedgerError):  # the drain logs it and goes on
            bench.run(Stage.SUBMIT)

    bench.run(Stage.SUBMIT)

    assert bench.shard(whole).state == ShardState.SUBMITTED


def test_a_gate_is_replaced_only_as_long_as_its_holder_is_the_one_that_was_seen(bench: WorkerBench) -> None:
    first, second = bench.enqueue(3), bench.enqueue(3)
    bench.run(Stage.PLAN)
    mine, other = bench.shard(first), bench.shard(second)
    gates = Gates(bench.redis)
    assert gates.enter(other) is None
    seen = gates.enter(mine)
    assert seen is not None
    assert gates.shard_of(seen) == other.id
    next_one = replace(other, token=str(int(other.token) + 1))
    assert gates.enter(next_one) is None  # the same shard's next creation

    assert gates.enter(mine, instead_of=seen) is not None
    gates.leave(next_one)
    assert gates.enter(mine) is None


def test_whoever_lost_the_lease_neither_takes_nor_frees_its_successors_gate(bench: WorkerBench) -> None:
    job = bench.enqueue(3)
    bench.run(Stage.PLAN)
    before = replace(bench.shard(job), token="99")
    successor = replace(before, token="100")
    gates = Gates(bench.redis)
    gates.enter(before)
    gates.enter(successor)

    assert gates.enter(before) == f"{successor.id}/100"
    gates.leave(before)
    assert gate(bench) == f"{successor.id}/100".encode()


def test_a_refusal_that_comes_after_the_lease_was_lost_frees_no_gate(bench: WorkerBench) -> None:
    job = bench.enqueue(3)
    bench.run(Stage.PLAN)

    def refused_late(_: Submission) -> RemoteBatch:
        bench.later(130)
        bench.run(Stage.SUBMIT, worker=bench.worker())
        raise ProviderBusyError("openai", "too many requests")

    bench.provider.create = refused_late  # type: ignore[method-assign]
    bench.run(Stage.SUBMIT)

    assert bench.shard(job).state == ShardState.SUBMITTING
    assert gate(bench) is not None


def test_a_shard_that_gave_a_batch_back_does_not_take_the_one_that_another_looks_for(
    bench: WorkerBench,
) -> None:
    job = bench.enqueue(3)
    bench.run(Stage.PLAN)
    bench.provider.fail("create", lost_reply())
    bench.run(Stage.SUBMIT)
    theirs = foreign(bench)
    bench.later(91)
    bench.run(Stage.SUBMIT)
    assert bench.shard(job).batch_id == theirs
    other = lost(bench)

    bench.provider.end(theirs)
    bench.later(20)
    bench.run(Stage.POLL, Stage.COLLECT, Stage.SUBMIT)

    assert bench.shard(job).state == ShardState.SUBMITTING
    assert bench.finish(job) is JobStatus.COMPLETED
    assert bench.finish(other) is JobStatus.COMPLETED
    assert len(bench.provider.batches) == 3  # theirs, and one for each job


def test_a_batch_that_ended_empty_proves_nothing_and_is_not_deleted_at_the_provider() -> None:
    bench = unmarked(clean_up_after_s=0)
    job = lost(bench)
    bench.later(91)
    bench.run(Stage.SUBMIT)
    (batch_id,) = bench.provider.batches
    bench.provider.results[batch_id] = [b"kept"]
    expired = replace(bench.provider.batches[batch_id], phase=BatchPhase.EXPIRED, status="ended")
    bench.provider.batches[batch_id] = replace(expired, completed=0)
    bench.provider.lines = lambda _: iter(())  # type: ignore[method-assign]
    for _ in range(10):
        bench.later(400)
        bench.run()

    assert job.status() is JobStatus.EXPIRED
    assert bench.shard(job).unconfirmed
    assert bench.provider.results == {batch_id: [b"kept"]}


def test_a_malformed_record_that_holds_the_gate_does_not_stop_the_account(bench: WorkerBench) -> None:
    broken, whole = bench.enqueue(3), bench.enqueue(3)
    bench.run(Stage.PLAN)
    (shard,) = [one for one in bench.queue.lease_shards(Stage.SUBMIT, 2) if one.job_id == broken.id]
    assert bench.context.gates.enter(shard) is None
    bench.redis.hset(keys.work(keys.partition_of(broken.id), shard.id), "segment", "no JSON")

    bench.later(130)
    for _ in range(2):  # setting the malformed one aside counts as no work, and may come first
        bench.run(Stage.SUBMIT)

    assert bench.shard(whole).state == ShardState.SUBMITTED


def test_a_batch_of_ours_that_came_late_is_not_stopped_for_one_that_may_be_anothers(
    bench: WorkerBench,
) -> None:
    job = bench.enqueue(3)
    bench.run(Stage.PLAN)

    def found_meanwhile() -> None:
        theirs = foreign(bench)
        bench.later(400)
        bench.run(Stage.SUBMIT, worker=bench.worker())
        assert bench.shard(job).batch_id == theirs

    bench.provider.meanwhile("create", found_meanwhile)
    bench.run(Stage.SUBMIT)

    assert bench.provider.calls["cancel"] == 0
    assert bench.finish(job) is JobStatus.COMPLETED
    assert bench.provider.calls["create"] == 2
    bench.assert_whole(job)
