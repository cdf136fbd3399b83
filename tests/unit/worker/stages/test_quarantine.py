"""What kills its workers, or cannot be read, stops nothing else, is not paid for twice, and does not spin."""

from __future__ import annotations

import errno
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any, BinaryIO

import fakeredis
import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import OutOfMemoryError, RedisError

from batchline import BatchError, ErrorType, InvalidInputError, JobStatus, WaitTimeoutError
from batchline_shared.errors import LedgerError
from batchline_shared.ledger import SetAside, ShardState, Stage, batch_decision, keys, overview
from batchline_worker.providers.base import BatchPhase
from batchline_worker.stages import submit
from batchline_worker.ticking import tick
from scripted_provider import ScriptedProvider, lost_reply
from worker_bench import WORK, WorkerBench, says

if TYPE_CHECKING:
    from batchline import Job

LIMIT = 3


@pytest.fixture
def bench() -> WorkerBench:
    return WorkerBench(fakeredis.FakeRedis(), quarantine_after=LIMIT)


def pass_leases(bench: WorkerBench) -> None:
    """Let every lease run out, and every wait after it."""
    bench.later((LIMIT + 1) * bench.settings.lease_s)


def die(bench: WorkerBench, stage: Stage, *, times: int = LIMIT) -> None:
    """Let workers die over whatever they lease in a stage."""
    for _ in range(times):
        while not bench.context.work._lease(stage, 50):
            pass_leases(bench)
        pass_leases(bench)
    for _ in range(LIMIT):
        # The last of them has to be noticed, and its wait to pass.
        WORK[stage](bench.context)
        pass_leases(bench)


def asides(bench: WorkerBench) -> list[tuple[str, str]]:
    return [(one.stage, one.member) for one in SetAside(bench.redis).records(100)]


def test_requests_of_a_shard_that_was_never_sent_end_as_errors_and_the_job_ends(bench: WorkerBench) -> None:
    job = bench.enqueue(3)
    bench.run(Stage.PLAN)

    die(bench, Stage.SUBMIT)

    assert bench.finish(job) is JobStatus.FAILED
    assert {one.error_type for one in job.results() if not one.success} == {ErrorType.INVALID_REQUEST}
    assert "3 workers in a row have died over it" in job.info().message
    assert bench.provider.calls["create"] == 0
    bench.assert_whole(job)


def test_a_shard_that_is_handled_in_between_is_never_quarantined(bench: WorkerBench) -> None:
    job = bench.submitted(2)
    for _ in range(3 * LIMIT):
        bench.later(400)
        bench.queue.lease_shards(Stage.POLL, 1)  # its worker dies
        pass_leases(bench)
        bench.run(Stage.POLL)

    assert bench.shard(job).crashes <= 1
    assert bench.finish(job) is JobStatus.COMPLETED


def test_a_creation_of_unknown_outcome_becomes_in_doubt_and_is_not_repeated(bench: WorkerBench) -> None:
    job = bench.enqueue(3)
    bench.run(Stage.PLAN)
    bench.provider.fail("create", lost_reply(), done=True)
    bench.run(Stage.SUBMIT)
    bench.later(100)

    die(bench, Stage.SUBMIT)

    assert bench.shard(job).state == ShardState.IN_DOUBT
    assert bench.provider.calls["create"] == 1
    assert asides(bench) == []


@pytest.mark.parametrize("stage", [Stage.POLL, Stage.COLLECT])
def test_a_batch_that_is_paid_for_is_kept_until_a_person_has_it_worked_on_again(
    bench: WorkerBench, stage: Stage
) -> None:
    job = bench.submitted(3)
    bench.provider.end_all()
    bench.later(20)
    if stage is Stage.COLLECT:
        bench.run(Stage.POLL)

    die(bench, stage)

    shard = bench.shard(job)
    assert asides(bench) == [(stage, shard.id)]
    assert bench.due_in_s(shard.id, stage) is None
    assert job.batches()[0].state == "quarantined"
    assert "set aside" in job.info().message
    assert overview(bench.redis).set_aside == 1

    assert job.release() == [shard.id]

    assert bench.finish(job) is JobStatus.COMPLETED
    assert bench.provider.calls["create"] == 1
    assert overview(bench.redis).set_aside == 0
    bench.assert_whole(job)


def test_what_a_person_gives_up_ends_as_unknown_and_its_batch_is_cancelled(bench: WorkerBench) -> None:
    job = bench.submitted(3)
    bench.later(20)
    die(bench, Stage.POLL)
    shard = bench.shard(job)

    assert job.release(shard.id, give_up=True) == [shard.id]
    bench.run(Stage.POLL)

    assert bench.provider.batches[shard.batch_id].phase is BatchPhase.CANCELLING
    assert bench.finish(job) is JobStatus.FAILED
    assert {one.error_type for one in job.results() if not one.success} == {ErrorType.UNKNOWN}
    assert shard.batch_id in str(job.results()[0])
    assert bench.provider.calls["create"] == 1


def test_a_shard_whose_end_kills_workers_too_is_set_aside(bench: WorkerBench) -> None:
    job = bench.enqueue(3)
    bench.run(Stage.PLAN)
    die(bench, Stage.SUBMIT, times=LIMIT + 1)

    assert asides(bench) == [(Stage.SUBMIT, bench.shard(job).id)]
    assert job.release(bench.shard(job).id, give_up=True)
    assert bench.finish(job) is JobStatus.FAILED
    assert {one.error_type for one in job.results() if not one.success} == {ErrorType.INVALID_REQUEST}


def test_a_shard_that_kills_the_poller_takes_no_other_with_it(bench: WorkerBench) -> None:
    jobs = [bench.submitted(1) for _ in range(6)]
    poison = bench.shard(jobs[2]).id
    crashes: dict[str, int] = {}
    for _ in range(200):  # a worker starts at a random partition: one may come after the poison for long
        bench.later(400)
        while shards := bench.context.work.lease_shards(Stage.POLL, 50):
            if poison in [one.id for one in shards]:
                break  # all that this worker holds dies with it
            for one in shards:
                bench.context.work.release(one, ShardState.SUBMITTED, (Stage.POLL, Stage.POLL), 10.0)
        crashes = {job.id: bench.shard(job).crashes for job in jobs}
        of_poison = crashes.pop(jobs[2].id)
        assert max(crashes.values()) <= 1, "leased together with it before it was known"
        if of_poison >= 4 * LIMIT and set(crashes.values()) == {0}:
            return

    pytest.fail(f"still counted as crashed: {crashes}")


class Deadly(ScriptedProvider):
    """Kills the worker that uploads a certain request."""

    def upload(self, buffer: BinaryIO, *, name: str) -> str:
        buffer.seek(0)
        if b"poison" in buffer.read():
            raise KeyboardInterrupt
        return super().upload(buffer, name=name)


def test_riders_part_until_the_one_that_kills_workers_stands_alone() -> None:
    bench = WorkerBench(fakeredis.FakeRedis(), Deadly(), quarantine_after=LIMIT)
    texts = ["a", "poison", "b", "c"]
    jobs = [bench.client.enqueue("openai/gpt-4o-mini", None, [says(text)], linger_s=5) for text in texts]
    died = 0
    while not all(job.status().is_final for job in jobs):
        assert died < 10 * LIMIT
        try:
            bench.run()
        except KeyboardInterrupt:
            died += 1
        bench.provider.end_all()
        pass_leases(bench)

    assert [job.status() for job in jobs] == [
        JobStatus.COMPLETED,
        JobStatus.FAILED,
        JobStatus.COMPLETED,
        JobStatus.COMPLETED,
    ]
    assert sum(data.count(b"\n") for data in bench.provider.inputs.values()) == 3
    assert died == 3 * LIMIT  # four together, two, and one


@pytest.mark.parametrize("stage", [Stage.PLAN, Stage.SETTLE])
def test_a_job_whose_own_handling_kills_workers_is_set_aside_and_released(
    bench: WorkerBench, stage: Stage
) -> None:
    job = bench.enqueue(3)
    if stage is Stage.SETTLE:
        bench.run(Stage.PLAN, Stage.SUBMIT)
        bench.provider.end_all()
        bench.later(20)
        bench.run(Stage.POLL, Stage.COLLECT)

    die(bench, stage)

    assert (stage, job.id) in asides(bench)
    assert "set aside" in job.info().message
    assert bench.finish(bench.enqueue(2)) is JobStatus.COMPLETED
    job.release()
    assert bench.finish(job) is JobStatus.COMPLETED


def test_only_what_is_set_aside_can_be_released(bench: WorkerBench) -> None:
    job = bench.submitted(1)

    with pytest.raises(InvalidInputError, match="nothing of"):
        job.release()
    with pytest.raises(InvalidInputError, match="name the shard"):
        job.release(give_up=True)


def test_what_has_ended_by_other_ways_is_forgotten(bench: WorkerBench) -> None:
    job = bench.submitted(1)
    bench.later(20)
    die(bench, Stage.POLL)
    partition = keys.partition_of(job.id)
    bench.redis.delete(keys.work(partition, bench.shard(job).id))
    bench.redis.delete(keys.LIST_SWEEP, keys.TICK)

    tick(bench.context)

    assert overview(bench.redis).set_aside == 0


# --- records that cannot be read -------------------------------------------------------------


def spoilt(bench: WorkerBench, job: Job[str], how: str) -> None:
    work = keys.work(keys.partition_of(job.id), bench.shard(job).id)
    changes: dict[str, dict[str, Any]] = {
        "segment": {"segment": b"\xff{"},
        "number": {"inputs": "many"},
        "state": {"state": "dancing"},
        "owner": {"job": "job_00000000000000000000"},
        "token": {"token": "x", "inputs": "many"},
        "lease": {"lease_until": "soon", "inputs": "many"},
        "crashes": {"crashes": "x", "suspect": 1, "inputs": "many"},
    }
    if how == "type":
        bench.redis.delete(work)
        bench.redis.set(work, "a string")
    elif how == "missing":
        bench.redis.hdel(work, "segment")
    else:
        bench.redis.hset(work, mapping=changes[how])


@pytest.mark.parametrize(
    "how", ["segment", "number", "state", "owner", "token", "lease", "crashes", "type", "missing"]
)
def test_a_shards_record_that_cannot_be_read_is_set_aside_and_others_go_on(
    bench: WorkerBench, how: str
) -> None:
    broken, healthy = bench.enqueue(1), bench.enqueue(2)
    bench.run(Stage.PLAN)
    shard = bench.shard(broken).id
    spoilt(bench, broken, how)

    bench.run()

    assert bench.shard(healthy).state == ShardState.SUBMITTED
    assert asides(bench) == [(Stage.SUBMIT, shard)]
    assert bench.due_in_s(shard, Stage.SUBMIT) is None
    tick(bench.context)


def test_a_record_that_was_mended_goes_on_once_it_is_released(bench: WorkerBench) -> None:
    job = bench.enqueue(1)
    bench.run(Stage.PLAN)
    work = keys.work(keys.partition_of(job.id), bench.shard(job).id)
    segment = bench.redis.hget(work, "segment")
    bench.redis.hset(work, "segment", "[")
    bench.run(Stage.SUBMIT)
    bench.redis.hset(work, "segment", segment)

    job.release()

    assert bench.finish(job) is JobStatus.COMPLETED


@pytest.mark.parametrize("stage", list(Stage))
def test_garbage_in_a_due_set_stops_no_stage(bench: WorkerBench, stage: Stage) -> None:
    work = keys.work_prefix(3).encode()
    for member in (b"nobody", b"a string", b"../../x"):
        bench.redis.zadd(keys.due(3, stage), {member: 1})
    bench.redis.set(work + b"a string", "?")
    bench.redis.hset(work + b"../../x", "state", "pending")

    bench.run(stage)

    assert {member for _, member in asides(bench)} == {"a string", "../../x"}
    assert bench.redis.zcard(keys.due(3, stage)) == 0


@pytest.mark.parametrize("stage", [Stage.PLAN, Stage.SUBMIT, Stage.COLLECT, Stage.SETTLE, Stage.DEADLINE])
@pytest.mark.parametrize("wrong", ["field", "type"])
def test_a_jobs_record_that_cannot_be_read_sets_its_work_aside(
    bench: WorkerBench, stage: Stage, wrong: str
) -> None:
    job = bench.enqueue(2, deadline=timedelta(hours=1))
    order = [Stage.PLAN, Stage.SUBMIT, Stage.POLL, Stage.COLLECT, Stage.SETTLE]
    if stage is Stage.DEADLINE:
        bench.later(3700)
    else:
        for one in order[: order.index(stage)]:
            bench.run(one)
            bench.provider.end_all()
            bench.later(20)
    if wrong == "field":
        bench.redis.hset(keys.meta(job.id), "metadata", "{")
    else:
        bench.redis.delete(keys.meta(job.id))
        bench.redis.set(keys.meta(job.id), "a string")

    WORK[stage](bench.context)

    assert [name for name, _ in asides(bench)] == [stage]
    assert WORK[stage](bench.context) == 0


def test_one_broken_job_in_a_shared_batch_keeps_no_other_from_its_answers(bench: WorkerBench) -> None:
    jobs = [bench.enqueue(1, linger_s=5) for _ in range(3)]
    bench.run(Stage.PLAN, Stage.SUBMIT)
    bench.later(8)
    bench.run(Stage.SUBMIT)
    bench.later(8)
    bench.run(Stage.SUBMIT)
    (batch_id,) = bench.provider.batches
    metadata = bench.redis.hget(keys.meta(jobs[0].id), "metadata")
    bench.redis.hset(keys.meta(jobs[0].id), "metadata", "{")
    bench.provider.end(batch_id)
    bench.later(400)
    bench.run()

    assert [job.status() for job in jobs[1:]] == [JobStatus.COMPLETED] * 2
    assert asides(bench) == [(Stage.SETTLE, jobs[0].id)]

    bench.redis.hset(keys.meta(jobs[0].id), "metadata", metadata)
    jobs[0].release()
    assert bench.finish(jobs[0]) is JobStatus.COMPLETED
    assert bench.provider.calls["create"] == 1


def test_what_has_gone_on_by_itself_is_not_brought_back_and_paid_for_once(bench: WorkerBench) -> None:
    job = bench.enqueue(3)
    bench.run(Stage.PLAN)
    bench.provider.fail("create", lost_reply(), done=True)
    bench.run(Stage.SUBMIT)
    bench.later(100)
    die(bench, Stage.SUBMIT)
    shard = bench.shard(job)
    assert shard.state == ShardState.IN_DOUBT
    bench.redis.zadd(keys.due(keys.partition_of(job.id), Stage.SUBMIT), {shard.id: 1})
    (leased,) = bench.queue.lease_shards(Stage.SUBMIT, 1)
    bench.queue.set_aside(leased, Stage.SUBMIT, "its job cannot be read")
    (batch_id,) = bench.provider.batches
    with pytest.raises(WaitTimeoutError):
        job.resolve(shard.id, batch_id=batch_id, timeout_s=0)
    bench.run(Stage.SUBMIT)
    assert (bench.shard(job).state, bench.shard(job).batch_id) == (ShardState.SUBMITTED, batch_id)

    with pytest.raises(InvalidInputError, match="nothing of"):
        job.release()
    bench.run(Stage.SUBMIT)

    assert asides(bench) == []
    assert bench.provider.calls["create"] == 1
    assert job.batches()[0].state != "quarantined"
    assert bench.finish(job) is JobStatus.COMPLETED


def found_by_an_audit(bench: WorkerBench) -> tuple[Job[str], str]:
    """A job whose shard looks unsent, as in a ledger that was restored, and its batch."""
    job = bench.enqueue(3)
    bench.run(Stage.PLAN)
    bench.provider.fail("create", lost_reply(), done=True)
    bench.run(Stage.SUBMIT)
    shard = bench.shard(job)
    bench.redis.hset(keys.work(keys.partition_of(job.id), shard.id), "state", ShardState.UPLOADED)
    (batch_id,) = bench.provider.batches
    bench.queue.resolve(shard.id, batch_decision(batch_id), states=[ShardState.UPLOADED])
    return job, batch_id


def test_a_shard_whose_batch_an_audit_has_found_is_not_taken_for_unsent(bench: WorkerBench) -> None:
    job, batch_id = found_by_an_audit(bench)

    die(bench, Stage.SUBMIT)

    assert asides(bench) == [(Stage.SUBMIT, bench.shard(job).id)]
    job.release()
    assert bench.finish(job) is JobStatus.COMPLETED
    assert bench.shard(job).batch_id == batch_id
    assert bench.provider.calls["create"] == 1


def test_a_shard_that_is_given_up_after_its_batch_was_found_may_have_been_paid_for(
    bench: WorkerBench,
) -> None:
    job, batch_id = found_by_an_audit(bench)
    die(bench, Stage.SUBMIT)
    assert job.release(bench.shard(job).id, give_up=True)

    assert bench.finish(job) is JobStatus.FAILED
    ends = [one for one in job.results() if isinstance(one, BatchError)]
    assert {one.error_type for one in ends} == {ErrorType.UNKNOWN}
    assert batch_id in ends[0].error_message
    assert bench.provider.calls["create"] == 1


def test_a_suspect_that_was_polled_lets_the_next_be_handled(bench: WorkerBench) -> None:
    jobs = [bench.submitted(1) for _ in range(3)]
    for job in jobs:
        bench.redis.hset(
            keys.work(keys.partition_of(job.id), bench.shard(job).id), mapping={"crashes": 2, "suspect": 1}
        )
    bench.later(400)

    assert bench.run(Stage.POLL) == len(jobs)
    assert bench.redis.get(keys.SUSPECT) is None


@pytest.mark.parametrize("state", [ShardState.PENDING, ShardState.SUBMITTING])
def test_a_gate_of_what_is_set_aside_stops_no_other_creation(state: ShardState) -> None:
    provider = ScriptedProvider("anthropic", takes_files=False, marks_batches=False)
    bench = WorkerBench(fakeredis.FakeRedis(), provider, quarantine_after=LIMIT)
    jobs = [bench.client.enqueue("anthropic/claude-sonnet-4-5", None, [says("q")]) for _ in range(2)]
    bench.run(Stage.PLAN)
    (dead,) = bench.queue.lease_shards(Stage.SUBMIT, 1)
    assert bench.context.gates.enter(dead) is None
    bench.redis.hset(keys.work(keys.partition_of(dead.job_id), dead.id), "state", state)
    bench.queue.set_aside(dead, Stage.SUBMIT, "it kills")

    bench.run(Stage.SUBMIT)
    bench.later(60)
    bench.run(Stage.SUBMIT)

    states = {bench.shard(job).state for job in jobs}
    assert states == {state, ShardState.SUBMITTED}


@pytest.mark.parametrize("by", ["a person", "its deadline"])
def test_a_broken_record_keeps_nobody_from_cancelling_the_rest(by: str) -> None:
    bench = WorkerBench(fakeredis.FakeRedis(), shard_max_requests=1)
    job = bench.enqueue(3, deadline=timedelta(hours=1))
    bench.run(Stage.PLAN, Stage.SUBMIT)
    if by == "its deadline":
        bench.later(4000)
    broken, *others = bench.shards(job)
    work = keys.work(keys.partition_of(job.id), broken.id)
    bench.redis.delete(work)
    bench.redis.set(work, "not a hash")

    if by == "a person":
        job.cancel()
    else:
        bench.run(Stage.DEADLINE)
    bench.run(Stage.POLL)

    phases = [bench.provider.batches[shard.batch_id].phase for shard in others]
    assert phases == [BatchPhase.CANCELLING] * 2


def test_a_deadline_that_was_set_aside_is_released_with_its_job(bench: WorkerBench) -> None:
    job = bench.enqueue(2, deadline=timedelta(hours=1))
    bench.run(Stage.PLAN, Stage.SUBMIT)
    bench.redis.hset(keys.meta(job.id), "total", "garbage")
    bench.later(4000)
    bench.run(Stage.DEADLINE)
    ((stage, timer),) = asides(bench)
    assert stage == Stage.DEADLINE
    bench.redis.hset(keys.meta(job.id), "total", 2)

    assert job.release() == [timer]
    bench.run(Stage.DEADLINE, Stage.POLL)

    assert bench.provider.batches[bench.shard(job).batch_id].phase is BatchPhase.CANCELLING
    assert asides(bench) == []


def test_a_notice_that_was_set_aside_is_released_with_its_job(bench: WorkerBench) -> None:
    job = bench.submitted(1, on_complete="tasks.tell")
    bench.provider.end_all()
    bench.later(400)
    bench.run(Stage.POLL, Stage.COLLECT, Stage.SETTLE)
    (leased,) = bench.queue.lease_deliveries(1)
    bench.queue.set_aside(leased, Stage.NOTIFY, "its record cannot be read")

    assert job.release() == [leased.id]
    bench.run(Stage.NOTIFY)

    assert [one.state for one in job.deliveries()] == ["delivered"]


def test_a_broken_record_is_shown_and_the_other_parts_too() -> None:
    bench = WorkerBench(fakeredis.FakeRedis(), shard_max_requests=1)
    job = bench.enqueue(2)
    bench.run(Stage.PLAN)
    broken, whole = bench.shards(job)
    bench.redis.hset(keys.work(keys.partition_of(job.id), broken.id), "segment", "garbage")

    first, second = job.batches()

    assert (first.shard, first.state) == (broken.id, "quarantined")
    assert "malformed" in first.message
    assert second.shard == whole.id
    with pytest.raises(InvalidInputError, match="not in doubt"):
        job.resolve(whole.id, batch_id=None, timeout_s=0)
    with pytest.raises(LedgerError, match="malformed"):
        job.resolve(broken.id, batch_id=None, timeout_s=0)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EMFILE], ids=["full", "files"])
def test_a_disk_that_is_full_is_no_crash_of_what_could_not_be_built(
    bench: WorkerBench, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    job = bench.enqueue(2)
    bench.run(Stage.PLAN)

    def fail(*_: object, **__: object) -> None:
        raise OSError(number, "as the system says")

    with monkeypatch.context() as trouble:
        trouble.setattr(submit, "build_input", fail)
        for _ in range(2 * LIMIT):
            bench.later(400)
            with pytest.raises(OSError, match="as the system says"):
                WORK[Stage.SUBMIT](bench.context)

    assert asides(bench) == []
    assert bench.shard(job).crashes == 0
    assert bench.finish(job) is JobStatus.COMPLETED


@pytest.mark.parametrize("error", [OutOfMemoryError("full"), RedisConnectionError("away")])
def test_what_redis_does_not_let_a_worker_write_is_no_crash(
    bench: WorkerBench, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    running, ended, waiting = bench.submitted(2), bench.submitted(2), bench.enqueue(2)
    bench.run(Stage.PLAN)
    bench.provider.end(bench.shard(ended).batch_id)
    bench.poll_now(bench.shard(ended).id)
    bench.run(Stage.POLL)

    def refuse(*_: object, **__: object) -> None:
        raise error

    with monkeypatch.context() as trouble:
        for name in ("release", "keep", "renew", "close_shard"):
            trouble.setattr(bench.context.work, name, refuse)
        for _ in range(2 * LIMIT):
            bench.later(400)
            for stage in (Stage.SUBMIT, Stage.POLL, Stage.COLLECT):
                with suppress(RedisError):
                    WORK[stage](bench.context)

    assert asides(bench) == []
    for job in (waiting, running, ended):
        assert bench.shard(job).crashes == 0
        assert bench.finish(job) is JobStatus.COMPLETED
