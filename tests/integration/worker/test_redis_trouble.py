"""Redis killed, frozen, full, read-only or wiped under a running worker, which outlives all of it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest
from redis import Redis

from acceptance.live_stack import LiveStack, simulator_config, until
from batchline import JobStatus, QueueFullError, QueueUnavailableError
from batchline_ops.embedded import EmbeddedServer
from batchline_ops.embedded.server import free_port
from batchline_simulator import SimulatorProcess, running_simulator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from acceptance.live_stack import LiveWorker
    from batchline import Job

MODEL = "openai/gpt-4o-mini"
SLOW_CREATE = {"call": "batches.create", "kind": "delay_before", "seconds": 0.3, "rate": 1.0}
SHARDS = 8
NO_MORE_FOR_NOW = {"call": "batches.create", "kind": "rate_limit", "retry_after": 0.5, "rate": 1.0, "skip": 5}
"""Some shards are left when trouble comes, however late: until then the provider takes so many batches."""


class Site:
    """A server of the test's own, a simulator and one worker at work."""

    def __init__(self, server: EmbeddedServer, stack: LiveStack) -> None:
        self.server = server
        self.stack = stack
        self.redis: Any = Redis.from_url(server.url)
        self.worker: LiveWorker = stack.worker(BATCHLINE_SHARD_MAX_REQUESTS="20")
        stack.simulator.arm(SLOW_CREATE, NO_MORE_FOR_NOW)
        self.job = self.enqueue(SHARDS * 20)
        until(lambda: len(stack.accepted(self.job.id)) >= 2)

    def enqueue(self, count: int) -> Job[Any]:
        requests = [[{"role": "user", "content": f"question {n}"}] for n in range(count)]
        return self.stack.client.enqueue(MODEL, None, requests)

    def assert_it_goes_on(self) -> None:
        """The same worker finishes the job; nothing is doubled, nothing lost."""
        self.stack.simulator.set_faults()
        assert self.job.wait(timeout_s=40) is JobStatus.COMPLETED
        assert self.job.info().succeeded == SHARDS * 20
        self.stack.assert_paid_once(self.job.id, shards=SHARDS, requests=SHARDS * 20)
        self.assert_new_work_is_done()

    def assert_new_work_is_done(self) -> None:
        assert self.enqueue(5).wait(timeout_s=20) is JobStatus.COMPLETED
        assert self.worker.alive


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatorProcess]:
    with running_simulator(simulator_config(tmp_path_factory.mktemp("simulator"), speed=0)) as simulator:
        yield simulator


@pytest.fixture
def site(simulator: SimulatorProcess, tmp_path: Path) -> Iterator[Site]:
    with EmbeddedServer(tmp_path / "server") as server:
        stack = LiveStack(server.url, simulator, tmp_path)
        try:
            yield Site(server, stack)
        finally:
            stack.close()


def test_a_worker_outlives_a_server_that_is_killed_again_and_again(site: Site) -> None:
    for _ in range(3):
        site.server.kill()
        time.sleep(1.0)
        site.server.start()
        time.sleep(0.5)

    site.assert_it_goes_on()


def full(redis: Any) -> Callable[[], object]:
    redis.config_set("maxmemory", 1)
    return lambda: redis.config_set("maxmemory", 0)


def replica(redis: Any) -> Callable[[], object]:
    redis.execute_command("REPLICAOF", "127.0.0.1", "1")
    return lambda: redis.execute_command("REPLICAOF", "NO", "ONE")


@pytest.mark.parametrize(
    ("trouble", "error", "words"),
    [
        pytest.param(full, QueueFullError, "maxmemory", id="full"),
        pytest.param(replica, QueueUnavailableError, "read-only replica", id="read-only"),
    ],
)
def test_a_worker_outlives_a_server_that_refuses_and_a_client_is_told(
    site: Site, trouble: Callable[[Any], Callable[[], object]], error: type[Exception], words: str
) -> None:
    mend = trouble(site.redis)
    with pytest.raises(error, match=words):
        site.enqueue(3)
    time.sleep(2)
    assert site.worker.alive
    mend()

    site.assert_it_goes_on()


def test_a_frozen_server_is_named_after_one_time_out_and_work_goes_on(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Long enough that one time-out and a stall of this machine are told from two time-outs.
    monkeypatch.setattr("batchline_shared.ledger.connection._TIMEOUT_S", 4.0)
    site.stack.client.close()  # the next use connects with the shorter time-out
    site.stack.client.jobs()
    os.kill(site.server.pid, signal.SIGSTOP)
    try:
        began = time.monotonic()
        with pytest.raises(QueueUnavailableError, match="does not answer within 4 s"):
            site.job.status()
        waited_s = time.monotonic() - began
    finally:
        os.kill(site.server.pid, signal.SIGCONT)

    assert waited_s < 8
    site.assert_it_goes_on()


def test_a_wiped_ledger_is_said_to_be_and_nothing_of_it_is_sent_any_more(site: Site) -> None:
    site.redis.flushall()
    until(lambda: "ledger_wiped" in site.stack.logs())
    time.sleep(1.0)  # a creation that was under way comes to its end
    accepted = len(site.stack.accepted(site.job.id))
    site.stack.simulator.set_faults()

    site.assert_new_work_is_done()
    assert len(site.stack.accepted(site.job.id)) == accepted < SHARDS
    state = {name.decode(): float(value) for name, value in held(site.redis).items()}
    assert not any(value < 0 for value in state.values()), state


def held(redis: Any) -> dict[bytes, bytes]:
    found = redis.hgetall("batchline:{r:openai}:admission:state")
    return {name: value for name, value in found.items() if value.lstrip(b"-").replace(b".", b"").isdigit()}


def test_a_worker_that_starts_before_its_server_waits_for_it(
    simulator: SimulatorProcess, tmp_path: Path
) -> None:
    server = EmbeddedServer(tmp_path / "server").start()
    stack = LiveStack(server.url, simulator, tmp_path)
    try:
        server.kill()
        worker = stack.worker()
        until(lambda: "ledger_unavailable" in worker.log.read_text())
        assert worker.alive
        server.start()

        job = stack.client.enqueue(MODEL, None, [[{"role": "user", "content": "hello"}]])
        assert job.wait(timeout_s=30) is JobStatus.COMPLETED
    finally:
        server.start()
        stack.close()
        server.stop()


def test_a_worker_says_which_settings_of_the_server_may_lose_jobs(site: Site) -> None:
    site.redis.config_set("maxmemory-policy", "allkeys-lru")
    site.redis.config_set("appendonly", "no")
    warned = site.stack.worker()
    until(lambda: warned.log.read_text().count("redis_may_lose_jobs") == 2)

    text = warned.log.read_text()
    assert "maxmemory-policy is allkeys-lru" in text
    assert "no append-only file" in text
    assert "redis_may_lose_jobs" not in site.worker.log.read_text()


def test_a_broker_that_is_away_does_not_hold_up_the_work_at_hand() -> None:
    send = "import time; from batchline_worker.app import _send; from batchline_shared.ledger import Stage"
    timed = "began = time.monotonic(); _send(Stage.SUBMIT); print(time.monotonic() - began)"
    nobody = f"redis://127.0.0.1:{free_port()}/1"
    done = subprocess.run(
        [sys.executable, "-c", f"{send}; {timed}"],
        env={**os.environ, "BATCHLINE_BROKER_URL": nobody},
        stdout=subprocess.PIPE,
        check=True,
        timeout=60,
    )

    assert float(done.stdout.splitlines()[-1]) < 2
