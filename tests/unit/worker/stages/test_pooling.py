"""Pooling: small jobs share batches, and none of them suffers from it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import fakeredis
import orjson
import pytest
from pydantic import BaseModel

from batchline import BatchError, BatchSuccess, ErrorType, JobStatus, RetryPolicy
from batchline_shared.errors import ProviderAuthError, ProviderRejectedError
from batchline_shared.ledger import ShardState, ShardWork, Stage, keys
from batchline_worker.providers.base import BatchPhase, LineError
from batchline_worker.stages import submit
from scripted_provider import ScriptedProvider, answer_line, error_line, lost_reply
from worker_bench import WorkerBench, says

if TYPE_CHECKING:
    from batchline import Job

LINGER_S = 30.0


class Colour(BaseModel):
    name: str


class Size(BaseModel):
    metres: float


def pooled(bench: WorkerBench, count: int = 3, rows: int = 1, **arguments: Any) -> list[Job[str]]:
    """Jobs whose riders are all in their pool."""
    jobs = [bench.enqueue(rows, linger_s=LINGER_S, **arguments) for _ in range(count)]
    bench.run(Stage.PLAN, Stage.SUBMIT)
    return jobs


def carriers(bench: WorkerBench) -> list[ShardWork]:
    found = []
    for partition in range(keys.PARTITIONS):
        prefix = keys.work_prefix(partition)
        for key in bench.redis.scan_iter(match=f"{prefix}pool-*"):
            shard = bench.queue.shard(key.decode().removeprefix(prefix))
            assert shard is not None
            found.append(shard)
    return sorted(found, key=lambda shard: shard.id)


def depart(bench: WorkerBench) -> None:
    """Let the time of all pools be up, and their carriers be submitted."""
    bench.later(LINGER_S + 1)
    bench.run(Stage.SUBMIT)
    bench.later(2)
    bench.run(Stage.SUBMIT)


def asked(bench: WorkerBench) -> list[list[str]]:
    """What each batch was asked, by the texts of its requests."""
    return [
        [orjson.loads(line)["body"]["messages"][0]["content"] for line in data.splitlines()]
        for data in bench.provider.inputs.values()
    ]


def failures(job: Job[str]) -> list[BatchError]:
    return [one for one in job.results() if isinstance(one, BatchError)]


def successes(job: Job[str]) -> list[BatchSuccess[str]]:
    return [one for one in job.results() if isinstance(one, BatchSuccess)]


def no_trace(bench: WorkerBench) -> bool:
    """Whether no rider is a passenger any more."""
    return not list(bench.redis.scan_iter(match="*:passengers:*"))


def test_small_jobs_share_one_batch_and_each_gets_its_own_answers(bench: WorkerBench) -> None:
    bench.provider.answer = lambda one: answer_line(one, text=one)
    jobs = [
        bench.client.enqueue(
            "openai/gpt-4o-mini", None, [says(f"{name} {n}") for n in range(count)], linger_s=LINGER_S
        )
        for name, count in (("a", 1), ("b", 3), ("c", 2))
    ]
    bench.run()
    assert bench.provider.calls["create"] == 0
    depart(bench)

    assert all(bench.finish(job) is JobStatus.COMPLETED for job in jobs)
    (texts,) = asked(bench)
    assert sorted(texts) == ["a 0", "b 0", "b 1", "b 2", "c 0", "c 1"]
    wire_ids = bench.provider.wire_ids(next(iter(bench.provider.inputs)))
    for job, name in zip(jobs, "abc", strict=True):
        bench.assert_whole(job)
        answers = [one.result for one in sorted(successes(job), key=lambda one: one.custom_id)]
        assert answers == [wire_ids[texts.index(f"{name} {n}")] for n in range(len(answers))]
    assert no_trace(bench)


def test_a_job_that_does_not_linger_has_its_own_batch(bench: WorkerBench) -> None:
    jobs = [bench.submitted(1) for _ in range(3)]

    assert bench.provider.calls["create"] == 3
    assert all(bench.finish(job) is JobStatus.COMPLETED for job in jobs)


def test_the_setting_says_how_long_jobs_linger_that_say_nothing() -> None:
    bench = WorkerBench(fakeredis.FakeRedis(), linger_s=5.0)
    bench.submitted(1)
    assert bench.provider.calls["create"] == 0
    bench.submitted(1, linger_s=0)

    assert bench.provider.calls["create"] == 1


def test_a_pool_departs_when_its_oldest_members_time_is_up(bench: WorkerBench) -> None:
    pooled(bench, 1)
    bench.later(LINGER_S - 2)
    bench.run()
    pooled(bench, 1)
    assert bench.provider.calls["create"] == 0
    bench.later(2.1)
    bench.run(Stage.SUBMIT)
    bench.later(1)
    bench.run(Stage.SUBMIT)

    assert [len(texts) for texts in asked(bench)] == [2]


def test_a_member_that_is_in_more_of_a_hurry_takes_the_others_along(bench: WorkerBench) -> None:
    pooled(bench, 2)
    bench.enqueue(1, linger_s=3)
    bench.run()
    bench.later(3.1)
    bench.run()
    bench.later(1)
    bench.run()

    assert [len(texts) for texts in asked(bench)] == [3]


def test_a_full_pool_departs_at_once_and_the_next_member_opens_another() -> None:
    bench = WorkerBench(fakeredis.FakeRedis(), shard_max_requests=4)
    jobs = pooled(bench, 3, rows=2)
    bench.later(1)
    bench.run(Stage.SUBMIT)
    assert [len(texts) for texts in asked(bench)] == [4]
    depart(bench)

    assert [len(texts) for texts in asked(bench)] == [4, 2]
    assert [bench.finish(job) for job in jobs] == [JobStatus.COMPLETED] * 3


def test_only_what_does_not_fill_a_batch_of_its_own_shares_one() -> None:
    bench = WorkerBench(fakeredis.FakeRedis(), shard_max_requests=4)
    first, second = pooled(bench, 2, rows=5)
    assert sorted(len(texts) for texts in asked(bench)) == [4, 4]
    depart(bench)

    assert sorted(len(texts) for texts in asked(bench)) == [2, 4, 4]
    assert bench.finish(first) is bench.finish(second) is JobStatus.COMPLETED
    bench.assert_whole(first)


@pytest.mark.parametrize(
    "other",
    [
        {"model": "openai/gpt-4o"},
        {"endpoint": "/v1/responses"},
    ],
)
def test_jobs_of_another_model_or_endpoint_have_another_batch(
    bench: WorkerBench, other: dict[str, str]
) -> None:
    pooled(bench, 2)
    options = {"model": "openai/gpt-4o-mini", **other}
    bench.client.enqueue(options.pop("model"), None, [says()], linger_s=LINGER_S, **options)  # type: ignore[call-overload]
    bench.run(Stage.PLAN, Stage.SUBMIT)
    depart(bench)

    assert sorted(len(data.splitlines()) for data in bench.provider.inputs.values()) == [1, 2]


def test_jobs_share_a_batch_of_vertex_ai_only_if_they_agree_in_their_whole_template() -> None:
    bench = WorkerBench(fakeredis.FakeRedis(), ScriptedProvider(name="google", id_field="custom_id"))
    jobs = [
        bench.client.enqueue("google/gemini-2.5-flash", model, [says()], linger_s=LINGER_S)
        for model in (Colour, Colour, Size)
    ]
    bench.run(Stage.PLAN)
    first, second, third = (ride.pool for job in jobs if (ride := bench.shard(job).ride) is not None)

    assert first == second != third


def test_jobs_of_another_priority_wait_for_their_own_kind(bench: WorkerBench) -> None:
    pooled(bench, 1)
    pooled(bench, 1, priority="high")
    depart(bench)

    assert [len(texts) for texts in asked(bench)] == [1, 1]


def test_a_rider_alone_that_the_account_has_no_room_for_is_cut_like_any_shard(bench: WorkerBench) -> None:
    (job,) = pooled(bench, 1, rows=9)
    depart(bench)
    bench.provider.refuse(bench.provider.running()[0], tokens=carriers(bench)[0].tokens // 2)
    for _ in range(9):
        bench.later(20)
        bench.run()
        bench.provider.end_all()

    assert bench.finish(job) is JobStatus.COMPLETED
    assert max(map(len, asked(bench))) == 9
    assert max(map(len, asked(bench)[1:])) < 9
    bench.assert_whole(job)
    assert no_trace(bench)


def test_riders_together_that_the_account_has_no_room_for_go_in_smaller_batches(bench: WorkerBench) -> None:
    jobs = pooled(bench, 8)
    depart(bench)
    bench.provider.refuse(bench.provider.running()[0], tokens=carriers(bench)[0].tokens // 2)
    for _ in range(9):
        bench.later(LINGER_S + 1)
        bench.run()
        bench.provider.end_all()

    assert [bench.finish(job) for job in jobs] == [JobStatus.COMPLETED] * 8
    assert max(map(len, asked(bench)[1:])) < 8
    assert sum(map(len, asked(bench)[1:])) == 8
    assert no_trace(bench)


def test_jobs_with_other_options_share_a_batch_and_keep_them(bench: WorkerBench) -> None:
    pooled(bench, 1, temperature=0.5)
    pooled(bench, 1, max_tokens=7)
    depart(bench)
    ((first, second),) = (data.splitlines() for data in bench.provider.inputs.values())

    assert orjson.loads(first)["body"]["temperature"] == 0.5
    assert orjson.loads(second)["body"]["max_tokens"] == 7


def test_what_fails_is_tried_again_in_the_same_pool_by_each_jobs_own_policy(bench: WorkerBench) -> None:
    stubborn = pooled(bench, 2, retry=RetryPolicy(max_attempts=2, backoff_s=0))
    content = pooled(bench, 1, retry=RetryPolicy(max_attempts=1))
    depart(bench)
    bench.provider.answer = error_line
    bench.provider.end_all()
    bench.provider.answer = answer_line
    bench.later(20)
    bench.run()
    assert content[0].status() is JobStatus.FAILED
    depart(bench)

    assert [len(texts) for texts in asked(bench)] == [3, 2]
    assert [bench.finish(job) for job in stubborn] == [JobStatus.COMPLETED] * 2
    assert [one.attempts for job in stubborn for one in job.results()] == [2, 2]


def test_a_batch_that_expires_gives_each_job_what_its_policy_says(bench: WorkerBench) -> None:
    first, second = pooled(bench, 2)
    depart(bench)
    bench.provider.answer = lambda one: answer_line(one) if one.endswith("-0") else None
    bench.provider.end(bench.provider.running()[0], BatchPhase.EXPIRED)
    bench.run()
    bench.later(600)

    assert {bench.finish(first), bench.finish(second)} == {JobStatus.COMPLETED, JobStatus.EXPIRED}


def test_cancelling_a_job_that_waits_leaves_its_neighbours_alone(bench: WorkerBench) -> None:
    gone, *others = pooled(bench, 3)
    gone.cancel()
    bench.run()
    assert gone.status() is JobStatus.CANCELLED
    depart(bench)

    assert [len(texts) for texts in asked(bench)] == [2]
    assert [bench.finish(job) for job in others] == [JobStatus.COMPLETED] * 2
    bench.assert_whole(gone)
    assert no_trace(bench)


def test_cancelling_a_job_ends_it_at_once_while_the_batch_runs_on_for_the_others(bench: WorkerBench) -> None:
    gone, *others = pooled(bench, 3)
    depart(bench)
    gone.cancel()
    bench.run()

    assert gone.status() is JobStatus.CANCELLED
    assert bench.provider.calls["cancel"] == 0
    gone.delete()
    assert [bench.finish(job) for job in others] == [JobStatus.COMPLETED] * 2
    assert [len(texts) for texts in asked(bench)] == [3]
    assert no_trace(bench)


def test_a_batch_that_nobody_waits_for_any_more_is_cancelled(bench: WorkerBench) -> None:
    jobs = pooled(bench, 2)
    depart(bench)
    for job in jobs:
        job.cancel()
    bench.run()
    assert bench.provider.calls["cancel"] == 1
    bench.provider.end_all()
    bench.later(20)
    bench.run()

    assert [job.status() for job in jobs] == [JobStatus.CANCELLED] * 2
    assert [shard.state for shard in carriers(bench)] == [ShardState.DONE]


def test_a_pool_that_all_have_left_is_never_sent(bench: WorkerBench) -> None:
    for job in pooled(bench, 2):
        job.cancel()
    bench.run()
    late = pooled(bench, 1)
    depart(bench)

    assert [len(texts) for texts in asked(bench)] == [1]
    assert bench.finish(late[0]) is JobStatus.COMPLETED
    assert [shard.state for shard in carriers(bench)] == [ShardState.DONE] * 2


def test_a_job_that_was_cancelled_and_deleted_before_the_input_was_built_is_left_out(
    bench: WorkerBench,
) -> None:
    gone, *others = pooled(bench, 3)
    bench.provider.fail("upload", ProviderAuthError("openai", "no key"))
    depart(bench)
    assert [shard.state for shard in carriers(bench)] == [ShardState.PENDING]
    gone.cancel()
    bench.run(Stage.SUBMIT, Stage.SETTLE)
    gone.delete()
    bench.later(60)
    bench.run()

    assert [len(texts) for texts in asked(bench)] == [2]
    assert [bench.finish(job) for job in others] == [JobStatus.COMPLETED] * 2


def test_a_refusal_that_names_a_row_is_of_that_row_alone(bench: WorkerBench) -> None:
    jobs = pooled(bench, 3, rows=2)
    depart(bench)
    texts = asked(bench)[0]
    bench.provider.refuse(
        bench.provider.running()[0],
        LineError(1, "x", "bad", "body"),
        LineError(2, "x", "bad", "body"),
        LineError(4, "x", "bad", "body"),
    )
    bench.later(20)
    bench.run()
    again = asked(bench)[1]

    assert again == [texts[2], *texts[4:]]
    statuses = [bench.finish(job) for job in jobs]
    assert sorted(statuses) == [JobStatus.COMPLETED, JobStatus.COMPLETED, JobStatus.FAILED]
    assert sum(len(failures(job)) for job in jobs) == 3
    for job in jobs:
        bench.assert_whole(job)


@pytest.mark.parametrize("at", ["create", "batch"])
def test_a_refusal_that_names_no_row_fails_only_the_one_that_is_to_blame(bench: WorkerBench, at: str) -> None:
    jobs = pooled(bench, 5)
    bad = bench.client.enqueue("openai/gpt-4o-mini", None, [says("bad")], linger_s=LINGER_S)
    bench.run(Stage.PLAN, Stage.SUBMIT)
    original = bench.provider.create

    def create(submission: Any) -> Any:
        poisoned = b'"bad"' in bench.provider.files[submission.file_id]
        if poisoned and at == "create":
            raise ProviderRejectedError("openai", "something is wrong", status_code=400)
        batch = original(submission)
        if poisoned:
            bench.provider.refuse(batch.id, LineError(None, "bad", "something", None, of_requests=True))
        return batch

    bench.provider.create = create  # type: ignore[method-assign]
    for _ in range(5):
        depart(bench)
        bench.later(20)
        bench.run()

    assert [bench.finish(job) for job in jobs] == [JobStatus.COMPLETED] * 5
    assert bench.finish(bad) is JobStatus.FAILED
    assert [one.error_type for one in failures(bad)] == [ErrorType.INVALID_REQUEST]
    assert no_trace(bench)


def test_a_creation_of_unknown_outcome_is_looked_for_and_never_repeated(bench: WorkerBench) -> None:
    jobs = pooled(bench, 3)
    bench.provider.fail("create", lost_reply(), done=True)
    depart(bench)
    bench.later(200)

    assert [bench.finish(job) for job in jobs] == [JobStatus.COMPLETED] * 3
    assert bench.provider.calls["create"] == 1


def test_a_provider_without_marks_and_files_carries_pools_too() -> None:
    provider = ScriptedProvider(takes_files=False, marks_batches=False)
    bench = WorkerBench(fakeredis.FakeRedis(), provider)
    jobs = pooled(bench, 3)
    provider.fail("create", lost_reply(), done=True)
    depart(bench)
    bench.later(200)

    assert [bench.finish(job) for job in jobs] == [JobStatus.COMPLETED] * 3
    assert provider.calls["create"] == 1


def test_a_job_that_its_budget_holds_does_not_join(bench: WorkerBench, monkeypatch: Any) -> None:
    monkeypatch.setattr("batchline_worker.stages.budget.over_budget", lambda *_, **__: "too dear")
    job = bench.enqueue(1, linger_s=LINGER_S, max_cost_usd=1.0)
    bench.run()

    assert bench.shard(job).state == ShardState.PENDING
    assert carriers(bench) == []
    assert job.info().message == "too dear"


def test_the_jobs_of_a_carrier_are_shown_as_running_and_told_what_keeps_them(bench: WorkerBench) -> None:
    jobs = pooled(bench, 2)
    bench.provider.fail("create", ProviderAuthError("openai", "no key"))
    depart(bench)
    assert ["no key" in job.info().message for job in jobs] == [True, True]
    bench.later(60)
    bench.run()

    assert [job.status() for job in jobs] == [JobStatus.IN_PROGRESS] * 2
    assert [job.info().message for job in jobs] == ["", ""]


def test_files_of_a_carrier_are_cleaned_up_once_and_its_record_goes(bench: WorkerBench) -> None:
    jobs = pooled(bench, 2)
    depart(bench)
    for job in jobs:
        bench.finish(job)
    jobs[0].delete()
    bench.later(8 * 24 * 3600)
    bench.run()
    (carrier,) = carriers(bench)
    name = keys.work(keys.partition_of(carrier.job_id), carrier.id)

    assert bench.provider.calls["clean_up"] == 1
    assert bench.provider.files == {}
    assert 0 < bench.redis.ttl(name) <= bench.settings.retention_s
    assert bench.redis.ttl(keys.berths(keys.partition_of(carrier.job_id), carrier.id)) > 0
    assert [batch.batch_id for batch in jobs[1].batches()] == [carrier.batch_id]


def test_outcomes_that_were_lost_are_read_again_from_the_carriers_batch(bench: WorkerBench) -> None:
    jobs = pooled(bench, 3)
    depart(bench)
    bench.provider.end_all()
    bench.run(Stage.POLL)
    bench.later(20)
    bench.run(Stage.POLL, Stage.COLLECT)
    lost = jobs[1]
    bench.redis.delete(keys.done(lost.id), keys.outcomes(lost.id))
    for name in ("landed", "succeeded", "input_tokens", "output_tokens"):
        bench.redis.hset(keys.meta(lost.id), name, 0)

    assert [bench.finish(job) for job in jobs] == [JobStatus.COMPLETED] * 3
    assert bench.provider.calls["create"] == 1
    bench.assert_whole(lost)


def test_a_rider_whose_end_was_lost_reads_its_lines_alone(bench: WorkerBench) -> None:
    jobs = pooled(bench, 3)
    depart(bench)
    bench.provider.end_all()
    bench.later(20)
    before = bench.redis.hgetall(name := keys.work(keys.partition_of(jobs[1].id), bench.shard(jobs[1]).id))
    bench.run(Stage.POLL, Stage.COLLECT)
    # What a server that lost its last second comes back with.
    lost = jobs[1]
    bench.redis.delete(keys.done(lost.id), keys.outcomes(lost.id), name)
    bench.redis.hset(keys.meta(lost.id), mapping={"landed": 0, "succeeded": 0})
    bench.redis.hset(name, mapping=before)
    partition = keys.partition_of(lost.id)
    bench.redis.zadd(keys.due(partition, Stage.SUBMIT), {bench.shard(lost).id: 1})
    bench.redis.zrem(keys.due(partition, Stage.SETTLE), lost.id)
    bench.redis.hset(keys.work(partition, lost.id), mapping={"open": 1, "state": "wait"})

    assert bench.finish(lost) is JobStatus.COMPLETED
    assert bench.provider.calls["create"] == 1
    bench.assert_whole(lost)


class Dies(Exception):  # noqa: N818 - no error, but what a kill looks like from inside
    """The worker is gone."""


def steps(bench: WorkerBench) -> list[tuple[Any, str]]:
    pools, work = bench.context.pools, bench.context.work
    return [
        *((pools, name) for name in ("join", "carrier_of", "aboard", "leave", "close_rider", "close")),
        *((work, name) for name in ("release", "keep", "announce")),
    ]


@pytest.mark.parametrize("after", [0, 1])
@pytest.mark.parametrize("nth", [1, 2, 3])
@pytest.mark.parametrize("step", range(9))
def test_a_worker_that_dies_at_any_step_loses_nobody_and_sends_nobody_twice(
    bench: WorkerBench, monkeypatch: Any, step: int, nth: int, after: int
) -> None:
    jobs = [bench.enqueue(1, linger_s=LINGER_S) for _ in range(3)]
    owner, name = steps(bench)[step]
    original, calls = getattr(owner, name), []

    def dying(*args: Any, **kwargs: Any) -> Any:
        calls.append(args)
        if len(calls) == nth and not after:
            raise Dies
        reply = original(*args, **kwargs)
        if len(calls) == nth:
            raise Dies
        return reply

    monkeypatch.setattr(owner, name, dying)
    for _ in range(60):
        try:
            bench.run()
        except Dies:
            bench.later(130)
            continue
        bench.provider.end_all()
        if all(job.status().is_final for job in jobs):
            break
        bench.later(130)

    assert [job.status() for job in jobs] == [JobStatus.COMPLETED] * 3
    for job in jobs:
        bench.assert_whole(job)
    texts = [text for batch in asked(bench) for text in batch]
    assert len(texts) == 3, (name, nth, asked(bench))
    assert no_trace(bench)


def test_who_has_not_written_that_it_joined_is_left_out_and_joins_another(
    bench: WorkerBench, monkeypatch: Any
) -> None:
    pooled(bench, 2)
    late = bench.enqueue(1, linger_s=LINGER_S)
    bench.run(Stage.PLAN)
    release, other = bench.context.work.release, bench.worker()

    def slow(shard: ShardWork, state: ShardState, *args: Any, **fields: Any) -> Any:
        if state is ShardState.POOLED:
            # Its carrier leaves while it is about to write.
            for _ in range(2):
                for key in bench.redis.scan_iter(match="*:due:submit"):
                    for member in bench.redis.zrange(key, 0, -1):
                        if member.startswith(b"pool-"):
                            bench.redis.zadd(key, {member: 1})
                while submit.work(other):
                    pass
        return release(shard, state, *args, **fields)

    monkeypatch.setattr(bench.context.work, "release", slow)
    submit.work(bench.context)
    monkeypatch.setattr(bench.context.work, "release", release)
    assert [len(texts) for texts in asked(bench)] == [2]
    bench.run()
    depart(bench)

    assert [len(texts) for texts in asked(bench)] == [2, 1]
    assert bench.finish(late) is JobStatus.COMPLETED
