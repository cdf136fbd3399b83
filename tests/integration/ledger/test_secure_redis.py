"""Redis over TLS, behind Sentinels, and with users who may do no more than they must (`docs/security.md`)."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from typing import TYPE_CHECKING, Any

import pytest
from redis import Redis
from redis.exceptions import RedisError

from acceptance.live_stack import LiveStack, simulator_config, until
from batchline import BatchClient, ConfigurationError, JobStatus, Settings
from batchline_ops.embedded import EmbeddedServer
from batchline_ops.embedded.server import free_port
from batchline_simulator import running_simulator
from redis_users import as_user, documented_users

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MODEL = "openai/gpt-4o-mini"
HELLO = [[{"role": "user", "content": "hello"}]]


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[EmbeddedServer]:
    """A server with exactly the documented users, and a default one for this test alone."""
    with EmbeddedServer(tmp_path / "server") as server, Redis.from_url(server.url) as redis:
        for user in documented_users():
            redis.execute_command("ACL", "SETUSER", *user)
        yield server


def test_a_stack_runs_with_exactly_the_documented_users(guarded: EmbeddedServer, tmp_path: Path) -> None:
    assert [user[0] for user in documented_users()] == ["client", "worker", "reader", "beat", "flower"]
    broker = guarded.url.removesuffix("/0") + "/1"
    with running_simulator(simulator_config(tmp_path / "simulator", speed=0)) as simulator:
        stack = LiveStack(guarded.url, simulator, tmp_path)
        try:
            stack.worker(
                BATCHLINE_REDIS_URL=as_user(guarded.url, "worker"),
                BATCHLINE_BROKER_URL=as_user(broker, "worker"),
            )
            settings = Settings(
                redis_url=as_user(guarded.url, "client"), broker_url=as_user(broker, "client"), max_attempts=1
            )
            with BatchClient(settings=settings) as client:
                job = client.enqueue(MODEL, None, HELLO * 3)
                assert job.wait(timeout_s=40) is JobStatus.COMPLETED
                assert len(job.results()) == 3
            with BatchClient(settings=Settings(redis_url=as_user(guarded.url, "reader"))) as reader:
                assert reader.job(job.id).status() is JobStatus.COMPLETED
                assert len(reader.job(job.id).results()) == 3
                assert [info.id for info in reader.jobs()] == [job.id]
            assert "NOPERM" not in stack.logs()
            with Redis.from_url(guarded.url) as redis:
                denied: Any = redis.execute_command("ACL", "LOG")
                assert denied == []
        finally:
            stack.close()


def test_who_may_only_read_is_told_so(guarded: EmbeddedServer) -> None:
    with BatchClient(settings=Settings(redis_url=guarded.url, broker_url="memory://")) as client:
        client.jobs()
    with (
        BatchClient(settings=Settings(redis_url=as_user(guarded.url, "reader"))) as reader,
        pytest.raises(ConfigurationError, match=r"docs/security\.md"),
    ):
        reader.enqueue(MODEL, None, HELLO)


@pytest.mark.parametrize("user", ["client", "worker", "reader", "beat", "flower"])
@pytest.mark.parametrize(
    "command", ["FLUSHALL", "CONFIG GET *", "KEYS *", "GET other", "SHUTDOWN", "MONITOR"]
)
def test_no_user_may_do_what_none_needs(guarded: EmbeddedServer, user: str, command: str) -> None:
    with Redis.from_url(as_user(guarded.url, user)) as redis, pytest.raises(RedisError, match="permissions"):
        redis.execute_command(*command.split())


def certificates(folder: Path) -> tuple[Path, Path]:
    """A certificate of 127.0.0.1 that is its own authority, and its key."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("no openssl here to make a certificate")
    folder.mkdir()
    certificate, key = folder / "server.pem", folder / "server.key"
    name = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    out = ["-keyout", str(key), "-out", str(certificate)]
    subprocess.run(
        [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *name, *out],
        check=True,
        capture_output=True,
    )
    return certificate, key


@pytest.fixture
def secured(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """The URL of a server that speaks TLS only, and the certificate to trust."""
    binary = shutil.which("redis-server")
    if binary is None:
        pytest.skip("no redis-server here")
    certificate, key = certificates(tmp_path / "tls")
    port = free_port()
    options = {"port": "0", "tls-port": str(port), "appendonly": "yes", "save": "", "dir": str(tmp_path)}
    options |= {"tls-cert-file": str(certificate), "tls-key-file": str(key), "tls-auth-clients": "no"}
    command = [binary, *(part for name, value in options.items() for part in (f"--{name}", value))]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    url = f"rediss://127.0.0.1:{port}/0?ssl_ca_certs={certificate}"
    try:
        if not answers(url, process):
            pytest.skip("this redis-server was built without TLS")
        yield url, certificate
    finally:
        process.kill()
        process.wait()


def answers(url: str, process: subprocess.Popen[bytes]) -> bool:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with Redis.from_url(url, retry=None) as redis:
                return bool(redis.ping())
        except RedisError:
            time.sleep(0.05)
    return False


def test_client_and_worker_use_tls_for_ledger_and_broker(secured: tuple[str, Path], tmp_path: Path) -> None:
    url, _ = secured
    broker = url.replace("/0?", "/1?")
    with running_simulator(simulator_config(tmp_path / "simulator", speed=0)) as simulator:
        stack = LiveStack(url, simulator, tmp_path)
        try:
            stack.worker(BATCHLINE_BROKER_URL=broker)
            settings = Settings(redis_url=url, broker_url=broker)
            with BatchClient(settings=settings) as client:
                assert client.enqueue(MODEL, None, HELLO).wait(timeout_s=40) is JobStatus.COMPLETED
            assert "nudge_failed" not in stack.logs()
        finally:
            stack.close()


def test_a_certificate_of_a_stranger_is_not_trusted(secured: tuple[str, Path], tmp_path: Path) -> None:
    stranger, _ = certificates(tmp_path / "stranger")
    url = secured[0].replace(str(secured[1]), str(stranger))

    with pytest.raises(RedisError, match="certificate"), Redis.from_url(url, retry=None) as redis:
        redis.ping()


class Pair:
    """A primary, its replica and a Sentinel that lets the replica take over."""

    def __init__(self, folder: Path, binary: str) -> None:
        self._folder, self._binary = folder, binary
        self._processes: list[subprocess.Popen[bytes]] = []
        self.ports = [free_port(), free_port(), free_port()]
        self.primary = self._start("primary", self.ports[0])
        self._start("replica", self.ports[1], "--replicaof", "127.0.0.1", str(self.ports[0]))
        until(self.is_in_sync, 20)
        configuration = folder / "sentinel.conf"
        configuration.write_text(
            f"port {self.ports[2]}\nbind 127.0.0.1\ndir {folder}\n"
            f"sentinel monitor mymaster 127.0.0.1 {self.ports[0]} 1\n"
            "sentinel down-after-milliseconds mymaster 1000\n"
            "sentinel failover-timeout mymaster 5000\n"
        )
        self._run(binary, str(configuration), "--sentinel")
        # What the Sentinel knows of the replica, it learns from the primary.
        with Redis(port=self.ports[2]) as sentinel:
            until(lambda: answered(sentinel) and len(sentinel.sentinel_slaves("mymaster")) == 1, 20)
        self.url = f"sentinel://127.0.0.1:{self.ports[2]}/0?master=mymaster"

    def is_in_sync(self) -> bool:
        try:
            with Redis(port=self.ports[1], retry=None) as replica:
                info: Any = replica.info("replication")
                return bool(info.get("master_link_status") == "up")
        except RedisError:
            return False

    def settle(self) -> None:
        """Let the primary take no more writes, and the replica have all: one that lags is another case."""
        with Redis(port=self.ports[0]) as primary, Redis(port=self.ports[1]) as replica:
            primary.client_pause(10_000, all=False)
            until(lambda: offset(primary, "master_repl_offset") == offset(replica, "slave_repl_offset"))

    def _start(self, name: str, port: int, *more: str) -> subprocess.Popen[bytes]:
        folder = self._folder / name
        folder.mkdir()
        options = ["--port", str(port), "--bind", "127.0.0.1", "--appendonly", "yes", "--save", ""]
        return self._run(self._binary, *options, "--dir", str(folder), *more)

    def _run(self, *command: str) -> subprocess.Popen[bytes]:
        self._processes.append(subprocess.Popen(command, stdout=subprocess.DEVNULL, env=dict(os.environ)))
        return self._processes[-1]

    def close(self) -> None:
        for process in self._processes:
            process.kill()
            process.wait()


def offset(redis: Any, name: str) -> int:
    return int(redis.info("replication")[name])


def answered(redis: Any) -> bool:
    try:
        return bool(redis.ping())
    except RedisError:
        return False


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    binary = shutil.which("redis-server")
    if binary is None:
        pytest.skip("no redis-server here")
    pair = Pair(tmp_path, binary)
    yield pair
    pair.close()


def test_client_and_worker_follow_a_failover_by_themselves(pair: Pair, tmp_path: Path) -> None:
    with running_simulator(simulator_config(tmp_path / "simulator", speed=0)) as simulator:
        stack = LiveStack(f"redis://127.0.0.1:{pair.ports[0]}/0", simulator, tmp_path)
        simulator.arm({"call": "batches.create", "kind": "delay_before", "seconds": 0.3, "rate": 1.0})
        try:
            worker = stack.worker(BATCHLINE_REDIS_URL=pair.url, BATCHLINE_SHARD_MAX_REQUESTS="5")
            with BatchClient(settings=Settings(redis_url=pair.url)) as client:
                job = client.enqueue(MODEL, None, HELLO * 40)
                until(lambda: len(stack.accepted(job.id)) >= 2)
                pair.settle()
                pair.primary.kill()

                assert job.wait(timeout_s=60) is JobStatus.COMPLETED
                assert job.info().succeeded == 40
                assert worker.alive
                assert len(stack.accepted(job.id)) == 8
        finally:
            for one in stack.workers:
                one.kill()
            stack.client.close()
