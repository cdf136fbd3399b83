"""Retries per request: only what failed goes out again, and its failures stay readable."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import fakeredis
import orjson
import pytest

from batchline import BatchError, ErrorType, JobStatus, RetryPolicy
from batchline_shared.ledger import Landing, Stage
from batchline_worker.providers.base import BatchPhase, LineError
from batchline_worker.stages import settle
from scripted_provider import answer_line, error_line
from worker_bench import WorkerBench

if TYPE_CHECKING:
    from collections.abc import Callable

    from batchline import Job

POLICY = RetryPolicy(max_attempts=3, backoff_s=10)


@pytest.fixture
def bench() -> WorkerBench:
    return WorkerBench(fakeredis.FakeRedis())


def failing(*positions: int) -> Callable[[str], bytes]:
    """Answers, but for these positions of a batch."""

    def answer(wire_id: str) -> bytes:
        return error_line(wire_id) if int(wire_id.rpartition("-")[2]) in positions else answer_line(wire_id)

    return answer


def cut_answer(wire_id: str) -> bytes:
    line = orjson.loads(answer_line(wire_id))
    line["response"]["body"]["choices"][0]["finish_reason"] = "length"
    return orjson.dumps(line)


def sizes(bench: WorkerBench) -> list[int]:
    return [data.count(b"\n") for data in bench.provider.inputs.values()]


def attempts(job: Job[Any]) -> list[tuple[str, int]]:
    return sorted((one.custom_id, one.attempts) for one in job.iter_attempts())


def test_only_what_failed_goes_out_again_and_its_failure_stays_readable(bench: WorkerBench) -> None:
    bench.provider.answer = failing(1, 3)
    job = bench.submitted(5, retry=POLICY)
    bench.provider.end_all()
    bench.later(20)
    bench.run()
    bench.provider.answer = failing()

    assert bench.finish(job) is JobStatus.COMPLETED
    assert sizes(bench) == [5, 2]
    assert {one.custom_id: one.attempts for one in job.results()} == {
        "request-0": 1,
        "request-1": 2,
        "request-2": 1,
        "request-3": 2,
        "request-4": 1,
    }
    assert attempts(job) == [("request-1", 1), ("request-3", 1)]
    assert all(
        isinstance(one, BatchError) and one.error_type == "provider_error" for one in job.iter_attempts()
    )
    bench.assert_whole(job)


def test_the_last_attempts_failure_is_the_outcome(bench: WorkerBench) -> None:
    bench.provider.answer = error_line
    job = bench.enqueue(3, retry=POLICY)

    assert bench.finish(job) is JobStatus.FAILED
    assert sizes(bench) == [3, 3, 3]
    assert {one.attempts for one in job.results()} == {3}
    assert len(attempts(job)) == 6
    bench.assert_whole(job)


def test_what_the_policy_does_not_name_is_final_at_once(bench: WorkerBench) -> None:
    bench.provider.answer = cut_answer
    job = bench.enqueue(3, retry=POLICY)

    assert bench.finish(job) is JobStatus.FAILED
    assert sizes(bench) == [3]
    assert job.info().errors == {"truncated": 3}


@pytest.mark.parametrize(
    ("phase", "kind"), [(BatchPhase.EXPIRED, "expired"), (BatchPhase.COMPLETED, "missing")], ids=str
)
def test_what_a_batch_did_not_run_is_tried_again_and_what_it_ran_is_kept(
    bench: WorkerBench, phase: BatchPhase, kind: str
) -> None:
    policy = RetryPolicy(error_types=frozenset({ErrorType(kind)}))
    bench.provider.answer = lambda wire_id: answer_line(wire_id) if wire_id.endswith("-0") else None
    job = bench.submitted(3, retry=policy)
    bench.provider.end(bench.shard(job).batch_id, phase)
    for _ in range(8):
        bench.run(Stage.POLL, Stage.COLLECT, Stage.SETTLE)
        bench.later(70)
    bench.provider.answer = answer_line

    assert bench.finish(job) is JobStatus.COMPLETED
    assert sizes(bench) == [3, 2]
    assert [one.attempts for one in job.results()] == [1, 2, 2]
    bench.assert_whole(job)


def test_the_backoff_passes_before_the_next_attempt_and_grows(bench: WorkerBench) -> None:
    bench.provider.answer = error_line
    job = bench.submitted(2, retry=RetryPolicy(max_attempts=3, backoff_s=100))
    waits: list[float] = []
    for _ in range(2):
        bench.provider.end_all()
        bench.later(20)
        bench.run()
        wait_s = bench.due_in_s(job.id, Stage.PLAN)
        assert wait_s is not None
        waits.append(wait_s)
        bench.later(wait_s + 1)
        bench.run()

    assert waits[0] == pytest.approx(100, rel=0.15)
    assert waits[1] == pytest.approx(200, rel=0.15)
    assert job.status() is JobStatus.IN_PROGRESS


def test_a_worker_that_dies_after_the_attempt_began_leaves_it_to_the_next(
    bench: WorkerBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.provider.answer = failing(0)
    job = bench.submitted(2, retry=POLICY)
    bench.provider.end_all()
    bench.later(20)
    bench.run(Stage.POLL, Stage.COLLECT)

    def killed(*_: object, **__: object) -> bool:
        raise KeyboardInterrupt

    with monkeypatch.context() as dying:
        dying.setattr(bench.context.work, "replan", killed)
        with pytest.raises(KeyboardInterrupt):
            settle.work(bench.context)
    assert bench.store.meta(job.id).attempt == 2
    bench.provider.answer = answer_line

    assert bench.finish(job) is JobStatus.COMPLETED
    assert sizes(bench) == [2, 1]
    bench.assert_whole(job)


def test_results_that_are_collected_twice_fail_a_request_once(bench: WorkerBench) -> None:
    bench.provider.answer = failing(0, 1)
    job = bench.submitted(3, retry=POLICY)
    bench.provider.end_all()
    bench.later(20)
    bench.run(Stage.POLL, Stage.COLLECT)
    row = next(bench.store.attempt_rows(job.id, 0, 1))[0]

    again = bench.store.defer(job.id, 1, Landing([0], [row], [{}]))
    late = bench.store.defer(job.id, 7, Landing([2], [row], [{}]))

    assert (again, late) == (0, 0)
    assert bench.store.tally(job.id) == (1, 2, 0)


def test_outcomes_that_redis_lost_are_collected_again_and_not_paid_again(bench: WorkerBench) -> None:
    bench.provider.answer = failing(0)
    job = bench.submitted(3, retry=POLICY)
    bench.provider.end_all()
    bench.later(20)
    bench.run(Stage.POLL, Stage.COLLECT)
    bench.redis.setbit(f"batchline:{{{job.id}}}:done", 2, 0)
    bench.run(Stage.SETTLE)
    bench.provider.answer = answer_line

    assert bench.finish(job) is JobStatus.COMPLETED
    assert sizes(bench) == [3, 1]


def test_a_job_that_is_cancelled_tries_nothing_again(bench: WorkerBench) -> None:
    bench.provider.answer = error_line
    job = bench.submitted(3, retry=POLICY)
    job.cancel()
    bench.provider.end_all()

    assert bench.finish(job).is_final
    assert sizes(bench) == [3]
    bench.assert_whole(job)


def test_a_job_that_is_cancelled_while_it_waits_for_its_next_attempt_ends_at_once(bench: WorkerBench) -> None:
    bench.provider.answer = failing(0)
    job = bench.submitted(3, retry=RetryPolicy(backoff_s=10_000))
    bench.provider.end_all()
    bench.later(20)
    bench.run()
    job.cancel()
    bench.run()

    assert job.status() is JobStatus.CANCELLED
    assert job.info().errors == {"cancelled": 1}
    bench.assert_whole(job)


def test_a_users_retry_has_as_many_attempts_again(bench: WorkerBench) -> None:
    bench.provider.answer = error_line
    job = bench.enqueue(2, retry=RetryPolicy(max_attempts=2, backoff_s=0))
    bench.finish(job)
    assert job.retry_failed() == 2

    assert bench.finish(job) is JobStatus.FAILED
    assert sizes(bench) == [2, 2, 2, 2]
    assert {one.attempts for one in job.results()} == {4}
    assert len(attempts(job)) == 6
    bench.assert_whole(job)


def test_a_refusal_that_names_lines_uses_no_attempt_of_the_others(bench: WorkerBench) -> None:
    job = bench.submitted(6, retry=RetryPolicy(max_attempts=1))
    for line in (2, 3):
        (batch_id,) = bench.provider.running()
        bench.provider.refuse(batch_id, LineError(line, "invalid_value", "not like this", "body.x"))
        bench.later(200)
        bench.run(Stage.POLL, Stage.COLLECT, Stage.SUBMIT)

    assert bench.finish(job) is JobStatus.COMPLETED
    assert sizes(bench) == [6, 5, 4]
    bad = [one.custom_id for one in job.results() if not one.success]
    assert bad == ["request-1", "request-3"]
    assert {one.attempts for one in job.results()} == {1}
    bench.assert_whole(job)


def test_a_worker_that_dies_while_it_blames_rows_blames_the_same_ones_again(
    bench: WorkerBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = bench.submitted(4)
    for line in (1, 2):
        (batch_id,) = bench.provider.running()
        bench.provider.refuse(batch_id, LineError(line, "invalid_value", "not like this", None))
        bench.later(200)
        bench.run(Stage.POLL)

        def killed(*_: object, **__: object) -> None:
            raise KeyboardInterrupt

        with monkeypatch.context() as dying:
            dying.setattr(bench.context.work, "release", killed)
            with pytest.raises(KeyboardInterrupt):
                bench.run(Stage.COLLECT)
        bench.later(200)
        bench.run(Stage.COLLECT, Stage.SUBMIT)

    assert bench.finish(job) is JobStatus.COMPLETED
    assert [one.custom_id for one in job.results() if not one.success] == ["request-0", "request-2"]
    assert sizes(bench) == [4, 3, 2]


def test_a_batch_of_which_every_line_is_refused_is_not_sent_again(bench: WorkerBench) -> None:
    job = bench.submitted(2)
    (batch_id,) = bench.provider.running()
    errors = [LineError(line, "invalid_value", "not like this", None) for line in (1, 2)]
    bench.provider.refuse(batch_id, *errors)

    assert bench.finish(job) is JobStatus.FAILED
    assert sizes(bench) == [2]
    assert "not like this" in job.info().message


def test_tokens_of_attempts_that_were_not_the_last_count_too(bench: WorkerBench) -> None:
    bench.provider.answer = cut_answer
    policy = RetryPolicy(max_attempts=2, error_types=frozenset({ErrorType.TRUNCATED}), backoff_s=0)
    job = bench.enqueue(2, retry=policy)
    bench.finish(job)

    assert (job.info().input_tokens, job.info().output_tokens) == (12, 8)


def test_a_refusal_of_the_whole_file_is_final_whatever_else_it_names(bench: WorkerBench) -> None:
    job = bench.submitted(3)
    (batch_id,) = bench.provider.running()
    errors = [
        LineError(1, "invalid_value", "not like this", None),
        LineError(None, "x", "no such model", None),
    ]
    bench.provider.refuse(batch_id, *errors)

    assert bench.finish(job) is JobStatus.FAILED
    assert sizes(bench) == [3]
