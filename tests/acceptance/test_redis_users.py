"""Beat and Flower as the users of Redis that `docs/security.md` gives, who may do no more than they must."""

from __future__ import annotations

import subprocess
import sys
import urllib.request
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from redis import Redis

from acceptance.live_stack import LiveStack, until
from batchline import JobStatus
from batchline_ops.embedded import EmbeddedServer
from batchline_ops.embedded.server import free_port
from batchline_ops.flower import flower_command
from redis_users import as_user, documented_users

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from batchline_simulator import SimulatorProcess

HELLO = [[{"role": "user", "content": "hello"}]]


@pytest.fixture
def stack(tmp_path: Path, live_simulator: SimulatorProcess) -> Iterator[LiveStack]:
    """A stack on a server with exactly the documented users, and a default one for this test alone."""
    with EmbeddedServer(tmp_path / "server") as server:
        stack = LiveStack(server.url, live_simulator, tmp_path)
        for user in documented_users():
            stack.broker.execute_command("ACL", "SETUSER", *user)
        yield stack
        stack.close()


def environment(stack: LiveStack, user: str) -> dict[str, str]:
    ledger = as_user(stack.redis_url, user)
    return stack.environment(
        BATCHLINE_REDIS_URL=ledger, BATCHLINE_BROKER_URL=ledger.removesuffix("/0") + "/1"
    )


@contextmanager
def running(stack: LiveStack, user: str, *command: str) -> Iterator[Path]:
    """A process of that user; its log."""
    log = stack.folder / f"{user}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, env=environment(stack, user), stdout=output, stderr=output, cwd=stack.folder
        )
    try:
        yield log
        assert process.poll() is None
    finally:
        process.terminate()
        process.wait(15)


def page(url: str) -> str:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 - our own address
            return str(answer.read().decode())
    except OSError:
        return ""


def denied(stack: LiveStack) -> list[Any]:
    with Redis.from_url(stack.redis_url) as redis:
        found: Any = redis.execute_command("ACL", "LOG")
        return list(found)


def test_beat_sends_every_tick_as_its_own_user(stack: LiveStack) -> None:
    celery = (sys.executable, "-m", "celery", "-A", "batchline_worker.app", "beat", "-l", "INFO")
    with running(stack, "beat", *celery, "--pidfile=") as log, stack.broker_traffic() as traffic:
        until(lambda: any("LPUSH" in command for command in traffic))
        written = log.read_text()

    assert "Traceback" not in written
    assert denied(stack) == []


def test_flower_shows_workers_and_gauges_as_its_own_user(stack: LiveStack) -> None:
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    with running(stack, "flower", *flower_command("batchline_worker.app"), f"--port={port}") as log:
        ledger = as_user(stack.redis_url, "worker")
        until(lambda: page(f"{address}/metrics"))
        stack.worker(BATCHLINE_REDIS_URL=ledger, BATCHLINE_BROKER_URL=ledger.removesuffix("/0") + "/1")
        job = stack.client.enqueue("openai/gpt-4o-mini", None, HELLO * 3)
        assert job.wait(timeout_s=40) is JobStatus.COMPLETED
        until(lambda: "worker-0@test" in page(f"{address}/workers"))
        until(lambda: 'batchline_requests{outcome="succeeded"} 3.0' in page(f"{address}/metrics"))
        written = log.read_text()

    assert "Traceback" not in written
    assert denied(stack) == []
