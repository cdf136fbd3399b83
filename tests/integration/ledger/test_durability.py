"""What survives: a killed server, a full one, one that is away, and one that was wiped."""

from __future__ import annotations

import socket
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from redis import Redis
from redis.client import Pipeline
from redis.exceptions import ResponseError

from batchline import BatchClient, JobStatus, Settings
from batchline_shared.errors import (
    ConfigurationError,
    JobNotFoundError,
    LedgerError,
    QueueFullError,
    QueueUnavailableError,
)
from batchline_shared.ledger import JobStore, Stage, keys, open_ledger, redis_errors
from batchline_shared.ledger.durability import Durability
from ledger_servers import REAL, embedded
from worker_bench import WORK, WorkerBench, says

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from batchline_ops.embedded import EmbeddedServer

MODEL = "openai/gpt-4o-mini"


@pytest.fixture(params=REAL)
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[EmbeddedServer]:
    with embedded(request.param, tmp_path, maxmemory="32mb") as server:
        yield server


@pytest.fixture
def redis(server: EmbeddedServer) -> Iterator[Any]:
    with Redis.from_url(server.url) as client:
        yield client


@pytest.fixture
def client(server: EmbeddedServer) -> Iterator[BatchClient]:
    settings = Settings(redis_url=server.url, broker_url="memory://")
    with BatchClient(settings=settings) as client:
        yield client


def test_a_killed_server_keeps_every_job_that_enqueue_returned(
    server: EmbeddedServer, client: BatchClient
) -> None:
    jobs = [client.enqueue(MODEL, None, [says()] * 600).id for _ in range(3)]
    server.kill()
    server.start()

    with Redis.from_url(server.url) as redis:
        bench = WorkerBench(redis)
        found = [bench.client.job(job_id) for job_id in jobs]
        assert [job.status() for job in found] == [JobStatus.QUEUED] * 3
        for job in found:
            assert bench.finish(job) is JobStatus.COMPLETED
            bench.assert_whole(job)


def test_a_server_that_is_killed_in_every_stage_loses_and_doubles_nothing(server: EmbeddedServer) -> None:
    with Redis.from_url(server.url) as redis:
        bench = WorkerBench(redis, shard_max_requests=200)
        job = bench.enqueue(600)
        for _ in range(6):
            server.kill()
            server.start()
            bench.run()
            bench.provider.end_all()
            bench.later(20)

        assert job.status() is JobStatus.COMPLETED
        assert bench.provider.calls["create"] == 3
        bench.assert_whole(job)


def test_the_disk_is_waited_for_where_the_server_can(request: pytest.FixtureRequest, redis: Any) -> None:
    durability = Durability(redis, enabled=True)

    assert durability.write(lambda pipe: pipe.set("a", 1)) is True
    assert durability._supported is ("valkey" in request.node.name)
    assert redis.get("a") == b"1"


def test_a_disk_that_does_not_confirm_is_an_error(redis: Any) -> None:
    durability = Durability(redis, enabled=True)
    with pytest.raises(QueueUnavailableError, match="did not confirm"):
        durability._judge([0, 0])
    durability._judge(ResponseError("unknown command 'WAITAOF'"))
    assert durability.write(lambda pipe: pipe.set("a", 1)) is True


def test_a_full_server_refuses_an_enqueue_and_keeps_nothing_of_it(redis: Any, client: BatchClient) -> None:
    kept = client.enqueue(MODEL, None, [says()])
    redis.config_set("maxmemory", redis.info("memory")["used_memory"] + 300_000)
    before = set(redis.keys())

    with pytest.raises(QueueFullError, match="maxmemory"):
        client.enqueue(MODEL, None, (says(random_text(n)) for n in range(20_000)), idempotency_key="k")

    redis.config_set("maxmemory", "64mb")
    nudge = {(keys.NUDGE % "plan").encode()}
    assert set(redis.keys()) - before - nudge == set()
    assert [info.id for info in client.jobs()] == [kept.id]
    assert client.enqueue(MODEL, None, [says()], idempotency_key="k").status() is JobStatus.QUEUED


def random_text(seed: int) -> str:
    import random  # noqa: PLC0415 - one use

    return random.Random(seed).randbytes(200).hex()


def test_a_server_that_fills_up_during_the_work_delays_it_and_doubles_nothing(redis: Any) -> None:
    bench = WorkerBench(redis)
    job = bench.enqueue(10)
    bench.run()
    redis.config_set("maxmemory", 1)
    with pytest.raises(QueueFullError), redis_errors("it"):
        bench.context.jobs.finish(job.id, JobStatus.FAILED, message="", retention_s=0)
    bench.provider.end_all()
    redis.config_set("maxmemory", 0)
    bench.later(130)

    assert bench.finish(job) is JobStatus.COMPLETED
    assert bench.provider.calls["create"] == 1


def test_a_server_that_stays_full_has_nothing_quarantined(redis: Any) -> None:
    bench = WorkerBench(redis, quarantine_after=2)
    jobs = [bench.submitted(2), bench.enqueue(2)]
    bench.run(Stage.PLAN)
    for _ in range(4):
        bench.later(400)
        redis.config_set("maxmemory", 1)
        for stage in (Stage.SUBMIT, Stage.POLL):
            with pytest.raises(QueueFullError), redis_errors("it"):
                WORK[stage](bench.context)
        redis.config_set("maxmemory", 0)

    assert [bench.shard(job).crashes for job in jobs] == [0, 0]
    assert [bench.finish(job) for job in jobs] == [JobStatus.COMPLETED] * 2


def test_a_create_while_the_server_is_full_is_found_again(redis: Any) -> None:
    bench = WorkerBench(redis)
    job = bench.enqueue(10)
    bench.provider.meanwhile("create", lambda: redis.config_set("maxmemory", 1))
    with pytest.raises(QueueFullError), redis_errors("it"):
        bench.run()
    redis.config_set("maxmemory", 0)

    assert bench.finish(job) is JobStatus.COMPLETED
    assert bench.provider.calls["create"] == 1


def test_a_server_that_is_down_is_named() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    client = BatchClient(settings=Settings(redis_url=f"redis://127.0.0.1:{port}/0", broker_url="memory://"))

    with pytest.raises(QueueUnavailableError, match=f"127.0.0.1:{port}.*BATCHLINE_REDIS_URL"):
        client.enqueue(MODEL, None, [says()])


def test_an_enqueue_during_which_the_server_is_wiped_fails_clearly(redis: Any, client: BatchClient) -> None:
    def requests() -> Iterator[list[dict[str, Any]]]:
        for n in range(3000):
            if n == 2500:
                redis.flushall()
            yield says(str(n))

    with pytest.raises(QueueUnavailableError, match="wiped"):
        client.enqueue(MODEL, None, requests())
    assert client.jobs() == []


def test_whoever_waits_for_a_job_that_is_wiped_is_told(
    redis: Any, client: BatchClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("batchline.waiting._LOOK_ANYWAY_S", 0.2)
    job = client.enqueue(MODEL, None, [says()])
    timer = threading.Timer(0.3, redis.flushall)
    timer.start()

    with pytest.raises(JobNotFoundError, match=job.id):
        job.wait(timeout_s=20)
    timer.join()
    with pytest.raises(JobNotFoundError):
        list(job.iter_results())


def test_whoever_waits_outlives_a_restart_of_the_server(server: EmbeddedServer, client: BatchClient) -> None:
    job = client.enqueue(MODEL, None, [says()])
    statuses: list[JobStatus] = []
    waiter = threading.Thread(target=lambda: statuses.append(job.wait(timeout_s=30)))
    waiter.start()
    time.sleep(0.2)
    server.kill()
    server.start()
    with Redis.from_url(server.url) as again:
        assert WorkerBench(again).finish(job) is JobStatus.COMPLETED
    waiter.join(30)

    assert statuses == [JobStatus.COMPLETED]


def test_a_wrong_password_is_a_setting_and_no_outage(server: EmbeddedServer, redis: Any) -> None:
    redis.execute_command("ACL", "SETUSER", "bob", "on", ">secret", "~other:*", "+@all")

    with pytest.raises(ConfigurationError, match="user or password"):
        open_ledger(server.url.replace("redis://", "redis://bob:wrong@"))
    with pytest.raises(ConfigurationError, match="does not let the user"):
        open_ledger(server.url.replace("redis://", "redis://bob:secret@"))


def test_a_read_only_replica_is_named_as_such(redis: Any) -> None:
    store = JobStore(redis, durable=False)
    store.begin("job_1", {"model": "m"})
    redis.execute_command("REPLICAOF", "127.0.0.1", "1")

    with pytest.raises(QueueUnavailableError, match="replica"), redis_errors("it"):
        store.commit("job_1", {"total": 1})
    redis.execute_command("REPLICAOF", "NO", "ONE")


@pytest.mark.parametrize("text", ["MISCONF Errors writing to the AOF file", "BUSY running a script"])
def test_what_an_operator_can_mend_is_an_outage(text: str) -> None:
    with pytest.raises(QueueUnavailableError, match="for now"), redis_errors("it"):
        raise ResponseError(text)


def test_a_key_of_another_type_is_a_damaged_ledger(redis: Any) -> None:
    redis.set(keys.meta("job_1"), "text")

    with pytest.raises(LedgerError), redis_errors("it"):
        JobStore(redis).find("job_1")


def test_one_key_enqueued_by_many_at_once_is_one_job(client: BatchClient) -> None:
    found: list[str] = []
    start = threading.Barrier(6)

    def enqueue() -> None:
        start.wait()
        found.append(client.enqueue(MODEL, None, [says()] * 700, idempotency_key="the same").id)

    threads = [threading.Thread(target=enqueue) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(found) == 6
    assert len(set(found)) == 1
    assert [info.id for info in client.jobs()] == [found[0]]


def test_a_key_that_was_claimed_a_moment_ago_is_not_taken_from_its_owner(
    client: BatchClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim, found = JobStore.claim, []

    def slowly(store: JobStore, digest: str, job_id: str, **options: Any) -> str:
        held = claim(store, digest, job_id, **options)
        if not found:
            found.append(held)
            time.sleep(0.5)  # between its claim and its first write, another comes
        return held

    monkeypatch.setattr(JobStore, "claim", slowly)
    first: list[str] = []
    thread = threading.Thread(
        target=lambda: first.append(client.enqueue(MODEL, None, [says()], idempotency_key="k").id)
    )
    thread.start()
    time.sleep(0.2)
    second = client.enqueue(MODEL, None, [says()], idempotency_key="k").id
    thread.join()

    assert first == [second]
    assert len(client.jobs()) == 1


@pytest.mark.parametrize("written", [True, False], ids=["answer-lost", "not-written"])
def test_a_server_that_restarts_within_the_commit_is_no_error(
    server: EmbeddedServer, client: BatchClient, monkeypatch: pytest.MonkeyPatch, *, written: bool
) -> None:
    run, restarts = Pipeline._execute_pipeline, []

    def restart_before(self: Any, *args: Any, **options: Any) -> Any:
        # redis-py loads scripts, and only then runs the pipeline, on whatever connection it gets.
        if self.scripts and not restarts:
            if written:
                run(self, *args, **options)
            restarts.append(server.kill())
            server.start()
        return run(self, *args, **options)

    client.enqueue(MODEL, None, [says()])  # connects
    monkeypatch.setattr(Pipeline, "_execute_pipeline", restart_before)
    job = client.enqueue(MODEL, None, [says()] * 3)

    assert restarts
    assert job.status() is JobStatus.QUEUED
    assert len(list(client.jobs())) == 2


def test_an_enqueue_that_a_full_server_refuses_leaves_nothing_due(
    client: BatchClient, redis: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = JobStore.commit

    def full(self: JobStore, *args: Any) -> None:
        redis.config_set("maxmemory", int(redis.info("memory")["used_memory"]) // 2)
        commit(self, *args)

    monkeypatch.setattr(JobStore, "commit", full)
    with pytest.raises(QueueFullError):
        client.enqueue(MODEL, None, [says()])
    redis.config_set("maxmemory", "32mb")

    due = keys.due(0, Stage.PLAN).replace("{p0}", "{p*}")
    assert redis.keys(due) == []
