"""Polling: how a batch is followed until it has ended, and what its refusal as a whole means."""

from __future__ import annotations

import itertools
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from batchline import JobStatus
from batchline_shared.errors import ProviderRejectedError, ProviderUnavailableError
from batchline_shared.ledger import ShardState, Stage
from batchline_worker.providers.base import BatchPhase, LineError
from batchline_worker.stages import poll
from scripted_provider import lost_reply

if TYPE_CHECKING:
    from batchline import Job
    from batchline_worker.providers.base import RemoteBatch
    from worker_bench import WorkerBench


def poll_once(bench: WorkerBench, job: Job[str]) -> float:
    """Poll when it is due; returns the seconds until the next time."""
    shard = bench.shard(job)
    bench.later(max(0.0, bench.due_in_s(shard.id, Stage.POLL) or 0.0) + 0.01)
    assert poll.work(bench.context) == 1
    return bench.due_in_s(shard.id, Stage.POLL) or 0.0


def test_the_interval_grows_while_nothing_changes_up_to_its_limit(bench: WorkerBench) -> None:
    job = bench.submitted()
    waits = [poll_once(bench, job) for _ in range(15)]

    assert waits[0] < 17
    assert all(later > earlier * 0.8 for earlier, later in itertools.pairwise(waits))
    assert 260 < waits[-1] < 331


def test_progress_makes_the_interval_short_again(bench: WorkerBench) -> None:
    job = bench.submitted()
    for _ in range(8):
        poll_once(bench, job)
    (batch_id,) = bench.provider.batches
    bench.provider.batches[batch_id] = replace(bench.provider.batches[batch_id], completed=1)

    assert poll_once(bench, job) < 12
    assert bench.shard(job).completed == 1


def test_a_status_that_nobody_knows_is_followed_further(bench: WorkerBench) -> None:
    job = bench.submitted()
    (batch_id,) = bench.provider.batches
    bench.provider.batches[batch_id] = replace(
        bench.provider.batches[batch_id], phase=BatchPhase.UNKNOWN, status="paused_for_review"
    )

    assert poll_once(bench, job) > 5
    assert job.batches()[0].provider_status == "paused_for_review"
    assert job.status() is JobStatus.IN_PROGRESS


def test_a_batch_that_is_unknown_for_a_moment_is_not_lost(bench: WorkerBench) -> None:
    job = bench.submitted()
    kept = bench.provider.batches.copy()
    bench.provider.batches.clear()
    for _ in range(3):
        poll_once(bench, job)
    bench.provider.batches.update(kept)

    assert bench.finish(job) is JobStatus.COMPLETED


def test_one_404_after_many_quiet_polls_does_not_lose_the_batch(bench: WorkerBench) -> None:
    job = bench.submitted()
    for _ in range(20):
        poll_once(bench, job)
    kept = bench.provider.batches.copy()
    bench.provider.batches.clear()
    poll_once(bench, job)
    bench.provider.batches.update(kept)

    assert bench.shard(job).state == ShardState.SUBMITTED
    assert bench.finish(job) is JobStatus.COMPLETED


def test_a_batch_that_stays_unknown_ends_as_missing(bench: WorkerBench) -> None:
    job = bench.submitted()
    bench.provider.batches.clear()

    assert bench.finish(job, rounds=100) is JobStatus.FAILED
    assert job.info().errors == {"missing": 3}
    assert bench.provider.calls["poll"] == poll.LOST_AFTER
    bench.assert_whole(job)


def test_a_stale_poller_does_not_declare_a_batch_lost(bench: WorkerBench) -> None:
    job = bench.submitted()
    kept = bench.provider.batches.copy()
    bench.provider.batches.clear()
    for _ in range(poll.LOST_AFTER - 1):
        poll_once(bench, job)

    def steal() -> None:
        bench.later(130)
        bench.queue.lease_shards(Stage.POLL, 1)

    bench.provider.meanwhile("poll", steal)
    poll_once(bench, job)

    assert bench.store.done_count(job.id) == 0
    bench.provider.batches.update(kept)
    assert bench.finish(job) is JobStatus.COMPLETED


def test_a_provider_that_cannot_be_reached_is_asked_again(bench: WorkerBench) -> None:
    job = bench.submitted()
    bench.provider.fail("poll_many", ProviderUnavailableError("openai", "502"), times=30)
    for _ in range(30):
        assert poll_once(bench, job) > 5

    assert bench.finish(job) is JobStatus.COMPLETED


def test_what_breaks_on_one_batch_does_not_stop_the_others(
    bench: WorkerBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = [bench.submitted() for _ in range(3)]
    bench.provider.end_all()
    bench.later(20)
    monkeypatch.setattr(bench.provider, "poll_many", lambda _: {})  # so that each is polled alone
    bench.provider.fail("poll", RuntimeError("a bug"))

    poll.work(bench.context)

    assert sorted(bench.shard(job).state for job in jobs) == ["collecting", "collecting", "submitted"]


def test_no_room_for_the_tokens_waits_and_creates_again_from_the_same_file(bench: WorkerBench) -> None:
    job = bench.submitted()
    (refused,) = bench.provider.batches
    bench.provider.refuse(refused, LineError(None, "token_limit_exceeded", "too many", None))
    poll_once(bench, job)

    assert bench.shard(job).state == ShardState.UPLOADED
    assert (bench.due_in_s(bench.shard(job).id, Stage.SUBMIT) or 0) > 25
    assert bench.finish(job) is JobStatus.COMPLETED
    assert bench.provider.calls["upload"] == 1
    assert bench.provider.calls["create"] == 2


def test_a_refused_batch_is_not_taken_for_the_one_whose_reply_was_lost(bench: WorkerBench) -> None:
    job = bench.submitted()
    (refused,) = bench.provider.batches
    bench.provider.refuse(refused, tokens=100)
    poll_once(bench, job)
    bench.provider.fail("create", lost_reply(), done=True)

    assert bench.finish(job) is JobStatus.COMPLETED
    assert bench.shard(job).batch_id != refused
    assert bench.provider.calls["create"] == 2
    assert bench.provider.calls["cancel"] == 0


def test_a_refused_batch_does_not_stand_for_one_that_is_not_listed_yet(bench: WorkerBench) -> None:
    job = bench.submitted()
    (refused,) = bench.provider.batches
    bench.provider.refuse(refused, tokens=100)
    poll_once(bench, job)
    bench.provider.fail("create", lost_reply(), done=True)
    bench.later(130)
    bench.run(Stage.SUBMIT)
    (running,) = bench.provider.running()
    bench.provider.unlisted.add(running)
    bench.later(91)
    bench.run(Stage.SUBMIT)
    bench.provider.unlisted.clear()

    assert bench.finish(job) is JobStatus.COMPLETED
    assert bench.shard(job).batch_id == running
    assert bench.provider.calls["create"] == 2


def test_a_job_that_waits_for_tokens_for_days_still_trusts_a_lost_reply(bench: WorkerBench) -> None:
    job = bench.submitted(1)
    for _ in range(25):
        bench.provider.refuse(bench.shard(job).batch_id, tokens=100)
        poll_once(bench, job)
        bench.later(70)
        bench.run(Stage.SUBMIT)
    bench.provider.refuse(bench.shard(job).batch_id, tokens=100)
    poll_once(bench, job)
    bench.provider.fail("create", lost_reply())

    assert bench.finish(job) is JobStatus.COMPLETED
    assert bench.shard(job).state == ShardState.DONE


def test_a_file_that_cannot_be_found_is_uploaded_again_but_not_for_ever(bench: WorkerBench) -> None:
    job = bench.submitted()
    for _ in range(40):
        bench.run()
        for batch_id in bench.provider.running():
            bench.provider.refuse(batch_id, LineError(None, None, "Cannot find file file-1", "file_id"))
        bench.later(130)

    assert bench.provider.calls["upload"] == 6
    assert job.status() is JobStatus.FAILED
    assert job.info().errors == {"invalid_request": 3}
    bench.assert_whole(job)


def test_a_batch_that_failed_through_no_fault_of_its_requests_may_be_tried_again(bench: WorkerBench) -> None:
    job = bench.enqueue(3)
    bench.run(Stage.PLAN, Stage.SUBMIT)
    (batch_id,) = bench.provider.batches
    bench.provider.refuse(batch_id, LineError(None, "7", "no permission to write", None, of_requests=False))

    assert bench.finish(job) is JobStatus.FAILED
    assert job.info().errors == {"provider_error": 3}
    assert "no permission to write" in job.info().message


def test_errors_of_lines_name_the_requests_at_fault(bench: WorkerBench) -> None:
    job = bench.enqueue(3, custom_ids=["a", "b", "c"])
    bench.run(Stage.PLAN, Stage.SUBMIT)
    (batch_id,) = bench.provider.batches
    bench.provider.refuse(batch_id, LineError(2, "invalid_value", "no such model", "body.model"))

    assert bench.finish(job) is JobStatus.COMPLETED
    found = {one.custom_id: one for one in job.results()}
    assert not found["b"].success
    assert found["b"].error_type == "invalid_request"
    assert "no such model (body.model)" in found["b"].error_message
    assert found["a"].success
    assert found["c"].success
    assert bench.provider.calls["create"] == 2


@pytest.mark.parametrize(
    "error",
    [ProviderUnavailableError("openai", "502"), ProviderRejectedError("openai", "409: it has ended")],
    ids=["failing", "refused"],
)
def test_a_batch_that_cannot_be_cancelled_is_followed_to_its_end(
    bench: WorkerBench, error: Exception
) -> None:
    job = bench.submitted()
    bench.provider.fail("cancel", error, times=1000)
    job.cancel()
    bench.run()
    assert bench.provider.calls["cancel"] < 5
    bench.provider.end_all()

    assert bench.finish(job) is JobStatus.COMPLETED
    bench.assert_whole(job)


def test_a_batch_refused_long_ago_is_never_taken_for_the_running_one(bench: WorkerBench) -> None:
    job = bench.submitted(1)
    old = {}
    for _ in range(40):  # more than are remembered
        refused = bench.shard(job).batch_id
        bench.provider.refuse(refused, tokens=100)
        bench.provider.batches[refused] = replace(bench.provider.batches[refused], created_at_s=1.0)
        old[refused] = bench.provider.batches[refused]
        poll_once(bench, job)
        bench.later(70)
        if len(old) == 40:
            bench.provider.fail("create", lost_reply(), done=True)
        bench.run(Stage.SUBMIT)
    (running,) = bench.provider.running()
    bench.provider.unlisted.add(running)
    bench.later(91)
    bench.run(Stage.SUBMIT)
    bench.provider.unlisted.clear()

    assert bench.finish(job) is JobStatus.COMPLETED
    assert bench.shard(job).batch_id == running
    assert bench.provider.calls["create"] == 41


def test_a_provider_that_hangs_does_not_hold_a_poller_for_longer_than_its_leases(
    bench: WorkerBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = [bench.submitted() for _ in range(10)]
    bench.later(20)
    clock = [0.0]
    monkeypatch.setattr(poll, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    monkeypatch.setattr(bench.provider, "poll_many", lambda _: {})

    def hang(_: str) -> RemoteBatch:
        bench.provider.calls["poll"] += 1
        clock[0] += 45.0
        raise ProviderUnavailableError("openai", "no answer")

    monkeypatch.setattr(bench.provider, "poll", hang)
    poll.work(bench.context)

    assert bench.provider.calls["poll"] == 2
    assert all((bench.due_in_s(bench.shard(job).id, Stage.POLL) or 0) < 61 for job in jobs)


def test_a_worker_that_is_to_stop_asks_for_no_further_batch(
    bench: WorkerBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = [bench.submitted() for _ in range(3)]
    bench.later(20)
    for job in jobs:
        job.cancel()
    monkeypatch.setattr(bench.provider, "poll_many", lambda _: {})
    bench.context.stopping.set()
    poll.work(bench.context)

    assert bench.provider.calls["poll"] == bench.provider.calls["cancel"] == 0
