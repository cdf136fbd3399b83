"""Cleaning up: what a finished job left at its provider goes in time, and never while it may be needed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import fakeredis
import pytest

from batchline import JobStatus
from batchline_shared.errors import ProviderUnavailableError, QueueUnavailableError
from batchline_shared.ledger import ShardState, Stage, WorkQueue, keys
from scripted_provider import error_line
from worker_bench import WorkerBench

if TYPE_CHECKING:
    from typing import Any

WEEK_S = 7 * 24 * 3600


def bench(**settings: Any) -> WorkerBench:
    return WorkerBench(fakeredis.FakeRedis(), **settings)


def test_input_and_results_are_deleted_a_week_after_the_jobs_end() -> None:
    work = bench()
    job = work.enqueue(3)
    work.finish(job)

    work.later(WEEK_S - 60)
    work.run()
    assert work.provider.files
    work.later(120)
    work.run()

    assert work.provider.files == {}
    assert work.provider.results == {}
    assert work.due_in_s(work.shard(job).id, Stage.CLEAN) is None
    work.assert_whole(job)


@pytest.mark.parametrize(("after_s", "deleted"), [(0.0, True), (None, False)], ids=["at once", "never"])
def test_the_setting_says_when(after_s: float | None, deleted: bool) -> None:  # noqa: FBT001
    work = bench(clean_up_after_s=after_s)
    work.finish(work.enqueue(3))
    work.run()
    work.later(WEEK_S)
    work.run()

    assert (work.provider.files == {}) is deleted


def test_files_go_before_the_records_that_name_them() -> None:
    work = bench(retention_s=1000)
    job = work.enqueue(3)
    work.finish(job)

    due_s = work.due_in_s(work.shard(job).id, Stage.CLEAN)

    assert due_s == pytest.approx(900, abs=5)


def test_nothing_is_deleted_before_its_outcomes_are_on_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    work = bench(clean_up_after_s=0)
    job = work.enqueue(3)
    with monkeypatch.context() as patch:

        def full_disk(*_: Any) -> None:
            raise QueueUnavailableError("the disk did not confirm")

        patch.setattr(WorkQueue, "renew_durably", full_disk)
        with pytest.raises(QueueUnavailableError):
            work.finish(job)
        assert job.status() is JobStatus.COMPLETED
        assert work.provider.calls["clean_up"] == 0
    work.later(200)
    work.run(Stage.CLEAN)

    assert work.provider.calls["clean_up"] == 1
    assert work.shard(job).crashes == 0


def test_what_cannot_be_deleted_is_tried_again_and_at_last_left() -> None:
    work = bench(clean_up_after_s=0)
    job = work.enqueue(3)
    work.provider.fail("clean_up", ProviderUnavailableError("openai", "503"), times=100)
    work.finish(job)
    waited_s = 0.0
    while (due_s := work.due_in_s(work.shard(job).id, Stage.CLEAN)) is not None:
        waited_s += due_s
        work.later(due_s + 1)
        work.run()

    assert 3 < work.provider.calls["clean_up"] < 30
    assert 8 * 3600 < waited_s < 16 * 3600


def test_a_shard_whose_lost_outcomes_are_collected_again_keeps_its_state_and_its_files() -> None:
    work = bench(clean_up_after_s=0)
    job = work.submitted(3)
    work.provider.end_all()
    work.later(20)
    work.run(Stage.POLL)
    shard = work.shard(job)
    assert shard.state == ShardState.COLLECTING
    work.redis.delete(*keys.job_keys(job.id))
    work.redis.zadd(keys.due(keys.partition_of(job.id), Stage.CLEAN), {shard.id: 0})

    work.run(Stage.CLEAN)

    assert work.shard(job).state == ShardState.COLLECTING
    assert work.provider.calls["clean_up"] == 0


def test_files_of_a_job_that_is_retried_stay_until_it_has_ended_again() -> None:
    work = bench(clean_up_after_s=100)
    work.provider.answer = error_line
    job = work.enqueue(3)
    work.finish(job)
    assert job.retry_failed() == 3
    work.later(200)

    work.run(Stage.CLEAN)
    assert work.provider.calls["clean_up"] == 0
    assert work.finish(job) is JobStatus.FAILED
    work.later(4000)
    work.run()

    assert work.provider.files == {}
    assert work.provider.calls["clean_up"] == 2


def test_a_shard_that_never_reached_the_provider_leaves_nothing_to_clean_up() -> None:
    work = bench(clean_up_after_s=0)
    job = work.enqueue(3)
    job.cancel()
    work.finish(job)
    work.run()

    assert work.provider.calls["clean_up"] == 0
