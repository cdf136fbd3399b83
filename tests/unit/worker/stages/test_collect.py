"""Collecting: every request gets exactly one outcome, whatever the result files hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from batchline import JobStatus, filter_successful
from batchline_shared.errors import ProviderRejectedError, ProviderUnavailableError
from batchline_shared.ledger import ShardState, Stage
from batchline_worker.providers.base import BROKEN_OFF, BatchPhase
from batchline_worker.stages import collect
from scripted_provider import answer_line, error_line

if TYPE_CHECKING:
    from collections.abc import Callable

    from batchline import Job
    from worker_bench import WorkerBench


def ended(bench: WorkerBench, job: Job[str], phase: BatchPhase = BatchPhase.COMPLETED) -> str:
    """Let the job's batch end and be due for collecting; returns its id."""
    batch_id = bench.shard(job).batch_id
    bench.provider.end(batch_id, phase)
    bench.later(20)
    bench.run(Stage.POLL)
    assert bench.shard(job).state == ShardState.COLLECTING
    return batch_id


def test_results_that_break_off_are_collected_again_and_nothing_is_doubled(bench: WorkerBench) -> None:
    job = bench.submitted(8)
    ended(bench, job)
    bench.provider.fail("lines", ProviderUnavailableError("openai", "broke off"), times=3)

    assert bench.finish(job) is JobStatus.COMPLETED
    assert bench.provider.calls["lines"] == 4
    assert job.info().succeeded == 8
    assert job.info().input_tokens == 8 * 3
    bench.assert_whole(job)


def test_a_line_that_comes_twice_counts_once(bench: WorkerBench) -> None:
    job = bench.submitted(4)
    batch_id = ended(bench, job)
    bench.provider.results[batch_id] *= 2

    assert bench.finish(job) is JobStatus.COMPLETED
    bench.assert_whole(job)


def test_an_answer_cut_in_the_middle_of_an_emoji_is_not_paid_for_again(bench: WorkerBench) -> None:
    job = bench.submitted(3)
    batch_id = ended(bench, job)
    lines = bench.provider.results[batch_id]
    bench.provider.results[batch_id] = [line.replace(b'"ok"', rb'"cut \ud83d"') for line in lines]

    assert bench.finish(job) is JobStatus.COMPLETED
    assert [outcome.result for outcome in filter_successful(job.results())] == ["cut \ufffd"] * 3
    bench.assert_whole(job)


def test_a_doubled_line_does_not_hide_one_that_lacks(bench: WorkerBench) -> None:
    job = bench.submitted(4)
    batch_id = ended(bench, job)
    whole = bench.provider.results[batch_id]
    bench.provider.results[batch_id] = [*whole[:3], whole[0]]
    bench.run(Stage.COLLECT)
    assert bench.shard(job).state == ShardState.COLLECTING

    bench.provider.results[batch_id] = whole

    assert bench.finish(job) is JobStatus.COMPLETED
    assert job.info().succeeded == 4


STRANGERS = [
    b"no json",
    b"[1,2]",
    b"{}",
    b'{"custom_id":7}',
    answer_line("request-0"),
    answer_line("bl-00000000000000000000-0-0"),
]


def test_lines_that_are_not_ours_change_nothing(bench: WorkerBench) -> None:
    job = bench.submitted(4)
    batch_id = ended(bench, job)
    wire_id = bench.provider.wire_ids(batch_id)[0]
    beyond = wire_id.rpartition("-")[0] + "-4"
    bench.provider.results[batch_id] += [*STRANGERS, answer_line(beyond), answer_line(wire_id + "x")]

    assert bench.finish(job) is JobStatus.COMPLETED
    assert job.info().succeeded == 4
    bench.assert_whole(job)


def test_fewer_lines_than_requests_are_read_again_before_they_are_missing(bench: WorkerBench) -> None:
    bench.provider.answer = lambda wire_id: None if wire_id.endswith("-2") else answer_line(wire_id)
    job = bench.submitted(4)
    ended(bench, job)

    assert bench.finish(job) is JobStatus.COMPLETED
    assert bench.provider.calls["lines"] > 3
    assert job.info().errors == {"missing": 1}
    bench.assert_whole(job)


def test_failing_reads_do_not_use_up_the_patience_for_short_ones(bench: WorkerBench) -> None:
    job = bench.submitted(4)
    batch_id = ended(bench, job)
    whole = bench.provider.results[batch_id]
    bench.provider.results[batch_id] = whole[:2]
    bench.provider.fail("lines", ProviderUnavailableError("openai", "503"), times=8)
    for _ in range(9):
        bench.run(Stage.COLLECT)
        bench.later(61)
    bench.provider.results[batch_id] = whole

    assert bench.finish(job) is JobStatus.COMPLETED
    assert job.info().succeeded == 4


@pytest.mark.parametrize("said", [{"status_code": 404}, {"code": BROKEN_OFF}])
def test_result_files_that_stay_away_end_as_missing_but_not_before_an_hour(
    bench: WorkerBench, said: dict[str, Any]
) -> None:
    job = bench.submitted(4)
    ended(bench, job)
    bench.provider.fail("lines", ProviderUnavailableError("openai", "no such file", **said), times=1000)
    for _ in range(60):
        bench.run(Stage.COLLECT)
        bench.later(61)
    assert bench.shard(job).state == ShardState.COLLECTING

    assert bench.finish(job) is JobStatus.COMPLETED
    assert job.info().succeeded == 2  # what could be read of it is kept
    assert job.info().errors == {"missing": 2}
    bench.assert_whole(job)


def test_an_outage_never_makes_results_missing(bench: WorkerBench) -> None:
    job = bench.submitted(4)
    ended(bench, job)
    bench.provider.fail("lines", ProviderUnavailableError("openai", "503", status_code=503), times=300)
    bench.provider.fail("lines", ProviderUnavailableError("openai", "not yet", status_code=404), times=20)

    assert bench.finish(job, rounds=400) is JobStatus.COMPLETED
    assert job.info().succeeded == 4


@pytest.mark.parametrize("number", ["9" * 5000, "0" * 12, "-1", "\u0661"])
def test_a_number_that_we_never_wrote_is_none_of_ours(bench: WorkerBench, number: str) -> None:
    job = bench.submitted(2)
    batch_id = ended(bench, job)
    bench.provider.results[batch_id].append(answer_line(f"bl-{bench.shard(job).id}-{number}"))

    assert bench.finish(job) is JobStatus.COMPLETED
    bench.assert_whole(job)


def test_a_batch_that_takes_its_end_back_is_not_believed_yet(bench: WorkerBench) -> None:
    job = bench.submitted(4)
    batch_id = ended(bench, job)
    whole = bench.provider.results.pop(batch_id)
    final = bench.provider.batches[batch_id]
    bench.provider.batches[batch_id] = type(final)(batch_id, "finalizing", BatchPhase.FINALIZING)
    for _ in range(10):
        bench.run(Stage.COLLECT)
        bench.later(61)
    bench.provider.batches[batch_id], bench.provider.results[batch_id] = final, whole

    assert bench.finish(job) is JobStatus.COMPLETED
    assert job.info().succeeded == 4


@pytest.mark.parametrize("call", ["poll", "lines"])
def test_results_that_the_provider_has_deleted_end_as_missing(bench: WorkerBench, call: str) -> None:
    job = bench.submitted(4)
    ended(bench, job)
    bench.provider.fail(call, ProviderRejectedError("openai", "no such file"), times=100)

    assert bench.finish(job, rounds=100).is_final
    assert set(job.info().errors) == {"missing"}
    bench.assert_whole(job)


@pytest.mark.parametrize(
    ("phase", "kind"), [(BatchPhase.EXPIRED, "expired"), (BatchPhase.CANCELLED, "cancelled")]
)
def test_a_batch_that_ends_early_keeps_what_was_done(
    bench: WorkerBench, phase: BatchPhase, kind: str
) -> None:
    bench.provider.answer = lambda wire_id: answer_line(wire_id) if wire_id.endswith(("-0", "-1")) else None
    job = bench.submitted(5)
    ended(bench, job, phase)

    assert bench.finish(job) is JobStatus.COMPLETED
    assert job.info().succeeded == 2
    assert job.info().errors == {kind: 3}
    bench.assert_whole(job)


def test_errors_and_answers_are_told_apart(bench: WorkerBench) -> None:
    bench.provider.answer = lambda wire_id: (
        error_line(wire_id) if wire_id.endswith("-1") else answer_line(wire_id)
    )
    job = bench.submitted(3)

    assert bench.finish(job) is JobStatus.COMPLETED
    assert [one.success for one in job.results()] == [True, False, True]
    bench.assert_whole(job)


def test_whoever_lost_the_lease_does_not_say_what_is_missing(bench: WorkerBench) -> None:
    bench.provider.answer = lambda _: None
    job = bench.submitted(3)
    batch_id = ended(bench, job, BatchPhase.EXPIRED)

    def steal() -> None:
        bench.later(130)
        bench.queue.lease_shards(Stage.COLLECT, 1)

    bench.provider.meanwhile("poll", steal)
    collect.work(bench.context)

    assert bench.store.done_count(job.id) == 0
    bench.provider.results[batch_id] = [answer_line(one) for one in bench.provider.wire_ids(batch_id)]
    assert bench.finish(job) is JobStatus.COMPLETED


def collect_meanwhile(bench: WorkerBench) -> Callable[[], object]:
    def act() -> None:
        bench.later(130)
        collect.work(bench.worker())

    return act


def test_two_workers_that_collect_at_once_land_each_row_once(bench: WorkerBench) -> None:
    job = bench.submitted(600)
    ended(bench, job)
    bench.provider.meanwhile("poll", collect_meanwhile(bench))
    collect.work(bench.context)

    assert bench.finish(job) is JobStatus.COMPLETED
    assert job.info().succeeded == 600
    assert job.info().output_tokens == 1200
    bench.assert_whole(job)


def test_given_ids_come_back_with_their_answers_over_many_chunks(bench: WorkerBench) -> None:
    bench.provider.answer = lambda wire_id: answer_line(wire_id, wire_id.rpartition("-")[2])
    names = [f"näme {n} 🦜" for n in range(1200)]
    job = bench.enqueue(1200, custom_ids=names)

    assert bench.finish(job) is JobStatus.COMPLETED
    found = {one.custom_id: one.result for one in job.results() if one.success}
    assert found == {name: str(n) for n, name in enumerate(names)}
