"""`batchline up` whole: server, simulator, workers, beat and Flower as real processes."""

from __future__ import annotations

import http.client
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import psutil
import pytest
from redis import Redis

from batchline_ops.supervisor import SupervisedStack, UpOptions
from integration.ops.process_checks import still_there

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

APP = """
import os
from celery import Celery
from redis import Redis
app = Celery("plain", broker=os.environ["BATCHLINE_BROKER_URL"])
app.conf.broker_connection_max_retries = None

@app.task(name="plain.count")
def count():
    with Redis.from_url(os.environ["BATCHLINE_REDIS_URL"]) as redis:
        redis.incr("counted")
"""


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SupervisedStack]:
    """Everything, with a plain Celery application in the place of ours."""
    code = tmp_path_factory.mktemp("code")
    (code / "plainapp.py").write_text(APP)
    options = UpOptions(
        data_dir=tmp_path_factory.mktemp("up"),
        workers=2,
        simulator=True,
        simulator_args=("--speed", "100"),
        app="plainapp",
        env={"PYTHONPATH": str(code), "OPENAI_BASE_URL": "", "OPENAI_API_KEY": ""},
        maxmemory="64mb",
    )
    with SupervisedStack(options) as stack:
        yield stack


def answers(url: str | None, path: str) -> int:
    assert url is not None
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    finally:
        connection.close()


def run_tasks(stack: SupervisedStack, number: int) -> int:
    """Publish tasks; how many of them were run, within a few seconds."""
    script = f"from plainapp import count\nfor _ in range({number}): count.delay()"
    with Redis.from_url(stack.state.redis_url) as redis:
        redis.delete("counted")
        subprocess.run([sys.executable, "-c", script], env=stack.env(), timeout=20, check=True)
        deadline = time.monotonic() + 15
        while int(redis.get("counted") or 0) < number and time.monotonic() < deadline:  # type: ignore[arg-type]
            time.sleep(0.02)
        return int(redis.get("counted") or 0)  # type: ignore[arg-type]


def test_everything_answers_when_it_says_that_it_is_ready(stack: SupervisedStack) -> None:
    state = stack.state

    assert state.ready
    assert list(state.pids) == ["server", "simulator", "worker-1", "worker-2", "beat", "flower"]
    assert answers(state.flower_url, "/healthcheck") == 200
    assert answers(state.flower_url, "/api/workers") == 404
    assert answers(state.simulator_url, "/v1/batches") < 500
    assert run_tasks(stack, 5) == 5


def test_workers_talk_to_the_simulator(stack: SupervisedStack) -> None:
    environment = psutil.Process(stack.pid("worker-1")).environ()

    assert environment["OPENAI_BASE_URL"] == f"{stack.state.simulator_url}/v1"
    assert environment["OPENAI_API_KEY"] == "simulated"


def test_work_goes_on_after_a_worker_and_then_the_server_were_killed(stack: SupervisedStack) -> None:
    for name in ("worker-1", "server"):
        killed = stack.pid(name)
        os.kill(killed, signal.SIGKILL)
        stack.pid(name, other_than=killed)
        stack.wait_ready()

        assert run_tasks(stack, 3) == 3, name


def test_no_process_outlives_the_supervisor_even_if_it_is_killed(
    stack: SupervisedStack, tmp_path: Path
) -> None:
    options = stack.options.model_copy(update={"data_dir": tmp_path, "workers": 1})
    other = SupervisedStack(options).start()
    pids = list(other.state.pids.values())

    other.kill()

    assert len(pids) == 5
    assert still_there(pids, within_s=10) == []
