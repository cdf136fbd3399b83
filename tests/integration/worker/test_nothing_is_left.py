"""Whatever way a job ends, nothing of it is left: not in Redis after its retention, not at its provider.

On a real server, through every provider's SDK. What may stay is what `ledger/keys.py` says lives for ever.
"""

from __future__ import annotations

import re
import sqlite3
import time
from contextlib import closing
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import BaseModel

from batchline import JobStatus, RetryPolicy
from batchline_ops.simulated import SIMULATED, simulated_environment
from batchline_shared.dialects.registry import PROVIDERS
from batchline_shared.ledger import DeliveryError, DeliveryKind, JobStore, Stage, keys
from batchline_simulator import SimulatorConfig, running_simulator
from batchline_worker.hooks import Attempt
from ledger_servers import serve
from pipeline import pipeline
from scripted_sender import ScriptedSender
from worker_bench import WORK

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from batchline import Job
    from batchline_simulator import SimulatorProcess
    from pipeline import Pipeline

CREATE = {
    "openai": "batches.create",
    "anthropic": "anthropic.batches.create",
    "google": "vertex.batches.create",
    "gemini": "gemini.batches.create",
}
FAILED_AS_A_WHOLE = {"openai": "cannot_find_file", "google": "system_error", "gemini": "cannot_find_file"}


class City(BaseModel):
    """What is asked for where answers must fit."""

    name: str


FOREVER = [
    re.escape(keys.SCHEMA),
    re.escape(keys.LEDGER_ID),
    r"batchline:\{p[0-7]\}:(due:audit|work:audit~\w+)",
    r"batchline:\{p[0-7]\}:tally",
    r"batchline:batches:anthropic",
    r"batchline:\{r:\w+\}:admission:state",
]
"""What no job's end takes away: a version, counts, and what is known of an account."""

LONGEST_MS = {"creations": 3_600_000, "seen": 600_000, "taught": 30 * 24 * 3_600_000}
"""Time to live of what is known of an account for a while; all else goes with its job, after a minute."""


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatorProcess]:
    folder = tmp_path_factory.mktemp("simulator")
    config = SimulatorConfig(data_dir=folder, speed=0, buckets={"simulated-bucket": "us-central1"})
    with running_simulator(config) as running:
        yield running


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    yield from serve("valkey", tmp_path_factory.mktemp("server"))


@pytest.fixture
def line(simulator: SimulatorProcess, server: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pipeline]:
    """One worker that deletes at once what a job that has ended left at its provider."""
    account = simulator.write_service_account(simulator.config.data_dir / "account.json")
    for name, value in simulated_environment(simulator.url, account, {}).items():
        monkeypatch.setenv(name, value)
    simulator.set_faults()
    server.flushdb()
    hasty = {"create_timeout_s": 1, "reconcile_quiet_s": 1, "retry_backoff_s": 0}
    with pipeline(server, clean_up_after_s=0, **hasty) as made:
        yield made


def left_at_the_provider(simulator: SimulatorProcess, provider: str) -> list[str]:
    """Files and objects, and batches where they hold results, that nobody has deleted."""
    uri = f"file:{simulator.config.data_dir / 'simulator.sqlite'}?mode=ro"
    with closing(sqlite3.connect(uri, uri=True)) as database:
        files = [name for (name,) in database.execute("SELECT filename FROM files")]
        objects = [name for (name,) in database.execute("SELECT name FROM google_blobs")]
    batches = [
        batch["id"]
        for batch in simulator.batches()
        if provider in {"anthropic", "gemini"} and not batch["deleted"]
    ]
    return [*files, *objects, *batches]


def left_in_redis(server: Any) -> list[str]:
    found = [name.decode() for name in server.scan_iter()]
    return [name for name in found if not any(re.fullmatch(pattern, name) for pattern in FOREVER)]


def assert_all_goes(line: Pipeline, server: Any, *, deleted: bool) -> None:
    """Every key has a time to live; once that is over, and the list was swept, none is there."""
    for name in left_in_redis(server):
        if name != keys.ALL_JOBS:
            longest_ms = LONGEST_MS.get(name.rpartition(":admission:")[2], 60_000)
            if ":pool:" in name or (deleted and ":work:" in name):
                longest_ms = 48 * 3_600_000  # the latter kept for cleaning up, see `keys.work`
            if name.endswith(":live"):
                longest_ms = 2 * 60_000  # a minute beyond the next call
            if re.search(r":(work|shards|berths):pool[-_]", name):
                longest_ms = line.settings.retention_s * 1000  # of many jobs, each with its own retention
            left_ms = server.pttl(name)
            # -2 is gone, 0 in its last millisecond, -1 would stay for ever.
            assert left_ms == -2 or 0 <= left_ms <= longest_ms, name
            server.pexpire(name, 1)
    time.sleep(0.01)
    line.context.jobs.drop_gone()

    assert left_in_redis(server) == []


def enqueue(line: Pipeline, provider: str, *texts: str, response_model: Any = None, **more: Any) -> Job[Any]:
    asked = [[{"role": "user", "content": text}] for text in texts or ("one", "two", "three")]
    return line.client.enqueue(
        SIMULATED[provider].model, response_model, asked, retention_s=60, **{"idempotency_key": "key"} | more
    )


def completed(line: Pipeline, simulator: SimulatorProcess, provider: str) -> JobStatus:
    del simulator
    line.finish(enqueue(line, provider))
    return JobStatus.COMPLETED


def in_attempts(line: Pipeline, simulator: SimulatorProcess, provider: str) -> JobStatus:
    del simulator
    twice = RetryPolicy(max_attempts=2, backoff_s=0)
    job = enqueue(line, provider, "one", "[[fault:server_error]]", retry=twice)
    line.finish(job)
    assert job.retry_failed() == 1
    line.finish(job)
    assert len(job.batches()) == 4
    return JobStatus.COMPLETED


def failed(line: Pipeline, simulator: SimulatorProcess, provider: str) -> JobStatus:
    del simulator
    line.finish(enqueue(line, provider, "[[fault:bad_request]]", "[[fault:bad_request]]"))
    return JobStatus.FAILED


def expired(line: Pipeline, simulator: SimulatorProcess, provider: str) -> JobStatus:
    simulator.arm({"call": CREATE[provider], "kind": "expire", "fraction": 1.0})
    line.finish(enqueue(line, provider))
    return JobStatus.EXPIRED


def cancelled_before(line: Pipeline, simulator: SimulatorProcess, provider: str) -> JobStatus:
    del simulator
    job = enqueue(line, provider)
    job.cancel()
    line.finish(job)
    return JobStatus.CANCELLED


def cancelled_in_between(line: Pipeline, simulator: SimulatorProcess, provider: str) -> JobStatus:
    """The creation is refused for now, so that the input is there, and no batch."""
    simulator.arm({"call": CREATE[provider], "kind": "rate_limit", "retry_after": 1})
    job = enqueue(line, provider)
    line.rest()
    job.cancel()
    line.finish(job)
    return JobStatus.CANCELLED


def refused_once(line: Pipeline, simulator: SimulatorProcess, provider: str) -> JobStatus:
    """Uploaded twice: the first batch failed as a whole."""
    if provider in FAILED_AS_A_WHOLE:
        simulator.arm({"call": CREATE[provider], "kind": FAILED_AS_A_WHOLE[provider]})
    job = enqueue(line, provider)
    line.finish(job)
    return JobStatus.COMPLETED


def created_twice_over(line: Pipeline, simulator: SimulatorProcess, provider: str) -> JobStatus:
    """The answer to the creation was lost, and the batch found."""
    simulator.arm({"call": CREATE[provider], "kind": "drop_after"})
    line.finish(enqueue(line, provider))
    return JobStatus.COMPLETED


def sent_back(line: Pipeline, simulator: SimulatorProcess, provider: str) -> JobStatus:
    """One answer fits once it is told what is wrong, the other never does."""
    del simulator
    texts = ("one [[fault:schema_violation:told:1]]", "two [[fault:schema_violation]]")
    job = enqueue(line, provider, *texts, response_model=City, reask=1)
    line.finish(job)
    assert [one.reasks for one in job.results()] == [1, 1]
    return JobStatus.COMPLETED


def with_copies(line: Pipeline, simulator: SimulatorProcess, provider: str) -> JobStatus:
    del simulator
    job = enqueue(line, provider, "one", "one", "two", deduplicate=True)
    line.finish(job)
    assert [one.duplicate_of for one in job.results()] == [None, "request-0", None]
    return JobStatus.COMPLETED


def in_company(line: Pipeline, simulator: SimulatorProcess, provider: str) -> JobStatus:
    """It shares its batch with a job that is deleted."""
    del simulator
    jobs = [enqueue(line, provider, linger_s=1, idempotency_key=key) for key in ("key", "other")]
    line.finish(*jobs)
    assert len({job.batches()[0].batch_id for job in jobs}) == 1
    jobs[1].delete()
    return JobStatus.COMPLETED


def told(line: Pipeline, simulator: SimulatorProcess, provider: str) -> JobStatus:
    """A task hears of its end; a webhook refuses to, for good."""
    del simulator
    senders = {kind: ScriptedSender() for kind in DeliveryKind}
    senders[DeliveryKind.WEBHOOK].script.append(Attempt(DeliveryError.STATUS, 410, "gone"))
    line.context.senders = dict(senders)
    line.finish(enqueue(line, provider, on_complete="app.done", webhook="billing"))
    line.rest()
    assert [len(sender.messages) for sender in senders.values()] == [1, 1]
    return JobStatus.COMPLETED


def asked_live(line: Pipeline, simulator: SimulatorProcess, provider: str) -> JobStatus:
    """What is not in a batch by its deadline is asked one by one."""
    del simulator
    at_once = timedelta(milliseconds=1)
    job = enqueue(line, provider, deadline=at_once, on_deadline="live")
    while not WORK[Stage.DEADLINE](line.context):
        pass
    line.finish(job)
    assert {one.source for one in job.results()} == {"live"}
    return JobStatus.COMPLETED


WAYS = [
    completed,
    in_attempts,
    failed,
    expired,
    cancelled_before,
    cancelled_in_between,
    refused_once,
    created_twice_over,
    sent_back,
    with_copies,
    in_company,
    told,
    asked_live,
]


@pytest.mark.parametrize("deleted", [False, True], ids=["kept", "deleted"])
@pytest.mark.parametrize("end", WAYS, ids=lambda end: end.__name__)
@pytest.mark.parametrize("provider", sorted(PROVIDERS))
def test_nothing_is_left(
    line: Pipeline,
    simulator: SimulatorProcess,
    server: Any,
    provider: str,
    end: Callable[[Pipeline, SimulatorProcess, str], JobStatus],
    deleted: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    before = left_at_the_provider(simulator, provider)

    status = end(line, simulator, provider)
    (info,) = line.client.jobs()
    assert info.status is status
    if deleted:
        line.client.job(info.id).delete()
    line.rest()

    assert sorted(left_at_the_provider(simulator, provider)) == sorted(before)
    assert_all_goes(line, server, deleted=deleted)


@pytest.mark.parametrize("step", ["begin", "claim", "write_chunks", "commit"])
def test_of_an_enqueue_whose_process_died_nothing_is_left(
    line: Pipeline, server: Any, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def kill(*_: Any, **__: Any) -> None:
        raise SystemExit

    real = getattr(JobStore, step)

    def die(self: JobStore, *arguments: Any, **more: Any) -> None:
        if step != "commit":
            real(self, *arguments, **more)
        # Neither does a dead process clean up after itself.
        monkeypatch.setattr(JobStore, "abandon", kill)
        raise SystemExit

    monkeypatch.setattr(JobStore, step, die)
    with pytest.raises(SystemExit):
        enqueue(line, "openai")
    monkeypatch.undo()

    # A worker meets what was due already, and, a day later, that its record is gone.
    for partition in range(keys.PARTITIONS):
        for member in server.zrange(keys.due(partition, "plan"), 0, -1):
            server.zadd(keys.due(partition, "plan"), {member: 0})
    line.rest()
    for name in server.scan_iter("*:meta"):
        assert 0 < server.pttl(name) <= 24 * 3600 * 1000
        server.delete(name)
    for partition in range(keys.PARTITIONS):
        for member in server.zrange(keys.due(partition, "plan"), 0, -1):
            server.zadd(keys.due(partition, "plan"), {member: 0})
    line.rest()
    line.context.jobs.drop_gone()

    lasting = [name for name in left_in_redis(server) if server.pttl(name) == -1]
    assert lasting == []
