"""What a job may ask for besides, together with sharing batches: deadlines, copies, answers sent back."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import fakeredis
import orjson
import pytest
from pydantic import BaseModel

from batchline import BatchError, ErrorType, JobStatus, RetryPolicy
from batchline_shared.ledger import ShardState, Stage, keys
from batchline_worker.providers.base import BatchPhase, LineError
from batchline_worker.stages import collect
from scripted_provider import answer_line, error_line
from unit.worker.stages.test_pooling import LINGER_S, asked, carriers, depart, failures, no_trace, pooled
from worker_bench import WorkerBench, says

if TYPE_CHECKING:
    from batchline import Job

MODEL = "openai/gpt-4o-mini"

HOUR = timedelta(hours=1)
LATE_S = 3700


class Colour(BaseModel):
    name: str


class Size(BaseModel):
    metres: float


def kinds(job: Job[Any]) -> list[ErrorType]:
    return [one.error_type for one in failures(job)]


def request_of(bench: WorkerBench, wire_id: str) -> dict[str, Any]:
    """The body that has this id on the wire."""
    for data in bench.provider.inputs.values():
        for line in map(orjson.loads, data.splitlines()):
            if line["custom_id"] == wire_id:
                body: dict[str, Any] = line["body"]
                return body
    raise AssertionError(wire_id)


def echo(bench: WorkerBench) -> None:
    """Let every answer be the last text of its request."""
    bench.provider.answer = lambda one: answer_line(one, request_of(bench, one)["messages"][-1]["content"])


def late_timers(bench: WorkerBench) -> list[bytes]:
    return [
        one for p in range(keys.PARTITIONS) for one in bench.redis.zrange(keys.due(p, Stage.DEADLINE), 0, -1)
    ]


# --- deadlines -------------------------------------------------------------------------------


def test_a_deadline_that_passes_while_it_gathers_ends_that_job_alone_and_nothing_of_it_is_sent(
    bench: WorkerBench,
) -> None:
    others = [bench.enqueue(1, linger_s=2 * LATE_S) for _ in range(2)]
    hurried = bench.enqueue(2, linger_s=3000, deadline=HOUR)
    bench.later(1000)  # planned late, and so it waits longer than it was meant to
    bench.run(Stage.PLAN, Stage.SUBMIT)
    bench.later(LATE_S - 1000)
    bench.run()
    assert hurried.status() is JobStatus.EXPIRED
    assert kinds(hurried) == [ErrorType.EXPIRED] * 2
    bench.later(LATE_S)
    bench.run()
    bench.later(2)
    bench.run()

    assert [len(texts) for texts in asked(bench)] == [2]
    assert [bench.finish(job) for job in others] == [JobStatus.COMPLETED] * 2
    bench.assert_whole(hurried)
    assert no_trace(bench)
    assert late_timers(bench) == []


def test_a_deadline_that_passes_while_the_batch_runs_ends_that_job_at_once_and_the_batch_goes_on(
    bench: WorkerBench,
) -> None:
    others = pooled(bench, 2)
    hurried = bench.enqueue(1, linger_s=LINGER_S, deadline=HOUR)
    bench.run(Stage.PLAN, Stage.SUBMIT)
    depart(bench)
    bench.later(LATE_S)
    bench.run()

    assert hurried.status() is JobStatus.EXPIRED
    (failure,) = failures(hurried)
    assert "the job's deadline" in failure.error_message
    assert bench.provider.calls["cancel"] == 0
    assert [bench.finish(job) for job in others] == [JobStatus.COMPLETED] * 2
    assert [len(texts) for texts in asked(bench)] == [3]
    bench.assert_whole(hurried)
    assert no_trace(bench)


def test_a_batch_all_of_whose_jobs_are_too_late_is_cancelled(bench: WorkerBench) -> None:
    jobs = pooled(bench, 2, deadline=HOUR)
    depart(bench)
    bench.later(LATE_S)
    bench.run()

    assert [job.status() for job in jobs] == [JobStatus.EXPIRED] * 2
    assert bench.provider.calls["cancel"] == 1
    bench.provider.end_all()
    bench.later(20)
    bench.run()
    assert {shard.state for shard in carriers(bench)} == {ShardState.DONE}
    assert no_trace(bench)


@pytest.mark.parametrize("retry", [RetryPolicy(max_attempts=1), RetryPolicy(max_attempts=3, backoff_s=0)])
def test_a_deadline_that_passes_while_results_are_read_keeps_what_was_answered(
    bench: WorkerBench, retry: RetryPolicy
) -> None:
    (other,) = pooled(bench, 1)
    hurried = bench.enqueue(4, linger_s=LINGER_S, deadline=HOUR, retry=retry)
    bench.run(Stage.PLAN, Stage.SUBMIT)
    depart(bench)
    bench.provider.answer = lambda one: error_line(one) if one.endswith("-2") else answer_line(one)
    bench.provider.end_all()
    bench.later(20)
    bench.run(Stage.POLL)
    lines = bench.provider.lines

    def slow(batch: Any) -> Any:
        for number, line in enumerate(lines(batch)):
            if number == 3:
                # With some of its lines landed or waiting, and before the others are read.
                bench.redis.hset(keys.meta(hurried.id), "deadline_ms", 1)
                for partition in range(keys.PARTITIONS):
                    for name in bench.redis.zrange(keys.due(partition, Stage.DEADLINE), 0, -1):
                        bench.redis.zadd(keys.due(partition, Stage.DEADLINE), {name: 1})
                bench.run(Stage.DEADLINE, Stage.SUBMIT, Stage.SETTLE, Stage.PLAN)
            yield line

    bench.provider.lines = slow  # type: ignore[method-assign]
    collect.work(bench.context)
    bench.run()

    assert bench.finish(hurried).is_final
    assert bench.finish(other) is JobStatus.COMPLETED
    assert [len(texts) for texts in asked(bench)] == [5]
    bench.assert_whole(hurried)
    assert no_trace(bench)


def test_a_deadline_that_passes_between_two_attempts_ends_what_waits(bench: WorkerBench) -> None:
    policy = RetryPolicy(max_attempts=3, backoff_s=0)
    job = bench.enqueue(2, linger_s=LINGER_S, deadline=HOUR, retry=policy)
    bench.run(Stage.PLAN, Stage.SUBMIT)
    depart(bench)
    bench.provider.answer = lambda one: error_line(one) if one.endswith("-0") else answer_line(one)
    bench.provider.end_all()
    bench.later(20)
    bench.run()
    assert [rider.attempt for rider in bench.shards(job)] == [1, 2]
    assert bench.shards(job)[1].state == ShardState.POOLED
    bench.later(LATE_S)
    bench.run()

    assert job.status() is JobStatus.COMPLETED
    assert kinds(job) == [ErrorType.EXPIRED]
    bench.assert_whole(job)
    assert no_trace(bench)


def test_a_job_that_is_to_be_asked_live_has_its_own_batch_whatever_the_setting() -> None:
    bench = WorkerBench(fakeredis.FakeRedis(), linger_s=600.0)
    job = bench.submitted(2, deadline=HOUR, on_deadline="live")
    assert bench.provider.calls["create"] == 1
    bench.provider.answer = lambda _: None
    bench.later(LATE_S)
    bench.run()
    assert bench.provider.calls["cancel"] == 1

    assert bench.finish(job) is JobStatus.COMPLETED
    assert sorted(bench.provider.asked) == ["request 0", "request 1"]
    assert carriers(bench) == []


def test_an_expired_job_that_is_retried_shares_a_batch_again(bench: WorkerBench) -> None:
    jobs = pooled(bench, 2)
    depart(bench)
    bench.provider.answer = lambda _: None
    bench.provider.end(bench.provider.running()[0], BatchPhase.EXPIRED)
    bench.later(20)
    bench.run()
    assert [job.status() for job in jobs] == [JobStatus.EXPIRED] * 2
    bench.provider.answer = answer_line
    for job in jobs:
        job.retry_failed()
    bench.run()
    depart(bench)

    assert [len(texts) for texts in asked(bench)] == [2, 2]
    assert [bench.finish(job) for job in jobs] == [JobStatus.COMPLETED] * 2
    assert no_trace(bench)


def test_a_job_that_is_retried_while_the_batch_that_it_left_runs_gets_the_answers_of_its_new_one(
    bench: WorkerBench,
) -> None:
    gone, other = pooled(bench, 2)
    depart(bench)
    gone.cancel()
    bench.run()
    gone.retry_failed()
    bench.run()
    depart(bench)
    assert [len(texts) for texts in asked(bench)] == [2, 1]
    bench.provider.answer = error_line
    bench.provider.end(bench.provider.running()[0])
    bench.later(20)
    bench.run()
    assert other.status() is JobStatus.FAILED
    assert not gone.status().is_final
    bench.provider.answer = answer_line

    assert bench.finish(gone) is JobStatus.COMPLETED
    bench.assert_whole(gone)
    assert no_trace(bench)


# --- copies ----------------------------------------------------------------------------------


def letters(bench: WorkerBench, texts: str, **arguments: Any) -> Job[str]:
    """A job of one request for each letter, each distinct letter sent once."""
    requests = [says(text) for text in texts]
    return bench.client.enqueue(MODEL, None, requests, deduplicate=True, linger_s=LINGER_S, **arguments)


def answers(job: Job[str]) -> str:
    return "".join(str(one.result) for one in job.results() if not isinstance(one, BatchError))


@pytest.mark.parametrize("texts", ["abacab", "aaaa", "aab", "abb"])
def test_equal_requests_of_a_rider_are_sent_once_and_each_has_the_answer(
    bench: WorkerBench, texts: str
) -> None:
    echo(bench)
    first = letters(bench, "xay")
    job = letters(bench, texts)
    last = letters(bench, "az")
    bench.run(Stage.PLAN, Stage.SUBMIT)
    depart(bench)

    assert [bench.finish(one) for one in (first, job, last)] == [JobStatus.COMPLETED] * 3
    # Each job sends its own: what equals another job's request is not the same.
    (sent,) = asked(bench)
    assert sorted(sent) == sorted([*"xay", *dict.fromkeys(texts), *"az"])
    for one in (first, job, last):
        bench.assert_whole(one)
    by_id = {one.custom_id: one.result for one in job.results() if not isinstance(one, BatchError)}
    assert [by_id[f"request-{n}"] for n in range(len(texts))] == list(texts)
    assert no_trace(bench)


def test_copies_of_a_rider_follow_it_into_its_next_attempt_and_its_end(bench: WorkerBench) -> None:
    echo(bench)
    whole = bench.provider.answer
    bad = {"b"}

    def answer(one: str) -> bytes | None:
        text = request_of(bench, one)["messages"][0]["content"]
        return error_line(one) if text in bad else whole(one)

    bench.provider.answer = answer
    job = letters(bench, "abbcbac", retry=RetryPolicy(max_attempts=2, backoff_s=0))
    other = letters(bench, "bb", retry=RetryPolicy(max_attempts=1))
    bench.run(Stage.PLAN, Stage.SUBMIT)
    depart(bench)
    bench.provider.end_all()
    bench.later(20)
    bench.run()
    assert len(kinds(other)) == 2
    bad.clear()
    depart(bench)

    assert bench.finish(job) is JobStatus.COMPLETED
    assert sorted(map(len, asked(bench))) == [1, 4]
    assert sorted(answers(job)) == sorted("abbcbac")
    bench.assert_whole(job)
    bench.assert_whole(other)
    assert no_trace(bench)


@pytest.mark.parametrize("how", ["cancel", "deadline"])
def test_copies_of_a_rider_that_is_stopped_end_as_it_does(bench: WorkerBench, how: str) -> None:
    (other,) = pooled(bench, 1)
    job = letters(bench, "abab", deadline=HOUR)
    bench.run(Stage.PLAN, Stage.SUBMIT)
    depart(bench)
    if how == "cancel":
        job.cancel()
    else:
        bench.later(LATE_S)
    bench.run()

    assert job.status().is_final
    assert set(kinds(job)) == {ErrorType.CANCELLED if how == "cancel" else ErrorType.EXPIRED}
    bench.assert_whole(job)
    assert bench.finish(other) is JobStatus.COMPLETED
    assert no_trace(bench)


def test_copies_of_a_row_that_a_refusal_names_end_with_it(bench: WorkerBench) -> None:
    echo(bench)
    jobs = [letters(bench, "abb"), letters(bench, "abb")]
    bench.run(Stage.PLAN, Stage.SUBMIT)
    depart(bench)
    bench.provider.refuse(bench.provider.running()[0], LineError(2, "x", "bad", "body"))
    bench.later(20)
    bench.run()

    assert {bench.finish(job) for job in jobs} == {JobStatus.COMPLETED}
    assert sorted(len(kinds(job)) for job in jobs) == [0, 2]
    assert sorted(len(texts) for texts in asked(bench)) == [3, 4]
    for job in jobs:
        bench.assert_whole(job)
    assert no_trace(bench)


# --- answers that are sent back --------------------------------------------------------------


def test_answers_that_do_not_fit_are_sent_back_in_a_shared_batch_each_by_its_own_model(
    bench: WorkerBench,
) -> None:
    calls: dict[str, int] = {}

    def answer(one: str) -> bytes:
        body = request_of(bench, one)
        name = body["messages"][0]["content"]
        calls[name] = calls.get(name, 0) + 1
        good = '{"metres":2.5}' if name.startswith("size") else '{"name":"red"}'
        bad = '{"name":"red"}' if name.startswith("size") else '{"metres":2.5}'
        return answer_line(one, bad if calls[name] == 1 and name.endswith("!") else good)

    bench.provider.answer = answer

    def job(model: Any, *texts: str, reask: int = 2) -> Job[Any]:
        return bench.client.enqueue(
            MODEL, model, [says(text) for text in texts], reask=reask, linger_s=LINGER_S
        )

    colours, sizes = job(Colour, "colour a", "colour b!"), job(Size, "size a!", "size b", "size c!")
    plain = job(Colour, "colour c", reask=0)
    bench.run(Stage.PLAN, Stage.SUBMIT)
    depart(bench)
    bench.provider.end_all()
    bench.later(20)
    bench.run()
    assert plain.status() is JobStatus.COMPLETED
    depart(bench)

    assert [bench.finish(one) for one in (colours, sizes)] == [JobStatus.COMPLETED] * 2
    first, second = bench.provider.inputs.values()
    assert len(first.splitlines()) == 6
    talks = [orjson.loads(line)["body"]["messages"] for line in second.splitlines()]
    assert sorted(talk[0]["content"] for talk in talks) == ["colour b!", "size a!", "size c!"]
    for talk in talks:
        wrong = '{"name":"red"}' if talk[0]["content"].startswith("size") else '{"metres":2.5}'
        assert [message["role"] for message in talk] == ["user", "assistant", "user"]
        assert talk[1]["content"] == wrong
    by_id = {one.custom_id: (one.attempts, one.reasks) for one in sizes.results()}
    assert by_id == {"request-0": (2, 1), "request-1": (1, 0), "request-2": (2, 1)}
    for one in (colours, sizes, plain):
        bench.assert_whole(one)
    assert no_trace(bench)


def test_a_row_that_is_sent_back_leaves_a_refused_batch_with_its_conversation(bench: WorkerBench) -> None:
    bad = '{"metres":1}'
    bench.provider.answer = lambda one: answer_line(one, bad)
    jobs = [
        bench.client.enqueue(
            MODEL, Colour, [says(f"{name} {n}") for n in range(2)], reask=1, linger_s=LINGER_S
        )
        for name in "ab"
    ]
    bench.run(Stage.PLAN, Stage.SUBMIT)
    depart(bench)
    bench.provider.end_all()
    bench.later(20)
    bench.run()
    depart(bench)
    bench.provider.refuse(bench.provider.running()[0], LineError(1, "x", "bad", "body"))
    bench.later(20)
    bench.run()
    bench.provider.answer = lambda one: answer_line(one, '{"name":"red"}')
    again = list(bench.provider.inputs.values())[-1]
    assert [len(orjson.loads(line)["body"]["messages"]) for line in again.splitlines()] == [3] * 3

    assert [bench.finish(job) for job in jobs] == [JobStatus.COMPLETED] * 2
    assert sorted(len(kinds(job)) for job in jobs) == [0, 1]
    for job in jobs:
        bench.assert_whole(job)
    assert no_trace(bench)


# --- what is left ----------------------------------------------------------------------------


def test_nothing_of_jobs_that_shared_batches_outlives_them_in_redis(bench: WorkerBench) -> None:
    jobs = [
        *pooled(bench, 2, deadline=HOUR),
        letters(bench, "aab"),
        bench.client.enqueue(MODEL, Colour, [says()], reask=1, linger_s=LINGER_S),
    ]
    bench.provider.answer = lambda one: answer_line(one, '{"name":"red"}')
    bench.run(Stage.PLAN, Stage.SUBMIT)
    depart(bench)
    jobs[0].cancel()
    for job in jobs:
        bench.finish(job)
        job.delete()
    bench.run()

    lasting = {
        key.decode()
        for key in bench.redis.scan_iter()
        if bench.redis.ttl(key) == -1 and not key.endswith((b":tally", b":schema"))
    }
    of_us = {key for key in lasting if "pool" in key or any(job.id in key for job in jobs)}
    assert of_us == set()
    records, held, *_ = keys.admission("openai")
    assert bench.redis.hlen(records) == bench.redis.zcard(held) == 0
    # The account is audited as long as it is there.
    expected = {Stage.CLEAN: [carriers(bench)[0].id.encode()], Stage.AUDIT: [b"audit~openai"]}
    for stage in Stage:
        due = [one for p in range(keys.PARTITIONS) for one in bench.redis.zrange(keys.due(p, stage), 0, -1)]
        assert due == expected.get(stage, [])
