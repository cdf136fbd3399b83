"""A restart may lose what was written last: nobody goes on as if it were there."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING, Any

import pytest
from redis import Redis
from redis.client import Pipeline

from batchline import BatchClient, JobStatus, QueueUnavailableError, Settings
from batchline_shared.ledger import JobStore, Stage, WorkQueue, connection, durability, jobs, keys
from ledger_servers import REAL, embedded
from scripted_provider import answer_line, error_line
from worker_bench import WorkerBench, says

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from batchline_ops.embedded import EmbeddedServer

MODEL = "openai/gpt-4o-mini"
LEASE_S = 0.4


@pytest.fixture(params=REAL)
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[EmbeddedServer]:
    with embedded(request.param, tmp_path) as server:
        yield server


@pytest.fixture
def redis(server: EmbeddedServer) -> Iterator[Any]:
    with Redis.from_url(server.url) as client:
        yield client


@pytest.fixture
def client(server: EmbeddedServer) -> Iterator[BatchClient]:
    with BatchClient(settings=Settings(redis_url=server.url, broker_url="memory://")) as client:
        yield client


def restart(server: EmbeddedServer) -> None:
    server.kill()
    server.start()


@pytest.fixture
def loses(
    server: EmbeddedServer, redis: Any, monkeypatch: pytest.MonkeyPatch
) -> Callable[[Callable[[Any, str], object]], None]:
    """Have the server lose power right before the first commit, and some of what was written with it."""
    commit, lost = JobStore.commit, []

    def arm(lose: Callable[[Any, str], object]) -> None:
        def commit_after_loss(self: JobStore, job_id: str, *args: Any) -> bool:
            if not lost:
                restart(server)
                lost.append(lose(redis, job_id))
            return commit(self, job_id, *args)

        monkeypatch.setattr(JobStore, "commit", commit_after_loss)

    return arm


def lose_its_listing(redis: Any, job_id: str) -> None:
    redis.zrem(keys.ALL_JOBS, job_id)


def lose_its_work(redis: Any, job_id: str) -> None:
    partition = keys.partition_of(job_id)
    redis.delete(keys.due(partition, Stage.PLAN), keys.work(partition, job_id))


def lose_nothing(redis: Any, job_id: str) -> None:
    del redis, job_id


@pytest.mark.parametrize("lose", [lose_its_listing, lose_its_work, lose_nothing])
def test_what_a_restart_loses_of_an_enqueue_is_written_again(
    redis: Any, client: BatchClient, loses: Callable[[Any], None], lose: Callable[[Any, str], None]
) -> None:
    loses(lose)

    job = client.enqueue(MODEL, None, [says()] * 3)

    assert [listed.id for listed in client.jobs()] == [job.id]
    bench = WorkerBench(redis)
    assert bench.finish(bench.client.job(job.id)) is JobStatus.COMPLETED


@pytest.mark.parametrize(
    "key", [keys.input_chunks, keys.index, keys.identifiers, keys.duplicates, keys.copies]
)
def test_an_enqueue_of_which_a_restart_loses_a_part_fails_and_leaves_nothing(
    client: BatchClient, loses: Callable[[Any], None], key: Callable[[str], str]
) -> None:
    loses(lambda redis, job_id: redis.delete(key(job_id)))

    with pytest.raises(QueueUnavailableError, match="enqueue it again"):
        client.enqueue(MODEL, None, [says()] * 3, custom_ids=["a", "b", "c"], deduplicate=True)

    assert list(client.jobs()) == []


def test_a_key_that_a_restart_lost_to_another_enqueue_is_not_used_twice(
    client: BatchClient, loses: Callable[[Any], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    claim = JobStore.claim
    monkeypatch.setattr(
        JobStore,
        "claim",
        lambda self, digest, job_id, **how: (
            "job_other" if how.get("staging") is False else claim(self, digest, job_id, **how)
        ),
    )
    loses(lose_nothing)

    with pytest.raises(QueueUnavailableError, match="call again"):
        client.enqueue(MODEL, None, [says()], idempotency_key="invoice-7")

    assert list(client.jobs()) == []


def test_a_server_that_restarts_within_every_commit_is_an_outage(
    server: EmbeddedServer, client: BatchClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = JobStore.commit

    def commit_after_restart(self: JobStore, *args: Any) -> bool:
        restart(server)
        return commit(self, *args)

    monkeypatch.setattr(JobStore, "commit", commit_after_restart)
    with pytest.raises(QueueUnavailableError, match="again and again"):
        client.enqueue(MODEL, None, [says()])

    assert list(client.jobs()) == []


def opened(redis: Any) -> WorkQueue:
    queue = WorkQueue(redis, lease_s=LEASE_S)
    queue.open_job("job_1", delay_s=0)
    return queue


def test_work_is_not_ended_in_another_life_of_the_server_than_it_was_leased_in(
    server: EmbeddedServer, redis: Any
) -> None:
    queue = opened(redis)
    [job] = queue.lease_jobs(Stage.PLAN, 1)
    restart(server)

    assert not queue.plan_done(job)
    assert queue.renew(job, Stage.PLAN), "what is under way goes on"


def test_a_lease_that_the_server_did_not_survive_is_no_crash_of_its_member(
    server: EmbeddedServer, redis: Any
) -> None:
    queue = opened(redis)
    for _ in range(3):
        [job] = queue.lease_jobs(Stage.PLAN, 1)
        assert job.crashes == 0
        restart(server)
        time.sleep(LEASE_S)


def test_a_final_status_that_a_restart_loses_is_given_again(
    server: EmbeddedServer, redis: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = WorkerBench(redis)
    job = bench.enqueue(3)
    close, lost = WorkQueue.close_job, []

    def close_after_loss(self: WorkQueue, *args: Any, **how: Any) -> Any:
        if not lost:
            restart(server)
            lost.append(redis.hset(keys.meta(job.id), "status", JobStatus.IN_PROGRESS))
        return close(self, *args, **how)

    monkeypatch.setattr(WorkQueue, "close_job", close_after_loss)

    assert bench.finish(job) is JobStatus.COMPLETED
    assert lost


def test_outcomes_that_a_restart_loses_are_landed_again_and_not_paid_for_again(
    server: EmbeddedServer, redis: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = WorkerBench(redis, shard_max_requests=100)
    job = bench.enqueue(30)
    bench.run()
    bench.provider.end_all()
    close, lost = WorkQueue.close_shard, []

    def close_after_loss(self: WorkQueue, *args: Any, **how: Any) -> Any:
        if not lost:
            restart(server)
            for key in (keys.done, keys.outcomes):
                redis.delete(key(job.id))
            lost.append(redis.hset(keys.meta(job.id), mapping={"landed": 0, "succeeded": 0}))
        return close(self, *args, **how)

    monkeypatch.setattr(WorkQueue, "close_shard", close_after_loss)

    assert bench.finish(job) is JobStatus.COMPLETED
    assert lost
    bench.assert_whole(job)
    assert len(bench.shards(job)) == 1


def test_no_job_ends_whose_outcomes_a_restart_loses_after_they_were_counted(
    server: EmbeddedServer, redis: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = WorkerBench(redis)
    job = bench.enqueue(3)
    finish, lost = JobStore.finish, []

    def finish_after_loss(self: JobStore, *args: Any, **how: Any) -> bool:
        if not lost:
            restart(server)
            for key in (keys.done, keys.outcomes):
                redis.delete(key(job.id))
            lost.append(redis.hset(keys.meta(job.id), mapping={"landed": 0, "succeeded": 0}))
        return finish(self, *args, **how)

    monkeypatch.setattr(JobStore, "finish", finish_after_loss)

    assert bench.finish(job) is JobStatus.COMPLETED
    assert lost
    bench.assert_whole(job)
    assert bench.provider.calls["create"] == 1


@pytest.mark.parametrize("server", ["valkey"], indirect=True)
def test_a_commit_that_is_sent_again_waits_for_the_disk_like_the_first(
    server: EmbeddedServer, redis: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(durability, "_WAIT_MS", 300)
    redis.config_set("appendfsync", "no")
    # The server waits for what came over the same connection, and this one is lost with its answer.
    with Redis.from_url(server.url) as lost:
        JobStore(lost).begin("job_1", {})
        JobStore(lost, durable=False).commit("job_1", {})

    with pytest.raises(QueueUnavailableError, match="did not confirm"):
        JobStore(redis).commit("job_1", {})


def test_an_enqueue_that_a_frozen_server_failed_is_not_real_once_it_thaws(
    server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "_TIMEOUT_S", 0.5)
    monkeypatch.setattr(jobs, "_COMMIT_WITHIN_MS", 400)
    load = Pipeline.load_scripts

    def freeze(self: Pipeline) -> Any:
        load(self)
        if self.scripts:  # of all pipelines, only the commit's has one
            os.kill(server.pid, signal.SIGSTOP)

    monkeypatch.setattr(Pipeline, "load_scripts", freeze)
    with BatchClient(settings=Settings(redis_url=server.url, broker_url="memory://")) as client:
        try:
            with pytest.raises(QueueUnavailableError, match="does not answer"):
                client.enqueue(MODEL, None, [says()])
        finally:
            os.kill(server.pid, signal.SIGCONT)
            monkeypatch.undo()  # the next use connects with the usual time-out

        time.sleep(0.3)  # it reads what the client sent before it hung up
        assert list(client.jobs()) == []


def test_a_commit_that_came_too_late_is_made_again_by_a_client_that_still_waits(
    client: BatchClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit, within_ms = JobStore.commit, iter([-1, 8000])

    def commit_late(self: JobStore, *args: Any) -> bool:
        monkeypatch.setattr(jobs, "_COMMIT_WITHIN_MS", next(within_ms))
        return commit(self, *args)

    monkeypatch.setattr(JobStore, "commit", commit_late)

    assert client.enqueue(MODEL, None, [says()]).status() is JobStatus.QUEUED
    assert list(within_ms) == []


def test_a_retry_that_a_restart_undoes_is_made_again(
    server: EmbeddedServer, redis: Any, client: BatchClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = WorkerBench(redis)
    bench.provider.answer = error_line
    job = bench.enqueue(3)
    bench.finish(job)
    bench.provider.answer = answer_line
    before = {name: redis.dump(name) for name in redis.scan_iter()}
    take_back, lost = JobStore.take_back, []

    def take_back_after_loss(self: JobStore, *args: Any) -> bool:
        if not lost:
            lost.append(restart(server))
            redis.flushdb()
            for name, value in before.items():
                redis.restore(name, 0, value)
        return take_back(self, *args)

    monkeypatch.setattr(JobStore, "take_back", take_back_after_loss)

    assert client.job(job.id).retry_failed() == 3
    assert bench.finish(job) is JobStatus.COMPLETED
    bench.assert_whole(job)
    assert bench.provider.calls["create"] == 2


def test_a_retry_whose_work_a_restart_loses_does_not_wait_for_ever(
    server: EmbeddedServer, redis: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = WorkerBench(redis)
    bench.provider.answer = error_line
    job = bench.enqueue(3)
    bench.finish(job)
    work = keys.work(keys.partition_of(job.id), job.id)
    before = redis.dump(work)
    begin_retry = JobStore.begin_retry

    def begin_after_loss(self: JobStore, *args: Any) -> int:
        restart(server)
        lose_its_work(redis, job.id)
        redis.restore(work, 0, before)
        return begin_retry(self, *args)

    def die(*_: Any) -> bool:
        raise KeyboardInterrupt

    monkeypatch.setattr(JobStore, "begin_retry", begin_after_loss)
    monkeypatch.setattr(JobStore, "take_back", die)
    with pytest.raises(KeyboardInterrupt):
        job.retry_failed()

    assert bench.finish(job) is JobStatus.FAILED
    bench.assert_whole(job)
