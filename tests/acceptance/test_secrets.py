"""Secrets are planted wherever one may be; then all that comes out of a running stack is searched."""

from __future__ import annotations

import re
import subprocess
import sys
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from redis import Redis

from acceptance.live_stack import KEY, LiveStack, until
from batchline import BatchSuccess, JobStatus
from batchline_ops.embedded import EmbeddedServer
from batchline_ops.embedded.server import free_port
from batchline_ops.flower import flower_command

if TYPE_CHECKING:
    from collections.abc import Iterator

    from batchline_simulator import SimulatorProcess

MODEL = "openai/gpt-4o-mini"
PROMPT = "the patient's name is Rumpelstiltskin"
WORDS = (PROMPT, "Rumpelstiltskin")
"""Of requests: nowhere but in the ledger and at the provider, like what is answered to them."""

PASSWORD = "planted-redis-password"
HOOK_SECRET = "whsec_cGxhbnRlZC1ob29rLXNlY3JldC1wbGFudGVkLWhvb2s="
KEYS = (KEY, PASSWORD, HOOK_SECRET, HOOK_SECRET.removeprefix("whsec_"))
"""In the environment alone: not even in the ledger."""

MISHAPS = (
    {"call": "files.create", "kind": "rate_limit"},
    {"call": "batches.create", "kind": "error_before", "status": 400},
    {"call": "batches.retrieve", "kind": "unauthorized"},
    {"call": "files.content", "kind": "html"},
    {"call": "row", "kind": "not_json", "rate": 0.3},
    {"call": "row", "kind": "bad_request", "rate": 0.3},
)
PLANTED = {
    "BATCHLINE_LOG_LEVEL": "DEBUG",
    "BATCHLINE_SHARD_MAX_REQUESTS": "20",
    "BATCHLINE_WEBHOOKS__SHOP__URL": "http://127.0.0.1:9/nobody-listens",
    "BATCHLINE_WEBHOOKS__SHOP__SECRET_ENV": "SHOP_SECRET",
    "BATCHLINE_WEBHOOKS__SHOP__ALLOW_HTTP": "true",
    "SHOP_SECRET": HOOK_SECRET,
}


@pytest.fixture
def guarded_stack(live_simulator: SimulatorProcess, tmp_path: Path) -> Iterator[LiveStack]:
    """A stack whose Redis asks for a password."""
    with EmbeddedServer(tmp_path / "server") as server:
        admin: Any = Redis.from_url(server.url)
        admin.config_set("requirepass", PASSWORD)
        stack = LiveStack(server.url.replace("://", f"://:{PASSWORD}@"), live_simulator, tmp_path)
        try:
            yield stack
        finally:
            stack.close()
            admin = Redis.from_url(stack.redis_url)
            admin.config_set("requirepass", "")
            admin.close()


@contextmanager
def flower(stack: LiveStack) -> Iterator[str]:
    """A Flower on the stack; its address."""
    port, log = free_port(), stack.folder / "flower.log"
    with log.open("wb") as output:
        command = [*flower_command("batchline_worker.app"), f"--port={port}"]
        process = subprocess.Popen(command, env=stack.environment(**PLANTED), stdout=output, stderr=output)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(15)


def page(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 - our own address
        return str(answer.read().decode())


def answers(url: str) -> bool:
    try:
        return bool(page(url))
    except OSError:
        return False


def pages(address: str) -> str:
    """Every kind of page that Flower has, those of each task included."""
    overview = "".join(page(address + path) for path in ("/", "/workers", "/tasks", "/broker", "/metrics"))
    tasks = page(
        f"{address}/tasks/datatable?draw=1&start=0&length=100&search%5Bvalue%5D=&order%5B0%5D%5Bcolumn%5D=0&order%5B0%5D%5Bdir%5D=asc&columns%5B0%5D%5Bdata%5D=name"
    )
    names = set(re.findall(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", tasks))
    shown = [text for name in sorted(names) if (text := task_page(f"{address}/task/{name}"))]
    assert shown
    return overview + tasks + "".join(shown)


def task_page(url: str) -> str:
    """A task's page; empty where Flower has let go of it, as it does of old ones."""
    try:
        return page(url)
    except urllib.error.HTTPError as error:
        if error.code == 404:
            return ""
        raise


def said(stack: LiveStack, *arguments: str) -> str:
    """What a command prints, on both streams."""
    command = [Path(sys.executable).with_name("batchline"), *arguments]
    done = subprocess.run(
        command, env=stack.environment(**PLANTED), capture_output=True, text=True, timeout=60, check=False
    )
    return done.stdout + done.stderr


def stored(redis: Any) -> bytes:
    """Every key of a database, and all that is in them."""
    found = []
    for name in redis.scan_iter():
        kind = redis.type(name)
        read = {b"string": redis.get, b"hash": redis.hgetall, b"set": redis.smembers}
        ranged = {b"list": redis.lrange, b"zset": redis.zrange}
        value = ranged[kind](name, 0, -1) if kind in ranged else read[kind](name)
        found.append(name + b" " + repr(value).encode())
    return b"\n".join(found)


def test_no_secret_comes_out_of_a_stack_that_meets_every_mishap(guarded_stack: LiveStack) -> None:
    stack = guarded_stack
    stack.simulator.arm(*MISHAPS)
    stack.worker(**PLANTED)
    with flower(stack) as address, stack.broker_traffic() as traffic:
        until(lambda: answers(f"{address}/healthcheck"), timeout_s=60)
        conversations = [[{"role": "user", "content": f"{n}: {PROMPT}"}] for n in range(120)]
        job = stack.client.enqueue(MODEL, None, conversations, webhook="shop")
        doomed = stack.client.enqueue("openai/planted-answer", None, conversations[:2])
        job.wait(timeout_s=90)
        doomed.cancel()
        shown = pages(address)
        commands = ("batch status", "batch deliveries", "batch cancel")
        shown += "".join(said(stack, *command.split(), job.id) for command in commands)
        shown += said(stack, "batch", "list") + said(stack, "batch", "room") + said(stack, "doctor")
        wrong = stack.environment()["BATCHLINE_REDIS_URL"].replace("@127", "wrong@127")
        shown += said(stack, "--redis-url", wrong, "batch", "list")
    written = stack.logs() + (stack.folder / "flower.log").read_text()
    kept = stored(Redis.from_url(stack.redis_url)).decode(errors="replace")
    sent = "".join(traffic) + stored(stack.broker).decode(errors="replace")

    assert job.status() is JobStatus.COMPLETED
    assert job.info().errored > 0
    for mark, text in (
        ("batchline.plan", shown),
        ("batchline.plan", sent),
        ("finished", written),
        (job.id, kept),
    ):
        assert mark in text
    answered = {str(one.result) for one in job.results() if isinstance(one, BatchSuccess)}
    assert len(answered) > 10
    for name, text in {"logs": written, "pages and commands": shown, "broker": sent}.items():
        for secret in (*KEYS, *WORDS, *answered):
            # The broker's own log of commands has the password that opened it.
            if not (secret == PASSWORD and name == "broker"):
                assert secret not in text, (name, secret)
    for secret in KEYS:
        assert secret not in kept, secret
