"""The real `batchline`, in front of a real server, worker and simulator."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import BaseModel
from redis import Redis

from batchline import BatchProcessor
from batchline_ops.embedded import EmbeddedServer
from batchline_simulator import SimulatorConfig, running_simulator

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from batchline_simulator import SimulatorProcess

BATCHLINE = Path(sys.executable).with_name("batchline")
MODEL = "openai/gpt-4.1-mini"
TIMEOUT_S = 60


class User(BaseModel):
    name: str
    age: int


class Desk:
    """A shell of its user: a directory and an environment."""

    def __init__(self, home: Path, environment: Mapping[str, str]) -> None:
        self.home = home
        self.environment = environment

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [BATCHLINE, *arguments],
            cwd=self.home,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        with self.start(*arguments) as process:
            out, err = process.communicate(timeout=TIMEOUT_S)
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)

    def json(self, *arguments: str) -> Any:
        done = self.run(*arguments, "--json")
        assert (done.returncode, done.stderr) == (0, "")
        return json.loads(done.stdout)

    def write_batch(self, count: int) -> str:
        """The file that the document's first part makes."""
        messages = [[{"role": "user", "content": f"Hi, I'm Nr. {i}, {i} years old."}] for i in range(count)]
        path = self.home / "batch_requests.jsonl"
        return str(BatchProcessor(MODEL, User).create_batch_from_messages(messages, str(path)))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    with EmbeddedServer(tmp_path_factory.mktemp("server")) as server:
        yield server


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatorProcess]:
    config = SimulatorConfig(data_dir=tmp_path_factory.mktemp("simulator"), speed=100)
    with running_simulator(config) as simulator:
        yield simulator


@pytest.fixture(scope="module")
def environment(server: EmbeddedServer, simulator: SimulatorProcess) -> dict[str, str]:
    ours = {
        name: value for name, value in os.environ.items() if not name.startswith(("BATCHLINE_", "OPENAI_"))
    }
    return ours | {
        "BATCHLINE_REDIS_URL": server.url,
        "BATCHLINE_POLL_INTERVAL_S": "0.1",
        "BATCHLINE_TICK_INTERVAL_S": "0.2",
        "OPENAI_BASE_URL": simulator.base_url,
        "OPENAI_API_KEY": "sk-planted",
    }


@pytest.fixture(scope="module")
def worker(environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    command = "-m celery -A batchline_worker.app worker -P threads -c 8 --without-gossip --without-mingle"
    log = (tmp_path_factory.mktemp("worker") / "log").open("wb")
    process = subprocess.Popen([sys.executable, *command.split()], env=environment, stdout=log, stderr=log)
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        log.close()


@pytest.fixture
def desk(tmp_path: Path, environment: dict[str, str]) -> Desk:
    return Desk(tmp_path, environment)


def assert_refused(done: subprocess.CompletedProcess[str], code: int, *words: str) -> None:
    """Its own exit code, one line on stderr, nothing on stdout."""
    assert (done.returncode, done.stdout) == (code, ""), done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("Error: ")
    assert all(word in done.stderr for word in words), done.stderr


@pytest.mark.usefixtures("worker")
def test_the_three_commands_of_the_document(desk: Desk) -> None:
    desk.write_batch(20)

    created = desk.run("batch", "create-from-file", "--file-path", "batch_requests.jsonl", "--model", MODEL)
    job_id = created.stdout.strip()
    watched = desk.run("batch", "watch", job_id)
    listed = desk.run("batch", "list", "--model", MODEL)
    fetched = desk.run(
        "batch", "results", "--batch-id", job_id, "--output-file", "results.jsonl", "--model", MODEL
    )

    assert created.returncode == 0
    assert (watched.returncode, "20 succeeded" in watched.stdout) == (0, True)
    assert job_id in listed.stdout
    assert fetched.stderr == "20 outcomes written to results.jsonl: 20 succeeded, 0 failed\n"
    results = [json.loads(line) for line in (desk.home / "results.jsonl").read_text().splitlines()]
    assert {result["custom_id"] for result in results} == {f"request-{i}" for i in range(20)}
    assert all(User.model_validate(result["result"]) for result in results)
    assert sorted(path.name for path in desk.home.iterdir()) == ["batch_requests.jsonl", "results.jsonl"]


@pytest.mark.usefixtures("worker")
def test_submit_with_a_response_model_and_wait(desk: Desk) -> None:
    (desk.home / "shop.py").write_text(
        "from pydantic import BaseModel\nclass Item(BaseModel):\n    name: str\n"
    )
    (desk.home / "in.jsonl").write_text('[{"role": "user", "content": "a chair"}]\n' * 3)

    job = desk.json("batch", "submit", "in.jsonl", "-m", MODEL, "--response-model", "shop:Item", "--wait")
    assert (job["status"], job["succeeded"]) == ("completed", 3)
    assert job == {**job, **desk.json("batch", "watch", job["id"])}
    assert len(desk.json("batch", "status", job["id"])["batches"]) == 1


@pytest.mark.usefixtures("worker")
def test_the_doctor_finds_a_healthy_system_and_shows_no_key(desk: Desk) -> None:
    report = desk.json("doctor")

    levels = {item["check"]: item["level"] for item in report["checks"]}
    assert report["ok"]
    assert set(levels.values()) == {"ok"}, report
    assert {"Redis", "Append-only file", "maxmemory-policy", "WAITAOF", "Broker", "Workers"} <= set(levels)
    assert "sk-planted" not in json.dumps(report)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        pytest.param(None, ["No such file"], id="missing"),
        pytest.param(b"", ["empty"], id="empty"),
        pytest.param(b"\xff\xfe\n", ["line 1", "UTF-8"], id="not UTF-8"),
        pytest.param(b"{oops\n", ["line 1", "JSON"], id="bad line"),
        pytest.param(b'{"custom_id": "a", "params": {}}\n', ["line 1", "anthropic"], id="foreign provider"),
    ],
)
def test_a_bad_file_is_refused(desk: Desk, content: bytes | None, words: list[str]) -> None:
    if content is not None:
        (desk.home / "bad.jsonl").write_bytes(content)

    done = desk.run("batch", "create-from-file", "--file-path", "bad.jsonl", "--model", MODEL)
    assert_refused(done, 2, *words)


@pytest.mark.parametrize(("model", "word"), [("gpt-4.1-mini", "provider/model-name"), ("nobody/x", "nobody")])
def test_a_bad_model_is_refused(desk: Desk, model: str, word: str) -> None:
    desk.write_batch(1)

    done = desk.run("batch", "create-from-file", "--file-path", "batch_requests.jsonl", "--model", model)
    assert_refused(done, 2, word)


def test_a_job_that_does_not_exist(desk: Desk) -> None:
    options = ["--batch-id", "batch_abc123", "--output-file", "results.jsonl", "--model", MODEL]

    assert_refused(desk.run("batch", "results", *options), 3, "batch_abc123")


def test_redis_that_is_down(desk: Desk) -> None:
    done = desk.run("--redis-url", "redis://:planted@127.0.0.1:1/0", "batch", "list", "--model", MODEL)

    assert_refused(done, 5, "127.0.0.1:1", "cannot be reached")
    assert "planted" not in done.stderr


def test_redis_that_is_full(desk: Desk, tmp_path: Path) -> None:
    desk.write_batch(1)
    with EmbeddedServer(tmp_path / "full") as full, Redis.from_url(full.url) as redis:
        redis.config_set("maxmemory", 1)
        done = desk.run(
            "--redis-url", full.url, "batch", "create-from-file", "-f", "batch_requests.jsonl", "-m", MODEL
        )

    assert_refused(done, 6, "maxmemory", "nothing was enqueued")


def test_settings_that_are_wrong(desk: Desk) -> None:
    desk.environment = {**desk.environment, "BATCHLINE_LEASE_S": "soon"}

    assert_refused(desk.run("batch", "list"), 7, "BATCHLINE_LEASE_S")


@pytest.fixture
def idle_job(desk: Desk, tmp_path: Path) -> Iterator[str]:
    """A job on a ledger without workers, which the desk uses."""
    with EmbeddedServer(tmp_path / "idle") as idle:
        desk.environment = {**desk.environment, "BATCHLINE_REDIS_URL": idle.url}
        desk.write_batch(1)
        yield desk.json("batch", "create-from-file", "-f", "batch_requests.jsonl", "-m", MODEL)["id"]


def test_results_that_are_asked_for_too_early(desk: Desk, idle_job: str) -> None:
    done = desk.run(
        "batch", "results", "--batch-id", idle_job, "--output-file", "early.jsonl", "--model", MODEL
    )

    assert_refused(done, 4, idle_job, "1 of 1")
    assert not (desk.home / "early.jsonl").exists()


def test_ctrl_c_stops_watching_and_not_the_job(desk: Desk, idle_job: str) -> None:
    with (
        desk.start("batch", "watch", idle_job) as watching,
        Redis.from_url(desk.environment["BATCHLINE_REDIS_URL"]) as redis,
    ):
        while not redis.pubsub_channels():
            assert watching.poll() is None
            time.sleep(0.02)
        watching.send_signal(signal.SIGINT)
        out, err = watching.communicate(timeout=TIMEOUT_S)

    assert (watching.returncode, out) == (130, "")
    assert err.count("\n") == 1
    assert "the job goes on" in err
    assert desk.json("batch", "status", idle_job)["status"] == "queued"


def test_output_has_no_colours_in_a_pipe_and_is_not_folded(desk: Desk) -> None:
    desk.environment = {**desk.environment, "COLUMNS": "40"}
    desk.write_batch(1)
    job_id = desk.run("batch", "create-from-file", "-f", "batch_requests.jsonl", "-m", MODEL).stdout.strip()

    table = desk.run("batch", "list").stdout
    assert "\x1b" not in table
    assert any(job_id in line and MODEL in line for line in table.splitlines())


def test_help_is_quick(desk: Desk) -> None:
    before = os.times()
    assert desk.run("--help").returncode == 0
    after = os.times()

    cpu_s = after.children_user + after.children_system - before.children_user - before.children_system
    assert cpu_s < 0.6
