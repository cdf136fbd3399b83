"""Deleting a job: its keys go at once, its files at the provider soon, and a crash on the way is mended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import fakeredis
import pytest

from batchline import ErrorType, JobNotFoundError, JobNotReadyError, JobStatus, WaitTimeoutError
from batchline_shared.errors import ProviderUnavailableError
from batchline_shared.ledger import Stage, keys
from batchline_shared.ledger.deletion import Deletion
from scripted_provider import error_line
from worker_bench import WorkerBench

if TYPE_CHECKING:
    from batchline import Job

DAYS_S = 24 * 3600


def bench(**settings: Any) -> WorkerBench:
    return WorkerBench(fakeredis.FakeRedis(), **settings)


def stored(work: WorkerBench) -> set[bytes]:
    """Every key but those of the whole ledger: version, gauges, nudges, an account's limits and audit."""
    whole = {
        keys.SCHEMA.encode(),
        keys.LEDGER_ID.encode(),
        *(keys.tally(n).encode() for n in range(keys.PARTITIONS)),
    }
    # Of these, only what no shard has a share in: who holds room or waits for some is a leak.
    whole |= {name.encode() for name in keys.admission("openai")[3:]}
    whole |= {name for name in work.redis.keys("*") if name.endswith((b":due:audit", b":work:audit~openai"))}
    return {name for name in work.redis.keys("*") if name not in whole and b":nudge:" not in name}


def finished(work: WorkerBench, count: int = 3, **arguments: Any) -> Job[str]:
    job = work.enqueue(count, **arguments)
    work.finish(job)
    return job


def test_many_jobs_leave_neither_keys_nor_files() -> None:
    work = bench(shard_max_requests=2)
    jobs = [finished(work, n % 5 + 1, idempotency_key=f"key-{n}") for n in range(20)]
    assert work.provider.files
    assert len(stored(work)) > 100

    for job in jobs:
        job.delete()
    work.run()

    assert (work.provider.files, work.provider.results, work.client.jobs()) == ({}, {}, [])
    left = stored(work)
    # What the worker cleaned up after is known for two days more, and then gone by itself.
    assert all(0 < work.redis.ttl(name) <= 2 * DAYS_S for name in left)
    assert all(b":work:" in name for name in left)


def test_jobs_that_never_reached_the_provider_leave_no_key_at_all() -> None:
    work = bench()
    for n in range(10):
        job = work.enqueue(3, idempotency_key=f"key-{n}")
        job.cancel()
        work.finish(job)
        job.delete()

    assert stored(work) == set()


def test_a_job_whose_retention_is_for_ever_leaves_nothing_that_is() -> None:
    work = bench(retention_s=0)
    finished(work, retention_s=0).delete()

    assert all(work.redis.ttl(name) > 0 for name in stored(work) if b":due:" not in name)


def test_other_jobs_keep_everything() -> None:
    work = bench()
    kept = finished(work)
    before = stored(work)

    finished(work).delete()
    work.run()

    assert before <= stored(work)
    work.assert_whole(kept)


def test_what_was_cleaned_up_before_is_not_cleaned_up_again() -> None:
    work = bench(clean_up_after_s=0)
    job = finished(work)
    work.run()
    assert work.provider.calls["clean_up"] == 1

    job.delete()
    work.run()

    assert work.provider.calls["clean_up"] == 1
    assert stored(work) == set()


def test_files_go_where_the_setting_says_never_and_whatever_failed_before() -> None:
    work = bench(clean_up_after_s=None)
    job = finished(work)
    work.provider.fail("clean_up", ProviderUnavailableError("openai", "503"), times=3)

    job.delete()
    for _ in range(6):
        work.run()
        work.later(3 * 3600)

    assert work.provider.files == {}


def test_a_key_whose_job_was_deleted_stands_for_a_new_one() -> None:
    work = bench()
    job = finished(work, idempotency_key="nightly")
    job.delete()

    other = work.enqueue(3, idempotency_key="nightly")

    assert other.id != job.id
    assert work.finish(other) is JobStatus.COMPLETED


@pytest.mark.parametrize("call", ["status", "info", "wait", "results", "delete"])
def test_a_deleted_job_is_not_found(call: str) -> None:
    work = bench()
    job = finished(work)
    job.delete()

    with pytest.raises(JobNotFoundError):
        getattr(job, call)()


def test_a_job_that_runs_is_refused_and_goes_on() -> None:
    work = bench()
    job = work.submitted()

    with pytest.raises(JobNotReadyError, match="cancel it first"):
        job.delete()
    assert work.finish(job) is JobStatus.COMPLETED


def test_with_force_a_job_that_runs_is_cancelled_and_deleted_once_it_has_ended() -> None:
    work = bench()
    job = work.submitted()

    with pytest.raises(WaitTimeoutError):
        job.delete(force=True, timeout_s=0)
    assert job.status() is JobStatus.CANCELLING
    work.finish(job)
    job.delete(force=True)
    work.run()

    assert (work.client.jobs(), work.provider.files) == ([], {})


@pytest.mark.parametrize("work_is_gone", [False, True], ids=["marked", "its work is gone"])
def test_a_deletion_that_died_on_the_way_is_ended_by_another(work_is_gone: bool) -> None:  # noqa: FBT001
    work = bench(retention_s=0)
    work.provider.answer = error_line
    job = finished(work, idempotency_key="k")
    died = Deletion(work.redis)
    died.begin(job.id)
    if work_is_gone:
        died.forget_work(job.id)

    assert [info.id for info in work.client.jobs()] == [job.id]
    with pytest.raises(JobNotReadyError, match="or deleted"):  # its shards' ids would be taken again
        job.retry_failed(list(ErrorType))
    work.later(100)
    work.run()
    job.delete()
    work.run()

    assert (work.client.jobs(), work.provider.files) == ([], {})
    assert all(work.redis.ttl(name) > 0 for name in stored(work))


def test_a_worker_that_cleans_up_while_a_job_is_deleted_brings_nothing_back() -> None:
    work = bench(clean_up_after_s=100)
    job = finished(work)
    work.later(101)
    (leased,) = work.queue.lease_shards(Stage.CLEAN, 1)

    job.delete()
    assert work.queue.shard(leased.id) is not None  # so that its files are not forgotten with the lease
    work.later(200)
    work.run()

    assert work.provider.files == {}


def test_a_job_says_how_long_it_is_to_be_kept() -> None:
    work = bench()

    assert work.store.meta(work.enqueue(1, retention_s=60).id).retention_s == 60
    assert work.store.meta(work.enqueue(1, retention_s=0).id).retention_s == 0
    assert work.store.meta(work.enqueue(1).id).retention_s is None


@pytest.mark.parametrize("retention_s", [-1, 1.5, True, "60", 10**12], ids=repr)
def test_a_retention_that_is_no_time_is_refused(retention_s: Any) -> None:
    work = bench()

    with pytest.raises(ValueError, match="retention_s must be whole seconds"):
        work.enqueue(1, retention_s=retention_s)
    assert stored(work) == set()
