"""Equal requests of a job: sent once, and each has its outcome, whoever dies when."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from batchline import BatchRequest, BatchSuccess, ErrorType, JobStatus, RetryPolicy, TokenUsage
from batchline_shared.ledger import Stage, keys
from batchline_shared.ledger.chunks import MAX_ROWS
from batchline_shared.outcome_rows import row_of
from batchline_worker.providers.base import BatchPhase
from batchline_worker.stages import collect
from scripted_provider import answer_line, error_line
from unit.worker.stages.test_attempts_mishaps import Chaos, WorkerDied, sizes
from worker_bench import WorkerBench, says

if TYPE_CHECKING:
    from batchline import Job

POLICY = RetryPolicy(max_attempts=3, backoff_s=10)


def enqueue(bench: WorkerBench, texts: str, **arguments: Any) -> Job[str]:
    """A job of one request for each letter, each distinct letter sent once."""
    requests = [says(f"request {text}") for text in texts]
    return bench.client.enqueue("openai/gpt-4o-mini", None, requests, deduplicate=True, **arguments)


def sent(bench: WorkerBench) -> list[str]:
    """The letters that were sent, in order."""
    lines = [line for data in bench.provider.inputs.values() for line in data.splitlines()]
    return [orjson.loads(line)["body"]["messages"][0]["content"][-1] for line in lines]


def echo(bench: WorkerBench) -> None:
    """Let every answer be the request's own text."""

    def answer(wire_id: str) -> bytes:
        for data in bench.provider.inputs.values():
            for line in map(orjson.loads, data.splitlines()):
                if line["custom_id"] == wire_id:
                    return answer_line(wire_id, line["body"]["messages"][0]["content"])
        raise AssertionError(wire_id)

    bench.provider.answer = answer


def test_equal_requests_are_sent_once_and_each_has_the_answer(bench: WorkerBench) -> None:
    echo(bench)
    job = enqueue(bench, "abacab")

    assert bench.finish(job) is JobStatus.COMPLETED
    assert sent(bench) == ["a", "b", "c"]
    bench.assert_whole(job)
    results = job.results()
    assert [one.result for one in results if isinstance(one, BatchSuccess)] == [
        f"request {text}" for text in "abacab"
    ]
    assert [one.duplicate_of for one in results] == [None, None, "request-0", None, "request-0", "request-1"]


def test_tokens_of_a_copy_are_not_counted(bench: WorkerBench) -> None:
    job = enqueue(bench, "aaaa")
    bench.finish(job)

    assert (job.info().input_tokens, job.info().output_tokens) == (3, 2)
    assert [one.usage for one in job.results()] == [TokenUsage(input_tokens=3, output_tokens=2)] + [
        TokenUsage()
    ] * 3


def test_given_ids_stay_with_their_requests(bench: WorkerBench) -> None:
    job = enqueue(bench, "aba", custom_ids=["x", "y", "z"])
    bench.finish(job)
    results = job.results()

    assert [(one.custom_id, one.duplicate_of) for one in results] == [("x", None), ("y", None), ("z", "x")]
    assert [one.raw["custom_id"] for one in results if one.raw] == ["x", "y", "z"]


def test_a_failure_is_that_of_every_equal_request(bench: WorkerBench) -> None:
    bench.provider.answer = error_line
    job = enqueue(bench, "aab")

    assert bench.finish(job) is JobStatus.FAILED
    bench.assert_whole(job)
    assert job.info().errors == {"provider_error": 3}


def test_a_copy_waits_for_the_last_attempt(bench: WorkerBench) -> None:
    lines = iter([error_line, error_line])

    def answer(wire_id: str) -> bytes:
        return next(lines, answer_line)(wire_id)

    bench.provider.answer = answer
    job = enqueue(bench, "aa", retry=POLICY)

    assert bench.finish(job) is JobStatus.COMPLETED
    assert sent(bench) == ["a"] * 3
    assert [(one.success, one.attempts) for one in job.results()] == [(True, 3)] * 2
    assert [one.custom_id for one in job.iter_attempts()] == ["request-0"] * 2


def test_copies_in_other_chunks_and_shards_have_their_answer(bench: WorkerBench) -> None:
    count = 2 * MAX_ROWS + 7
    requests = [says(f"request {n % 600}") for n in range(count)]
    job = bench.client.enqueue("openai/gpt-4o-mini", None, requests, deduplicate=True)

    assert bench.finish(job) is JobStatus.COMPLETED
    assert sum(sizes(bench)) == 600
    bench.assert_whole(job)


def test_one_request_may_equal_thousands(bench: WorkerBench) -> None:
    job = enqueue(bench, "a" * (3 * MAX_ROWS))

    assert bench.finish(job) is JobStatus.COMPLETED
    assert sizes(bench) == [1]
    bench.assert_whole(job)
    assert bench.store.meta(job.id).landed == 4


def test_a_chunk_of_copies_alone_makes_no_shard(bench: WorkerBench) -> None:
    texts = ["a"] * MAX_ROWS * 2 + ["b"]
    requests = [says(text) for text in texts]
    job = bench.client.enqueue("openai/gpt-4o-mini", None, requests, deduplicate=True)
    bench.run(Stage.PLAN)
    shard = bench.shard(job)

    assert (shard.segment.picked, shard.segment.rows) == ((0, MAX_ROWS * 2), 2)


def test_a_few_large_requests_among_copies_fill_a_shard_to_its_limit(bench: WorkerBench) -> None:
    bench.settings = bench.settings.model_copy(update={"shard_max_bytes": 9_000})
    bench.context = bench.worker()
    requests = [BatchRequest(messages=says("x" * size)) for size in (3000, 10, 10, 3000, 10, 20, 30)]
    job = bench.client.enqueue("openai/gpt-4o-mini", None, requests, deduplicate=True)
    bench.run(Stage.PLAN)

    assert bench.shard(job).segment.picked == (0, 1, 5, 6)


def test_cancelling_before_anything_was_sent_cancels_every_copy(bench: WorkerBench) -> None:
    job = enqueue(bench, "aabb")
    job.cancel()

    assert bench.finish(job) is JobStatus.CANCELLED
    assert (job.info().errors, sent(bench)) == ({"cancelled": 4}, [])
    bench.assert_whole(job)


def test_cancelling_half_way_leaves_copies_with_what_was_sent(bench: WorkerBench) -> None:
    bench.settings = bench.settings.model_copy(update={"shard_max_requests": 1})
    bench.context = bench.worker()
    job = enqueue(bench, "abab")
    bench.run(Stage.PLAN)
    bench.provider.meanwhile("create", job.cancel)
    bench.run(Stage.SUBMIT)

    bench.finish(job)
    bench.assert_whole(job)
    ends = {one.custom_id: one.success for one in job.results()}
    assert (ends["request-0"], ends["request-1"]) == (ends["request-2"], ends["request-3"])


def test_a_batch_that_expires_expires_for_every_copy(bench: WorkerBench) -> None:
    job = enqueue(bench, "aaa")
    bench.run(Stage.PLAN, Stage.SUBMIT)
    bench.provider.answer = lambda _: None
    (batch_id,) = bench.provider.running()
    bench.provider.end(batch_id, BatchPhase.EXPIRED)

    assert bench.finish(job) is JobStatus.EXPIRED
    assert job.info().errors == {"expired": 3}


def test_retry_failed_sends_equal_requests_once(bench: WorkerBench) -> None:
    bench.provider.answer = error_line
    job = enqueue(bench, "abaab", retry=RetryPolicy(max_attempts=1))
    bench.finish(job)
    echo(bench)

    assert job.retry_failed() == 5
    assert bench.finish(job) is JobStatus.COMPLETED
    assert sent(bench) == ["a", "b"] * 2
    bench.assert_whole(job)
    assert bench.store.meta(job.id).copied == 3


def died_between_a_landing_and_its_copies(bench: WorkerBench, monkeypatch: pytest.MonkeyPatch) -> Job[str]:
    job = enqueue(bench, "aba")
    bench.run(Stage.PLAN, Stage.SUBMIT)
    bench.provider.end_all()
    bench.later(20)
    bench.run(Stage.POLL)

    def die(*_: object) -> None:
        raise WorkerDied

    with monkeypatch.context() as patch:
        patch.setattr(bench.context.jobs, "copies_of", die)
        with pytest.raises(WorkerDied):
            collect.work(bench.context)
    assert bench.store.done_count(job.id) == 2
    return job


def test_copies_that_were_not_written_are_written_when_the_job_settles(
    bench: WorkerBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = died_between_a_landing_and_its_copies(bench, monkeypatch)
    bench.later(bench.settings.lease_s + 1)

    assert bench.finish(job) is JobStatus.COMPLETED
    bench.assert_whole(job)
    assert sent(bench) == ["a", "b"]
    assert job.results()[2].duplicate_of == "request-0"


def test_copies_have_the_outcome_that_landed_though_it_can_be_read_no_more(
    bench: WorkerBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = died_between_a_landing_and_its_copies(bench, monkeypatch)
    bench.provider.results.clear()
    for _ in range(30):
        bench.later(1000)
        bench.run(Stage.COLLECT)

    assert bench.finish(job) is JobStatus.COMPLETED
    assert [one.success for one in job.results()] == [True] * 3
    assert sent(bench) == ["a", "b"]


@pytest.mark.parametrize("row", [0, 2], ids=["the one that is sent", "its copy"])
def test_an_outcome_that_redis_lost_is_not_paid_again(bench: WorkerBench, row: int) -> None:
    job = enqueue(bench, "aba")
    bench.run(Stage.PLAN, Stage.SUBMIT)
    bench.provider.end_all()
    bench.later(20)
    bench.run(Stage.POLL, Stage.COLLECT)
    bench.redis.setbit(keys.done(job.id), row, 0)

    assert bench.finish(job) is JobStatus.COMPLETED
    assert bench.store.done_count(job.id) == 3
    assert sent(bench) == ["a", "b"]


def test_a_failure_that_is_tried_again_ends_no_copy(bench: WorkerBench) -> None:
    """Read a second time, after a cancellation, it is the last word: for a row that does not wait."""
    bench.provider.answer = error_line
    job = enqueue(bench, "aa", retry=POLICY)
    bench.run(Stage.PLAN, Stage.SUBMIT)
    bench.provider.end_all()
    bench.later(20)
    bench.run(Stage.POLL)
    with pytest.MonkeyPatch.context() as patch, suppress(WorkerDied):

        def die(*_: object, **__: object) -> None:
            raise WorkerDied

        patch.setattr(bench.context.work, "close_shard", die)
        collect.work(bench.context)
    job.cancel()
    bench.later(200)

    bench.finish(job)
    bench.assert_whole(job)
    assert {one.custom_id: getattr(one, "error_type", None) for one in job.results()} == {
        "request-0": ErrorType.CANCELLED,
        "request-1": ErrorType.CANCELLED,
    }


@pytest.mark.parametrize("taken", [0, 2], ids=["the one that is sent", "its copy"])
def test_a_retry_that_dies_between_equal_requests_leaves_each_one_outcome(
    bench: WorkerBench, taken: int
) -> None:
    bench.provider.answer = error_line
    job = enqueue(bench, "aba", retry=RetryPolicy(max_attempts=1))
    bench.finish(job)
    landing, place = next(
        (number, place)
        for number, rows in enumerate(bench.store.landings(job.id, 0, bench.store.meta(job.id).landed))
        for place, line in enumerate(rows)
        if row_of(line) == taken
    )
    before = bench.store.outcome_chunk(job.id, landing)
    lines = next(bench.store.landings(job.id, landing, landing + 1))
    kept = [b"" if n == place else line for n, line in enumerate(lines)]
    counts = {"errored": 1, "err.provider_error": 1} | ({"copied": 1} if taken else {})
    bench.queue.open_job(job.id, delay_s=0, sparse=True)
    bench.store.begin_retry(job.id)
    assert bench.store.take_back(job.id, landing, before, kept, [lines[place]], [taken], counts)
    bench.provider.answer = answer_line
    bench.later(300)

    bench.finish(job)
    bench.assert_whole(job)
    assert sent(bench) == ["a", "b"] + ["a"] * (taken == 0)


@pytest.mark.parametrize("seed", range(40))
def test_however_workers_die_equal_requests_are_paid_once_and_end_alike(seed: int) -> None:
    chaos = Chaos(seed)
    for name in ("land_rows", "copies_of"):
        setattr(chaos.worker.jobs, name, chaos.deadly(getattr(chaos.worker.jobs, name)))
    texts = "".join(chaos.draw.choice("abcd") for _ in range(9))
    job = enqueue(chaos.bench, texts, retry=RetryPolicy(max_attempts=3, backoff_s=5))

    chaos.finish(job)

    chaos.bench.assert_whole(job)
    assert chaos.bench.store.meta(job.id).copied == len(texts) - len(set(texts))
    ran = chaos.ran()
    results = job.results()
    for text, outcome in zip(texts, results, strict=True):
        codes = ran[f"request {text}"]
        assert len(codes) <= 3
        assert (codes.count(200), codes[-1:] == [200]) == ((1, True) if outcome.success else (0, False))
        first = results[texts.index(text)]
        assert outcome.duplicate_of == (None if outcome is first else first.custom_id)
        assert (outcome.success, outcome.attempts, getattr(outcome, "error_type", None)) == (
            first.success,
            first.attempts,
            getattr(first, "error_type", None),
        )
