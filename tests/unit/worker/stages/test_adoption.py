"""Batches that a script made: followed, named, landed once; never created, deleted or taken from a shard."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import fakeredis
import orjson
import pytest

from batchline import BatchError, ErrorType, InvalidInputError, JobStatus
from batchline_shared.errors import (
    ProviderAuthError,
    ProviderRejectedError,
    ProviderUnavailableError,
)
from batchline_shared.ledger import JobStore, Naming, Stage, WorkQueue, keys
from batchline_shared.ledger.chunks import TARGET_BYTES
from batchline_worker.providers.base import BatchPhase, LineError, RemoteBatch
from batchline_worker.stages.adoption import UNKNOWN_AFTER
from scripted_provider import ScriptedProvider, answer_line, error_line
from worker_bench import WorkerBench

if TYPE_CHECKING:
    from collections.abc import Callable

    from batchline import Job

MODEL = "openai/gpt-4o-mini"


class Crash(BaseException):
    """The process dies here."""


@pytest.fixture
def bench() -> WorkerBench:
    return WorkerBench(fakeredis.FakeRedis(), durable_writes=False)


def scripts_batch(bench: WorkerBench, *names: str, batch_id: str = "batch_x", **fields: Any) -> str:
    """A batch that runs at the provider, with requests of these names."""
    lines = (orjson.dumps({"custom_id": name, "body": {}}) + b"\n" for name in names)
    bench.provider.inputs[batch_id] = b"".join(lines)
    known: dict[str, Any] = {"total": len(names), "input_file_id": "file-x"}
    bench.provider.batches[batch_id] = RemoteBatch(
        batch_id, "in_progress", BatchPhase.RUNNING, **{**known, **fields}
    )
    return batch_id


def adopted(bench: WorkerBench, batch_id: str = "batch_x") -> Job[str]:
    return bench.client.adopt(MODEL, None, batch_id)


def ids(job: Job[str]) -> list[str]:
    return [outcome.custom_id for outcome in job.results()]


def assert_nothing_was_made(bench: WorkerBench) -> None:
    made = {"upload", "create", "clean_up"} & set(bench.provider.calls)
    assert made == set()


def test_a_running_batch_is_followed_and_its_answers_come_by_the_scripts_ids(bench: WorkerBench) -> None:
    scripts_batch(bench, "b", "a", "c d/é")
    job = adopted(bench)
    bench.run()

    assert job.status() is JobStatus.IN_PROGRESS
    assert job.info().total == 3
    (batch,) = job.batches()
    assert (batch.batch_id, batch.requests, batch.state) == ("batch_x", 3, "submitted")

    assert bench.finish(job) is JobStatus.COMPLETED
    assert ids(job) == ["b", "a", "c d/é"]
    assert [outcome.success for outcome in job.results()] == [True] * 3
    assert job.info().input_tokens == 9
    assert_nothing_was_made(bench)


def test_adopting_twice_gives_one_job_and_another_form_of_answers_is_refused(bench: WorkerBench) -> None:
    scripts_batch(bench, "a")
    job = adopted(bench)

    assert adopted(bench).id == job.id
    with pytest.raises(InvalidInputError, match=rf"job {job.id} already"):
        bench.client.adopt("openai/gpt-4o", None, "batch_x")


@pytest.mark.parametrize("phase", [BatchPhase.EXPIRED, BatchPhase.CANCELLED, BatchPhase.COMPLETED])
def test_requests_without_a_line_end_as_their_batch_did(bench: WorkerBench, phase: BatchPhase) -> None:
    kind = {
        "expired": ErrorType.EXPIRED,
        "cancelled": ErrorType.CANCELLED,
        "completed": ErrorType.MISSING,
    }
    scripts_batch(bench, "a", "b", "c")
    bench.provider.answer = lambda one: answer_line(one) if one == "b" else None
    bench.provider.end("batch_x", phase)
    job = adopted(bench)

    bench.finish(job)

    kinds = {one.custom_id: one.error_type for one in job.results() if isinstance(one, BatchError)}
    assert kinds == dict.fromkeys(["a", "c"], kind[phase])
    assert ids(job) == ["a", "b", "c"]


def test_where_the_input_is_gone_the_results_name_the_requests_and_the_count_the_rest(
    bench: WorkerBench,
) -> None:
    scripts_batch(bench, "a", "b", "c")
    bench.provider.answer = lambda one: answer_line(one) if one != "c" else None
    bench.provider.end("batch_x", BatchPhase.EXPIRED)
    gone = ProviderRejectedError("openai", "no such file", status_code=404)
    bench.provider.fail("requests", gone, times=20)
    bench.provider.inputs["batch_x"] = b""
    job = adopted(bench)

    assert bench.finish(job) is JobStatus.COMPLETED
    assert ids(job) == ["a", "b", "unnamed-2"]
    assert job.info().total == 3


def test_lines_without_an_id_are_named_by_their_place(bench: WorkerBench) -> None:
    scripts_batch(bench, total=2)
    bench.provider.end("batch_x")
    lines = [orjson.loads(answer_line("x")), orjson.loads(answer_line("y"))]
    for line in lines:
        del line["custom_id"]
    bench.provider.results["batch_x"] = [orjson.dumps(line) for line in lines]
    job = adopted(bench)

    bench.finish(job)

    assert ids(job) == ["line-1", "line-2"]


def test_failures_are_final_and_the_whole_job_cannot_be_retried(bench: WorkerBench) -> None:
    scripts_batch(bench, "a", "b")
    bench.provider.answer = lambda one: error_line(one) if one == "a" else answer_line(one)
    job = adopted(bench)

    assert bench.finish(job) is JobStatus.COMPLETED
    assert job.info().errors == {"provider_error": 1}
    with pytest.raises(InvalidInputError, match="was adopted"):
        job.retry_failed()
    assert_nothing_was_made(bench)


def test_cancelling_cancels_at_the_provider(bench: WorkerBench) -> None:
    scripts_batch(bench, "a", "b")
    bench.provider.answer = lambda one: answer_line(one) if one == "a" else None
    job = adopted(bench)
    job.cancel()
    bench.run()
    bench.later(20)

    assert bench.finish(job) is JobStatus.CANCELLED
    assert bench.provider.calls["cancel"] == 1
    assert job.info().errors == {"cancelled": 1}


@pytest.mark.parametrize(
    "error",
    [
        ProviderRejectedError("openai", "no batch", status_code=404),
        ProviderAuthError("openai", "not yours", status_code=403),
    ],
    ids=["unknown", "forbidden"],
)
def test_a_batch_that_this_account_does_not_see_fails_soon_and_says_so(
    bench: WorkerBench, error: ProviderRejectedError | ProviderAuthError
) -> None:
    bench.provider.fail("poll", error, times=UNKNOWN_AFTER)
    job = adopted(bench)

    assert bench.finish(job) is JobStatus.FAILED
    assert job.results() == []
    assert "does not show batch batch_x to this account" in job.info().message
    assert bench.provider.calls["poll"] == UNKNOWN_AFTER


def test_without_a_key_an_adoption_waits_and_says_what_to_set(bench: WorkerBench) -> None:
    scripts_batch(bench, "a")
    bench.provider.fail("poll", ProviderAuthError("openai", "set OPENAI_API_KEY"), times=UNKNOWN_AFTER + 2)
    job = adopted(bench)
    for _ in range(UNKNOWN_AFTER + 1):
        bench.run()
        bench.later(200)

    assert "OPENAI_API_KEY" in job.info().message
    assert bench.finish(job) is JobStatus.COMPLETED


def test_a_batch_that_was_refused_as_a_whole_fails_with_the_providers_words(bench: WorkerBench) -> None:
    scripts_batch(bench, "a", "b")
    bench.provider.refuse("batch_x", LineError(2, "bad", "no such model", "body.model"), tokens=None)
    job = adopted(bench)

    assert bench.finish(job) is JobStatus.FAILED
    assert "no such model" in job.info().message
    assert {one.custom_id: one.error_type for one in job.results() if isinstance(one, BatchError)} == {
        "a": ErrorType.PROVIDER_ERROR,
        "b": ErrorType.INVALID_REQUEST,
    }
    assert_nothing_was_made(bench)


def test_a_batch_that_had_no_room_is_not_sent_again(bench: WorkerBench) -> None:
    scripts_batch(bench, "a")
    bench.provider.refuse("batch_x", LineError(None, "token_limit_exceeded", "full", None))
    job = adopted(bench)

    assert bench.finish(job) is JobStatus.FAILED
    assert_nothing_was_made(bench)


def test_a_batch_of_a_job_of_ours_is_refused_and_the_job_is_named(bench: WorkerBench) -> None:
    own = bench.submitted(2)
    batch_id = bench.shard(own).batch_id
    job = adopted(bench, batch_id)
    job.cancel()

    bench.finish(job)

    assert job.status() is JobStatus.FAILED
    assert f"it belongs to job {own.id}" in job.info().message
    assert bench.provider.calls["cancel"] == 0
    assert bench.finish(own) is JobStatus.COMPLETED


def test_a_batch_of_another_ledger_is_refused(bench: WorkerBench) -> None:
    scripts_batch(bench, "a", shard_id=f"{'0' * 20}-3-c1")
    job = adopted(bench)

    assert bench.finish(job) is JobStatus.FAILED
    assert f"for job job_{'0' * 20} of another ledger" in job.info().message


def unmarked() -> WorkerBench:
    provider = ScriptedProvider(marks_batches=False, takes_files=False)
    return WorkerBench(fakeredis.FakeRedis(), provider, durable_writes=False)


def test_where_there_are_no_marks_a_known_batch_is_refused() -> None:
    bench = unmarked()
    own = bench.submitted(2)
    job = adopted(bench, bench.shard(own).batch_id)

    assert bench.finish(job) is JobStatus.FAILED
    assert "for a job of this ledger" in job.info().message


def test_where_there_are_no_marks_our_ids_in_the_results_refuse_it() -> None:
    bench = unmarked()
    scripts_batch(bench, f"bl-{'0' * 20}-3-0", f"bl-{'0' * 20}-3-1")
    bench.provider.end("batch_x")
    bench.provider.inputs["batch_x"] = b""
    job = adopted(bench)

    assert bench.finish(job) is JobStatus.FAILED
    assert job.results() == []
    assert f"job_{'0' * 20} of another ledger" in job.info().message


def test_what_the_script_left_at_the_provider_stays(bench: WorkerBench) -> None:
    scripts_batch(bench, "a")
    job = adopted(bench)
    bench.finish(job)
    bench.later(8 * 24 * 3600)
    bench.run()
    job.delete()
    bench.run()

    assert_nothing_was_made(bench)
    assert bench.shards(job) == []


def test_results_that_come_cut_are_read_again_and_nothing_comes_twice(bench: WorkerBench) -> None:
    scripts_batch(bench, *(f"r{n}" for n in range(1200)))
    bench.provider.end("batch_x")
    bench.provider.fail("lines", ProviderUnavailableError("openai", "broke off"), times=2)
    bench.provider.fail("requests", ProviderUnavailableError("openai", "broke off"))
    job = adopted(bench)

    bench.finish(job)

    assert ids(job) == [f"r{n}" for n in range(1200)]
    assert job.info().succeeded == 1200


def test_results_in_another_order_each_time_keep_every_row_its_answer(bench: WorkerBench) -> None:
    """Without an input, and dying in between: rows are named in the order of the first reading."""
    names = [f"r{n}" for n in range(1100)]
    scripts_batch(bench, *names)
    bench.provider.end("batch_x")
    bench.provider.inputs["batch_x"] = b""
    bench.provider.fail("lines", ProviderUnavailableError("openai", "broke off"))
    job = adopted(bench)
    bench.run()
    bench.provider.results["batch_x"].reverse()

    bench.finish(job)

    texts = {one.custom_id for one in job.results() if one.success}
    assert sorted(ids(job)) == sorted(names) == sorted(texts)


def test_results_that_stay_away_end_every_counted_request(bench: WorkerBench) -> None:
    scripts_batch(bench, "a", "b")
    bench.provider.end("batch_x")
    bench.provider.inputs["batch_x"] = b""
    bench.provider.fail("lines", ProviderRejectedError("openai", "no file", status_code=404), times=200)
    job = adopted(bench)

    assert bench.finish(job, rounds=200) is JobStatus.FAILED
    assert ids(job) == ["unnamed-0", "unnamed-1"]
    assert job.info().errors == {"missing": 2}


def test_outcomes_that_were_lost_are_read_again(bench: WorkerBench) -> None:
    scripts_batch(bench, "a", "b")
    job = adopted(bench)
    bench.run()
    bench.provider.end("batch_x")
    bench.later(20)
    bench.run(Stage.POLL, Stage.COLLECT)
    bench.redis.setbit(keys.done(job.id), 1, 0)

    bench.finish(job)

    assert bench.provider.calls["lines"] == 2
    assert bench.store.done_count(job.id) == 2
    assert_nothing_was_made(bench)


STEPS: list[tuple[type, str]] = [
    (WorkQueue, "adopt_shard"),
    (WorkQueue, "plan_done"),
    (WorkQueue, "release"),
    (WorkQueue, "close_shard"),
    (WorkQueue, "close_job"),
    (Naming, "append"),
    (Naming, "set_total"),
    (JobStore, "land"),
    (JobStore, "finish"),
]


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("nth", [1, 2, 3])
@pytest.mark.parametrize(("owner", "name"), STEPS, ids=[name for _, name in STEPS])
def test_a_worker_that_dies_at_any_step_changes_nothing(
    bench: WorkerBench, monkeypatch: pytest.MonkeyPatch, owner: type, name: str, nth: int, when: str
) -> None:
    names = [f"r{n}" for n in range(6)]
    scripts_batch(bench, *names, total=8)
    requests, bench.provider.inputs["batch_x"] = bench.provider.inputs["batch_x"], b""
    # As long as that two of them are named and landed together.
    bench.provider.answer = lambda one: answer_line(one, "x" * (TARGET_BYTES // 2))
    job = adopted(bench)
    step: Callable[..., Any] = getattr(owner, name)
    calls = 0

    def dying(self: Any, *arguments: Any, **more: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == nth and when == "before":
            raise Crash
        answer = step(self, *arguments, **more)
        if calls == nth:
            raise Crash
        return answer

    monkeypatch.setattr(owner, name, dying)
    for _ in range(60):
        try:
            bench.run()
        except Crash:
            bench.provider.results.get("batch_x", []).reverse()
        if "batch_x" in bench.provider.running():
            bench.provider.inputs["batch_x"] = requests
            bench.provider.end("batch_x")
            bench.provider.inputs["batch_x"] = b""
        if job.status().is_final:
            break
        bench.later(130)

    assert job.status() is JobStatus.COMPLETED
    assert sorted(ids(job)) == sorted([*names, "unnamed-6", "unnamed-7"])
    assert (job.info().succeeded, job.info().errors) == (6, {"missing": 2})
    assert_nothing_was_made(bench)
