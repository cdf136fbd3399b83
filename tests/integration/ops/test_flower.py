"""A real Flower with our configuration, on a real server and a real worker."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from batchline_ops.embedded import EmbeddedServer
from batchline_ops.embedded.server import free_port
from batchline_ops.flower import flower_command

if TYPE_CHECKING:
    from collections.abc import Iterator

SECRET = "planted-secret"
APP = """
import os
from celery import Celery
app = Celery("plain", broker=os.environ["BATCHLINE_BROKER_URL"])
app.conf.task_send_sent_event = True

@app.task(name="plain.work")
def work(text, fail=False):
    if fail:
        raise ValueError(text)
    return text
"""
PASSWORD = {"Authorization": "Basic " + base64.b64encode(b"ops:pass-word").decode()}


@dataclass
class Site:
    """A Flower that answers."""

    port: int
    app: str
    env: dict[str, str]

    def get(self, path: str, headers: dict[str, str] | None = None, method: str = "GET") -> tuple[int, str]:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request(method, path, headers=headers or {})
            response = connection.getresponse()
            return response.status, response.read().decode()
        finally:
            connection.close()

    def eventually(self, path: str, text: str) -> str:
        """The page, once it contains the text."""
        deadline = time.monotonic() + 40
        body = ""
        while time.monotonic() < deadline:
            body = self.get(path)[1]
            if text in body:
                return body
            time.sleep(0.05)
        raise AssertionError(f"{text!r} never appeared on {path}: {body[:500]}")


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    folder = tmp_path_factory.mktemp("flower")
    (folder / "plainapp.py").write_text(APP)
    with EmbeddedServer(folder) as server:
        yield {
            **{name: value for name, value in os.environ.items() if not name.startswith("FLOWER_")},
            "PYTHONPATH": str(folder),
            "BATCHLINE_REDIS_URL": server.url,
            "BATCHLINE_BROKER_URL": server.url.removesuffix("0") + "1",
        }


def start_flower(
    environment: dict[str, str], log: Path, *arguments: str
) -> tuple[subprocess.Popen[bytes], Site]:
    port = free_port()
    with log.open("ab") as output:
        process = subprocess.Popen(
            [*flower_command("plainapp"), f"--port={port}", *arguments],
            env=environment,
            stdout=output,
            stderr=output,
        )
    site = Site(port=port, app="plainapp", env=environment)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        try:
            site.get("/healthcheck")
        except OSError:
            time.sleep(0.02)
        else:
            break
    return process, site


@pytest.fixture(scope="module")
def flower(environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("logs")
    process, site = start_flower(environment, folder / "flower.log")
    worker = subprocess.Popen(
        [sys.executable, "-m", "celery", "-A", "plainapp", "worker", "-P", "threads", "-c", "1", "-E"],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield site
    finally:
        for child in (worker, process):
            child.terminate()
            child.wait(15)


@pytest.fixture(scope="module")
def worked(flower: Site) -> Site:
    """Flower after a task that succeeded and one that failed, both with a secret in every place."""
    script = f"""
from plainapp import work
work.delay("{SECRET}")
work.delay(text="{SECRET}", fail=True)
"""
    subprocess.run([sys.executable, "-c", script], env=flower.env, timeout=60, check=True)
    flower.eventually(TASKS, "FAILURE")
    flower.eventually(TASKS, "SUCCESS")
    return flower


TASKS = "/tasks/datatable?draw=1&start=0&length=10&order[0][column]=0&columns[0][data]=name&order[0][dir]=asc"


def test_tasks_are_shown_without_what_their_users_wrote(worked: Site) -> None:
    tasks = worked.get(TASKS)[1]

    assert "plain.work" in tasks
    assert "ValueError(" in tasks
    assert SECRET not in tasks


def test_a_search_cannot_find_out_what_is_hidden(worked: Site) -> None:
    found = worked.get(f"{TASKS}&search[value]={SECRET}")[1]
    by_field = worked.get(f"{TASKS}&search[value]=args:{SECRET}")[1]

    assert '"recordsFiltered": 0' in found
    assert '"recordsFiltered": 0' in by_field


def test_a_task_page_shows_no_arguments_no_result_and_no_traceback(worked: Site) -> None:
    tasks = worked.get(TASKS)[1]
    for uuid in (part.split('"')[0] for part in tasks.split('"uuid": "')[1:]):
        status, page = worked.get(f"/task/{uuid}")

        assert status == 200
        assert "(redacted)" in page
        assert SECRET not in page


@pytest.mark.parametrize("path", ["/api/workers", "/api/tasks", "/api/task/types", "/api/queues/length"])
def test_the_api_is_closed(flower: Site, path: str) -> None:
    assert flower.get(path)[0] == 404


def test_nothing_can_be_stopped_or_sent_through_it(flower: Site) -> None:
    assert flower.get("/api/worker/shutdown/celery@host", method="POST")[0] == 404
    assert flower.get("/api/task/async-apply/plain.work", method="POST")[0] == 404


def test_our_gauges_stand_beside_its_own(worked: Site) -> None:
    metrics = worked.eventually("/metrics", "flower_events_total{")

    assert "batchline_ledger_up 1.0" in metrics
    assert 'batchline_jobs{status="in_progress"} 0.0' in metrics
    assert "batchline_oldest_due_seconds{stage=" in metrics


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="only Linux lists its sockets there")
def test_it_listens_on_the_loopback_interface_only_unless_told_otherwise(flower: Site) -> None:
    with Path("/proc/net/tcp").open() as table:
        listening = [line.split()[1] for line in table if line.split()[3] == "0A"]

    assert f"0100007F:{flower.port:04X}" in listening
    assert f"00000000:{flower.port:04X}" not in listening


@pytest.mark.parametrize(
    ("arguments", "variables"),
    [
        pytest.param(["--address=0.0.0.0"], {}, id="by-argument"),
        pytest.param([], {"FLOWER_ADDRESS": "0.0.0.0"}, id="by-variable"),
        pytest.param(["--address=0.0.0.0"], {"FLOWER_BASIC_AUTH": ""}, id="empty-password"),
        pytest.param(["--address=0.0.0.0"], {"FLOWER_UNAUTHENTICATED_API": "true"}, id="with-open-api"),
    ],
)
def test_it_does_not_start_open_to_others_and_says_why(
    environment: dict[str, str], arguments: list[str], variables: dict[str, str]
) -> None:
    result = subprocess.run(
        [*flower_command("plainapp"), "--port=0", *arguments],
        env={**environment, **variables},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert result.returncode != 0
    assert "FLOWER_BASIC_AUTH" in result.stderr
    assert "Traceback" not in result.stderr


def test_with_a_password_everything_but_the_health_check_asks_for_it(
    environment: dict[str, str], tmp_path: Path
) -> None:
    protected = {**environment, "FLOWER_BASIC_AUTH": "ops:pass-word"}
    process, site = start_flower(protected, tmp_path / "flower.log", "--address=0.0.0.0")
    try:
        assert site.get("/healthcheck")[0] == 200
        for path in ("/", "/tasks", "/broker", "/metrics"):
            assert site.get(path)[0] == 401, path
            assert site.get(path, PASSWORD)[0] == 200, path
        assert site.get("/api/workers", PASSWORD)[0] == 404
    finally:
        process.terminate()
        process.wait(15)
