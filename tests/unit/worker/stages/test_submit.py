"""Submission: whatever dies or fails at whichever point, exactly one batch is paid for."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import fakeredis
import pytest

from batchline import JobStatus
from batchline_shared.errors import (
    ProviderAuthError,
    ProviderBusyError,
    ProviderError,
    ProviderRejectedError,
    ProviderUnavailableError,
)
from batchline_shared.ledger import ShardState, Stage
from batchline_worker.providers.base import BatchPhase, Submission
from batchline_worker.stages import submit
from scripted_provider import lost_reply
from worker_bench import WorkerBench, says

if TYPE_CHECKING:
    from batchline_worker.leases import Hold


class WorkerDied(BaseException):
    """Stands for `kill -9`: nothing after it runs."""


def die(call: str, bench: WorkerBench, *, done: bool) -> None:
    """Kill the worker during a call of the provider, and let the next one come."""
    bench.provider.fail(call, WorkerDied(), done=done)
    with pytest.raises(WorkerDied):
        bench.run(Stage.SUBMIT)


def test_a_job_of_an_account_that_this_worker_lacks_waits_and_says_why() -> None:
    client = WorkerBench(fakeredis.FakeRedis(), accounts={"groq": {"base_url": "http://localhost:1/v1"}})
    job = client.client.enqueue("openai@groq/llama", None, [says()])
    bench = WorkerBench(client.redis)

    bench.run(Stage.PLAN, Stage.SUBMIT)

    assert "BATCHLINE_ACCOUNTS__GROQ__" in job.info().message
    assert bench.shard(job).state == ShardState.PENDING
    assert bench.due_in_s(bench.shard(job).id, Stage.SUBMIT) == pytest.approx(1, abs=1)


@pytest.mark.parametrize("done", [False, True], ids=["before it took effect", "after it took effect"])
@pytest.mark.parametrize("call", ["upload", "create"])
def test_a_worker_that_dies_during_a_call_leaves_exactly_one_batch(
    bench: WorkerBench, *, call: str, done: bool
) -> None:
    job = bench.enqueue(3)
    bench.run(Stage.PLAN)
    die(call, bench, done=done)

    status = bench.finish(job)

    assert status is JobStatus.COMPLETED
    assert len(bench.provider.batches) == 1
    bench.assert_whole(job)


def test_a_worker_that_dies_after_the_intent_and_before_the_call_is_found_out(bench: WorkerBench) -> None:
    job = bench.enqueue(3)
    bench.run(Stage.PLAN)
    (shard,) = bench.queue.lease_shards(Stage.SUBMIT, 1)
    bench.queue.keep(shard, ShardState.UPLOADED, Stage.SUBMIT, file_id="file-0")
    bench.provider.files["file-0"] = b'{"custom_id":"x"}\n' * 3
    assert bench.queue.announce(shard) is not None

    bench.later(125)
    bench.run(Stage.SUBMIT)

    assert bench.provider.calls["create"] == 0
    assert bench.shard(job).state == ShardState.SUBMITTING
    bench.finish(job)
    assert bench.provider.calls["create"] == 1


def test_nobody_creates_or_looks_before_the_quiet_period_has_passed(bench: WorkerBench) -> None:
    job = bench.enqueue(3)
    bench.run(Stage.PLAN)
    bench.provider.fail("create", lost_reply(), done=True)
    bench.run(Stage.SUBMIT)

    bench.later(bench.settings.reconcile_quiet_s - 2)
    bench.run(Stage.SUBMIT)

    assert bench.provider.calls["find"] == 0
    assert bench.provider.calls["create"] == 1
    assert bench.shard(job).state == ShardState.SUBMITTING


def test_a_lease_that_ends_within_the_quiet_period_does_not_cut_it_short() -> None:
    bench = WorkerBench(fakeredis.FakeRedis(), reconcile_quiet_s=300)
    job = bench.enqueue(3)
    bench.run(Stage.PLAN)
    die("create", bench, done=True)
    bench.later(125)
    bench.run(Stage.SUBMIT)
    assert bench.provider.calls["find"] == 0

    bench.later(180)
    bench.run(Stage.SUBMIT)

    assert bench.shard(job).state == ShardState.SUBMITTED
    assert bench.provider.calls["create"] == 1


def test_a_creation_whose_reply_was_lost_is_adopted(bench: WorkerBench) -> None:
    job = bench.enqueue(3)
    bench.run(Stage.PLAN)
    bench.provider.fail("create", lost_reply(), done=True)
    bench.run(Stage.SUBMIT)
    bench.later(91)
    bench.run(Stage.SUBMIT)

    (batch_id,) = bench.provider.batches
    assert bench.shard(job).batch_id == batch_id
    assert bench.finish(job) is JobStatus.COMPLETED
    assert bench.provider.calls["create"] == 1


def test_a_batch_that_the_list_shows_late_is_found_at_the_second_look(bench: WorkerBench) -> None:
    job = bench.enqueue(3)
    bench.run(Stage.PLAN)
    bench.provider.fail("create", lost_reply(), done=True)
    bench.run(Stage.SUBMIT)
    (batch_id,) = bench.provider.batches
    bench.provider.unlisted.add(batch_id)
    bench.later(91)
    bench.run(Stage.SUBMIT)
    assert bench.shard(job).absent == 1

    bench.provider.unlisted.clear()
    bench.later(46)
    bench.run(Stage.SUBMIT)

    assert bench.shard(job).batch_id == batch_id
    assert bench.provider.calls["create"] == 1


def test_a_batch_that_is_absent_twice_is_created_once_more(bench: WorkerBench) -> None:
    job = bench.enqueue(3)
    bench.run(Stage.PLAN)
    bench.provider.fail("create", lost_reply(), done=False)
    bench.run(Stage.SUBMIT)

    assert bench.finish(job) is JobStatus.COMPLETED
    assert bench.provider.calls["create"] == 2
    assert bench.provider.calls["upload"] == 1
    assert len(bench.provider.batches) == 1


@pytest.mark.parametrize(
    "error",
    [ProviderUnavailableError("openai", "500"), ProviderError("openai", "something new")],
    ids=["no telling", "of no known kind"],
)
def test_only_what_proves_a_refusal_is_followed_by_another_creation(
    bench: WorkerBench, error: ProviderError
) -> None:
    job = bench.enqueue(3)
    bench.run(Stage.PLAN)
    bench.provider.fail("create", error)

    bench.run(Stage.SUBMIT)

    assert bench.shard(job).state == ShardState.SUBMITTING


def test_look_ups_that_fail_for_long_end_in_doubt_and_stay_there(bench: WorkerBench) -> None:
    job = bench.enqueue(3)
    bench.run(Stage.PLAN)
    bench.provider.fail("create", lost_reply(), done=True)
    bench.run(Stage.SUBMIT)
    bench.provider.fail("find", ProviderUnavailableError("openai", "503"), times=1000)
    bench.later(91)
    for _ in range(50):
        bench.run(Stage.SUBMIT)
        bench.later(100)

    assert bench.shard(job).state == ShardState.IN_DOUBT
    assert bench.provider.calls["create"] == 1
    assert "in doubt" in job.info().message
    assert not job.status().is_final


def test_one_look_up_that_fails_after_a_long_pause_is_no_doubt_yet(bench: WorkerBench) -> None:
    job = bench.enqueue(3)
    bench.run(Stage.PLAN)
    bench.provider.fail("create", lost_reply(), done=True)
    bench.run(Stage.SUBMIT)
    bench.provider.fail("find", ProviderUnavailableError("openai", "503"))

    bench.later(5 * 3600)
    bench.run(Stage.SUBMIT)

    assert bench.shard(job).state == ShardState.SUBMITTING
    assert bench.finish(job) is JobStatus.COMPLETED
    assert bench.provider.calls["create"] == 1


def test_a_job_in_doubt_can_be_cancelled_but_its_doubt_stays_visible(bench: WorkerBench) -> None:
    job = bench.enqueue(3)
    bench.run(Stage.PLAN)
    (shard,) = bench.queue.lease_shards(Stage.SUBMIT, 1)
    bench.queue.release(shard, ShardState.IN_DOUBT, (Stage.SUBMIT, Stage.SUBMIT), None, message="who knows")

    assert job.cancel() is JobStatus.CANCELLING
    bench.later(3600)
    bench.run()

    assert bench.shard(job).state == ShardState.IN_DOUBT
    assert job.status() is JobStatus.CANCELLING


def test_of_several_batches_the_oldest_is_adopted_and_the_others_are_cancelled(bench: WorkerBench) -> None:
    job = bench.enqueue(3)
    bench.run(Stage.PLAN)
    provider = bench.provider
    provider.fail("create", lost_reply(), done=True)
    bench.run(Stage.SUBMIT)
    (first,) = provider.batches
    shard = bench.shard(job)
    second = provider.create(
        Submission(shard.id, job.id, "/v1/x", "gpt-4o-mini", requests=3, file_id=shard.file_id)
    )
    bench.later(91)
    bench.run(Stage.SUBMIT)

    assert bench.shard(job).batch_id == first
    assert provider.batches[second.id].status == "cancelling"
    assert provider.batches[first].status == "validating"


def test_an_adopted_batch_is_not_given_up_at_its_first_404(bench: WorkerBench) -> None:
    job = bench.enqueue(3)
    bench.run(Stage.PLAN)
    bench.provider.fail("create", lost_reply(), done=True)
    bench.run(Stage.SUBMIT)
    bench.provider.fail("find", ProviderUnavailableError("openai", "503"), times=15)
    for _ in range(16):
        bench.later(91)
        bench.run(Stage.SUBMIT)
    assert bench.shard(job).state == ShardState.SUBMITTED
    kept = bench.provider.batches.copy()
    bench.provider.batches.clear()

    bench.later(20)
    bench.run(Stage.POLL)

    bench.provider.batches.update(kept)
    assert bench.shard(job).state == ShardState.SUBMITTED
    assert bench.finish(job) is JobStatus.COMPLETED


BUSY = ProviderBusyError("openai", "slow down", status_code=429, retry_after_s=30.0)
QUOTA = ProviderBusyError("openai", "no quota", status_code=429, code="insufficient_quota")
AUTH = ProviderAuthError("openai", "bad key", status_code=401)


@pytest.mark.parametrize(("call", "state"), [("upload", ShardState.PENDING), ("create", ShardState.UPLOADED)])
@pytest.mark.parametrize("error", [BUSY, QUOTA, AUTH], ids=["429", "quota", "401"])
def test_a_refusal_waits_and_is_tried_again(
    bench: WorkerBench, call: str, state: ShardState, error: ProviderError
) -> None:
    job = bench.enqueue(3)
    bench.run(Stage.PLAN)
    bench.provider.fail(call, error)
    bench.run(Stage.SUBMIT)

    shard = bench.shard(job)
    assert shard.state == state
    delay = bench.due_in_s(shard.id, Stage.SUBMIT)
    assert delay is not None
    assert delay > (29 if error is BUSY else 0.3)
    assert str(error) in job.info().message
    assert bench.finish(job) is JobStatus.COMPLETED
    assert len(bench.provider.batches) == 1


@pytest.mark.parametrize(
    ("error", "kind"),
    [(QUOTA, "quota_exhausted"), (AUTH, "provider_error")],
    ids=["quota", "401"],
)
def test_refusals_without_end_give_up_and_say_why(
    bench: WorkerBench, error: ProviderError, kind: str
) -> None:
    job = bench.enqueue(3)
    bench.provider.fail("create", error, times=200)

    status = bench.finish(job, rounds=80)

    assert status is JobStatus.FAILED
    assert job.info().errors == {kind: 3}
    assert str(error) in job.info().message
    assert bench.provider.batches == {}
    bench.assert_whole(job)


def test_a_provider_that_is_busy_is_waited_for_a_whole_day(bench: WorkerBench) -> None:
    job = bench.enqueue(3)
    bench.provider.fail("create", BUSY, times=200)
    with pytest.raises(AssertionError, match="never ends"):
        bench.finish(job, rounds=60)

    bench.later(24 * 3600)

    assert bench.finish(job) is JobStatus.FAILED
    assert job.info().errors == {"rate_limited": 3}
    bench.assert_whole(job)


def test_the_time_for_giving_up_begins_anew_once_a_batch_was_accepted(bench: WorkerBench) -> None:
    job = bench.enqueue(3)
    bench.provider.fail("create", BUSY)
    bench.run()
    bench.later(60)
    bench.run(Stage.SUBMIT)
    (batch_id,) = bench.provider.batches
    bench.later(2 * 3600)
    bench.provider.refuse(batch_id, tokens=1000)
    bench.run(Stage.POLL)
    bench.provider.fail("create", BUSY)
    bench.later(130)
    bench.run(Stage.SUBMIT)

    assert bench.shard(job).state == ShardState.UPLOADED
    assert bench.finish(job) is JobStatus.COMPLETED


@pytest.mark.parametrize("call", ["upload", "create"])
def test_a_rejected_shard_ends_with_an_error_for_each_request(bench: WorkerBench, call: str) -> None:
    job = bench.enqueue(3)
    bench.provider.fail(call, ProviderRejectedError("openai", "not like this", status_code=400))

    status = bench.finish(job)

    assert status is JobStatus.FAILED
    assert job.info().errors == {"invalid_request": 3}
    assert bench.provider.batches == {}
    bench.assert_whole(job)


def test_an_input_file_that_is_gone_is_uploaded_again(bench: WorkerBench) -> None:
    job = bench.enqueue(3)
    gone = ProviderRejectedError("openai", "No such File object: file-1", status_code=404)
    bench.provider.fail("create", gone, times=2)

    assert bench.finish(job) is JobStatus.COMPLETED
    assert bench.provider.calls["upload"] == 3
    assert len(bench.provider.batches) == 1


def test_a_file_that_is_gone_each_time_is_given_up(bench: WorkerBench) -> None:
    job = bench.enqueue(3)
    gone = ProviderRejectedError("openai", "No such File object: file-1", status_code=404)
    bench.provider.fail("create", gone, times=50)

    assert bench.finish(job) is JobStatus.FAILED
    assert job.info().errors == {"invalid_request": 3}
    assert bench.provider.calls["upload"] <= 7


def steal(bench: WorkerBench) -> None:
    """Let the lease end while its holder works, and another worker take the shard."""
    bench.later(130)
    bench.queue.lease_shards(Stage.SUBMIT, 1)


def test_a_lease_that_is_stolen_during_the_upload_creates_nothing(bench: WorkerBench) -> None:
    job = bench.enqueue(3)
    bench.run(Stage.PLAN)
    bench.provider.meanwhile("upload", lambda: steal(bench))

    submit.work(bench.context)

    assert bench.provider.calls["create"] == 0
    assert bench.shard(job).file_id == ""
    assert bench.finish(job) is JobStatus.COMPLETED
    assert len(bench.provider.batches) == 1


def test_a_lease_that_is_stolen_during_the_create_ends_with_one_batch(bench: WorkerBench) -> None:
    job = bench.enqueue(3)
    bench.run(Stage.PLAN)
    bench.provider.meanwhile("create", lambda: steal(bench))

    submit.work(bench.context)

    assert bench.shard(job).batch_id == ""
    assert bench.shard(job).state == ShardState.SUBMITTING
    assert bench.finish(job) is JobStatus.COMPLETED
    assert bench.provider.calls["create"] == 1


def test_a_stale_refusal_says_nothing_of_the_rows(bench: WorkerBench) -> None:
    job = bench.enqueue(3)
    bench.run(Stage.PLAN)

    def rejected() -> None:
        steal(bench)
        raise ProviderRejectedError("openai", "too large", status_code=413)

    bench.provider.meanwhile("upload", rejected)
    submit.work(bench.context)

    assert bench.store.done_count(job.id) == 0


def test_a_worker_that_was_frozen_before_the_call_does_not_make_it(bench: WorkerBench) -> None:
    job = bench.enqueue(3)
    bench.run(Stage.PLAN)
    hold_s = bench.context.work.lease_s
    bench.context.work.lease_s = bench.settings.create_timeout_s  # what is left of it is not enough
    submit.work(bench.context)
    bench.context.work.lease_s = hold_s

    assert bench.provider.calls["create"] == 0
    assert bench.shard(job).state == ShardState.SUBMITTING
    assert bench.finish(job) is JobStatus.COMPLETED
    assert bench.provider.calls["create"] == 1


def test_a_job_that_is_cancelled_during_the_upload_is_not_created(bench: WorkerBench) -> None:
    job = bench.enqueue(3)
    bench.run(Stage.PLAN)
    bench.provider.meanwhile("upload", job.cancel)

    assert bench.finish(job) is JobStatus.CANCELLED
    assert bench.provider.calls["create"] == 0
    bench.assert_whole(job)


def test_a_job_that_is_cancelled_right_before_the_call_is_not_created(
    bench: WorkerBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = bench.enqueue(3)
    bench.run(Stage.PLAN)
    renew = bench.context.leases.renew

    def cancelled_meanwhile(hold: Hold) -> bool:
        job.cancel()
        return renew(hold)

    monkeypatch.setattr(bench.context.leases, "renew", cancelled_meanwhile)

    assert bench.finish(job) is JobStatus.CANCELLED
    assert bench.provider.calls["upload"] == 1
    assert bench.provider.calls["create"] == 0
    bench.assert_whole(job)


def test_a_job_that_is_deleted_before_its_upload_ends_quietly(bench: WorkerBench) -> None:
    job = bench.enqueue(3)
    bench.run(Stage.PLAN)
    shard = bench.shard(job)
    for key in bench.redis.scan_iter(match=f"*{{{job.id}}}*"):
        bench.redis.delete(key)

    bench.run()

    assert bench.provider.calls["upload"] == 0
    assert all(bench.due_in_s(member, stage) is None for member in (shard.id, job.id) for stage in Stage)


def test_refusals_are_no_creations_of_unknown_outcome(bench: WorkerBench) -> None:
    job = bench.enqueue(3)
    bench.provider.fail("create", ProviderBusyError("openai", "slow down", status_code=429), times=25)
    bench.provider.fail("create", lost_reply())

    for _ in range(40):
        bench.run()
        bench.later(70)
    assert bench.shard(job).state == ShardState.SUBMITTED
    assert bench.finish(job) is JobStatus.COMPLETED


def test_creations_that_vanish_again_and_again_end_in_doubt(bench: WorkerBench) -> None:
    job = bench.enqueue(3)
    bench.provider.fail("create", lost_reply(), times=1000)
    for _ in range(100):
        bench.run()
        bench.later(130)

    assert bench.shard(job).state == ShardState.IN_DOUBT
    assert bench.provider.calls["create"] == 20


def test_a_batch_that_a_frozen_worker_made_second_is_stopped(bench: WorkerBench) -> None:
    job = bench.enqueue(3)
    bench.run(Stage.PLAN)
    other = bench.worker()

    def frozen_right_before_the_call() -> None:
        for _ in range(6):
            bench.later(130)
            bench.run(Stage.SUBMIT, worker=other)

    bench.provider.meanwhile("create", frozen_right_before_the_call)
    submit.work(bench.context)

    kept = bench.shard(job).batch_id
    assert {name: batch.status for name, batch in bench.provider.batches.items() if name != kept} == {
        name: "cancelling" for name in bench.provider.batches if name != kept
    }
    assert len(bench.provider.batches) == 2
    assert bench.provider.batches[kept].status == "validating"
    assert bench.finish(job) is JobStatus.COMPLETED


def test_a_record_whose_answer_was_lost_stops_no_batch(
    bench: WorkerBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = bench.enqueue(3)
    bench.run(Stage.PLAN)
    release = bench.context.work.release

    def twice(*parts: Any, **fields: Any) -> object:
        release(*parts, **fields)
        return release(*parts, **fields)  # as redis-py does when a connection breaks before the answer

    monkeypatch.setattr(bench.context.work, "release", twice)
    bench.run(Stage.SUBMIT)

    assert job.status() is JobStatus.IN_PROGRESS
    assert bench.provider.calls["cancel"] == 0


def test_a_worker_that_dies_before_it_shows_the_start_leaves_that_to_the_poll(
    bench: WorkerBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = bench.enqueue(3)
    bench.run(Stage.PLAN)
    monkeypatch.setattr(submit, "mark_started", died)
    with pytest.raises(WorkerDied):
        submit.work(bench.context)
    assert job.status() is JobStatus.SUBMITTING

    (batch_id,) = bench.provider.batches
    bench.provider.batches[batch_id] = replace(
        bench.provider.batches[batch_id], status="in_progress", phase=BatchPhase.RUNNING
    )
    bench.later(20)
    bench.run(Stage.POLL)

    assert job.status() is JobStatus.IN_PROGRESS
    assert job.info().submitted_at is not None


def died(*_: object) -> None:
    raise WorkerDied
