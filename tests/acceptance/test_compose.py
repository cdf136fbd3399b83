"""The promises of `docker-compose.yml` and its image, kept without an engine."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
import yaml
from pydantic import BaseModel
from redis import Redis
from redis.exceptions import RedisError

from acceptance.compose_processes import ROOT, ComposeProcesses, MissingVariableError, load
from batchline import BatchClient, Settings, filter_successful

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from batchline import BatchResult

PASSWORD = {"FLOWER_BASIC_AUTH": "ops:pass-word"}
SERVERS = ["redis", "broker"]
OURS = ["worker", "beat", "flower", "simulator"]
DOCKERFILE = (ROOT / "ops" / "docker" / "Dockerfile").read_text()


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    loaded: dict[str, Any] = load(PASSWORD)["services"]
    return loaded


def compose_specification() -> dict[str, Any]:
    """The specification's own schema, shipped by `check-jsonschema`; read without importing that."""
    spec = importlib.util.find_spec("check_jsonschema")
    assert spec is not None, "pip install check-jsonschema"
    assert spec.origin is not None
    path = Path(spec.origin).parent / "builtin_schemas" / "vendor" / "compose-spec.json"
    schema: dict[str, Any] = json.loads(path.read_text())
    return schema


def test_the_file_is_valid_by_the_compose_specification() -> None:
    schema = compose_specification()
    validator = jsonschema.validators.validator_for(schema)(schema)

    assert [error.message for error in validator.iter_errors(load(PASSWORD))] == []
    assert list(validator.iter_errors({"services": {"a": {"comand": "x"}}})), (
        "the schema refuses what is wrong"
    )


@pytest.mark.parametrize("name", SERVERS)
def test_a_server_writes_everything_down_evicts_nothing_and_has_a_limit(
    services: dict[str, Any], name: str
) -> None:
    command = services[name]["command"]
    settings = dict(zip(command[1::2], command[2::2], strict=True))

    assert settings["--appendonly"] == "yes"
    assert settings["--appendfsync"] == "everysec"
    assert settings["--maxmemory-policy"] == "noeviction"
    assert re.fullmatch(r"\d+[mg]b", settings["--maxmemory"])
    assert any(volume.endswith(":/data") for volume in services[name]["volumes"])


def test_broker_and_ledger_are_different_servers(services: dict[str, Any]) -> None:
    environment = services["worker"]["environment"]

    assert environment["BATCHLINE_REDIS_URL"] == "redis://redis:6379/0"
    assert environment["BATCHLINE_BROKER_URL"] == "redis://broker:6379/0"


def test_nothing_keeps_the_worker_from_being_scaled(services: dict[str, Any]) -> None:
    assert not {"container_name", "ports", "hostname", "volumes"} & set(services["worker"])


def test_every_service_is_watched_restarted_and_given_time_to_stop(services: dict[str, Any]) -> None:
    for name, service in services.items():
        assert service["restart"] == "unless-stopped", name
        assert service["healthcheck"]["test"], name
        assert service["stop_grace_period"], name
    assert services["worker"]["stop_grace_period"] == "90s"


def test_every_port_is_published_on_the_loopback_interface_only(services: dict[str, Any]) -> None:
    published = [port for service in services.values() for port in service.get("ports", [])]

    assert len(published) == 3
    assert all(port.startswith("127.0.0.1:") for port in published)


def test_every_volume_that_is_used_is_named_in_the_file(services: dict[str, Any]) -> None:
    mounted = {
        volume.partition(":")[0] for service in services.values() for volume in service.get("volumes", [])
    }

    assert mounted == set(load(PASSWORD)["volumes"])


def test_flower_needs_a_password_from_the_environment() -> None:
    with pytest.raises(MissingVariableError, match="user:password"):
        load({})


def test_the_simulator_runs_in_the_demo_only_and_the_demo_spends_nothing(services: dict[str, Any]) -> None:
    lines = (ROOT / "ops" / "docker" / "demo.env").read_text().splitlines()
    demo = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))

    assert [name for name, service in services.items() if service.get("profiles") == ["demo"]] == [
        "simulator"
    ]
    assert demo["OPENAI_BASE_URL"] == "http://simulator:8080/v1"
    assert demo["OPENAI_API_KEY"] == "simulated"
    assert load(demo)


def test_provider_keys_reach_workers_only_and_only_from_outside(
    services: dict[str, Any], tmp_path: Path
) -> None:
    with_key = {
        name for name, service in services.items() if "OPENAI_API_KEY" in service.get("environment", {})
    }
    stack = ComposeProcesses(tmp_path, {**PASSWORD, "OPENAI_API_KEY": "from-the-shell"})

    assert with_key == {"worker"}
    assert services["worker"]["environment"]["OPENAI_API_KEY"] is None, "passed on, not written down"
    assert stack.environment("worker")["OPENAI_API_KEY"] == "from-the-shell"
    assert "ANTHROPIC_API_KEY" not in stack.environment("worker"), "what is not set stays unset"
    assert "API_KEY" not in DOCKERFILE


def test_the_image_runs_as_nobody_special_with_a_health_check_and_without_build_tools() -> None:
    final = DOCKERFILE.rpartition("\nFROM ")[2]

    assert DOCKERFILE.count("\nFROM ") == 2
    assert re.search(r"^USER 10001:10001$", final, re.MULTILINE)
    assert re.search(r"^HEALTHCHECK ", final, re.MULTILINE)
    assert "pip uninstall --yes pip" in final
    assert not re.search(r"apt-get|pip install|gcc", final)
    assert all("--require-hashes" in line for line in re.findall(r"pip install.*-r .*", DOCKERFILE))


def test_the_image_s_command_is_the_worker_s(services: dict[str, Any]) -> None:
    commands = re.findall(r"^CMD (\[.*\])$", DOCKERFILE, re.MULTILINE)

    assert [json.loads(command) for command in commands] == [services["worker"]["command"]]


def test_everything_the_image_copies_is_there_and_let_through() -> None:
    allowed = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    copies = [line.split()[1:-1] for line in DOCKERFILE.splitlines() if re.match(r"COPY (?!--from)", line)]
    sources = [source for copy in copies for source in copy]

    assert sources
    for source in sources:
        assert (ROOT / source).exists(), source
        assert any(source == entry or source.startswith(entry + "/") for entry in allowed), source


def test_the_image_s_packages_are_pinned_as_those_we_test_with() -> None:
    def pins(path: Path) -> set[str]:
        return set(re.findall(r"^([\w.\-\[\]]+==[^\s;]+)", path.read_text(), re.MULTILINE))

    tested = pins(ROOT / "requirements.lock")
    for lock in ("requirements.lock", "build.lock"):
        assert pins(ROOT / "ops" / "docker" / lock) - tested == set()


# --- the services as processes ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ComposeProcesses]:
    """Every service of the demo, with three workers."""
    variables = {
        **PASSWORD,
        "OPENAI_BASE_URL": "http://simulator:8080/v1",
        "OPENAI_API_KEY": "simulated",
        "BATCHLINE_POLL_INTERVAL_S": "0.1",
    }
    stack = ComposeProcesses(tmp_path_factory.mktemp("compose"), variables)
    try:
        for server in SERVERS:
            stack.start(server)
        for server in SERVERS:
            eventually(lambda name=server: ping(stack.ports[name]))
        stack.start("simulator")
        for number in (1, 2, 3):
            stack.start("worker", number)
        stack.start("beat")
        stack.start("flower")
        for number in (1, 2, 3):
            eventually(lambda name=f"worker-{number}": " ready" in stack.logs[name].read_text())
        for service in ("simulator", "flower", "beat"):
            eventually(lambda name=service: healthy(stack, name))
        yield stack
    finally:
        stack.stop()


def eventually(check: Callable[[], bool], within_s: float = 60.0) -> None:
    deadline = time.monotonic() + within_s
    while not check():
        assert time.monotonic() < deadline, "it did not come up; see its log"
        time.sleep(0.05)


def ping(port: int) -> bool:
    with Redis(port=port, socket_timeout=1, retry=None) as redis:
        try:
            return bool(redis.ping())
        except (OSError, RedisError):
            return False


def healthy(stack: ComposeProcesses, service: str) -> bool:
    command = stack.health_command(service)
    result = subprocess.run(
        command, env=stack.environment(service), capture_output=True, timeout=20, check=False
    )
    return result.returncode == 0


def test_every_command_of_the_file_runs_and_passes_its_own_health_check(running: ComposeProcesses) -> None:
    assert sorted(running.processes) == [
        "beat-1", "broker-1", "flower-1", "redis-1", "simulator-1", "worker-1", "worker-2", "worker-3",
    ]  # fmt: skip
    assert all(process.poll() is None for process in running.processes.values())
    assert all(healthy(running, name) for name in ("beat", "flower", "simulator"))


def test_a_job_passes_through_three_workers_of_the_file(running: ComposeProcesses) -> None:
    outcomes = run_job(running)

    assert [outcome.custom_id for outcome in outcomes] == [f"request-{n}" for n in range(300)]
    assert len(filter_successful(outcomes)) == 300
    assert all(process.poll() is None for process in running.processes.values())


class Facts(BaseModel):
    name: str
    age: int


def run_job(running: ComposeProcesses) -> list[BatchResult[Facts]]:
    """Enqueue as an application on this host would, and wait for the outcomes."""
    environment = running.client_environment()
    settings = Settings(
        redis_url=environment["BATCHLINE_REDIS_URL"], broker_url=environment["BATCHLINE_BROKER_URL"]
    )
    with BatchClient(settings=settings) as client:
        conversations = [[{"role": "user", "content": f"Who is number {n}?"}] for n in range(300)]
        job = client.enqueue("openai/gpt-4.1-mini", Facts, conversations)
        assert job.wait(timeout_s=60) == "completed"
        return job.results()


def test_the_health_checks_say_what_is_wrong(tmp_path: Path) -> None:
    script = str(ROOT / "ops" / "docker" / "healthcheck.py")

    def check(*arguments: str) -> str:
        result = subprocess.run(
            [sys.executable, script, *arguments], capture_output=True, text=True, check=False
        )
        assert result.returncode == 1
        return result.stdout

    assert "no schedule at" in check("beat", str(tmp_path / "schedule"))
    assert "did not answer" in check("http", "http://127.0.0.1:9/")
    assert "healthcheck.py worker" in check("nonsense")


def test_the_compose_file_is_plain_yaml_with_every_service_we_know() -> None:
    raw = yaml.safe_load((ROOT / "docker-compose.yml").read_text())

    assert sorted(raw["services"]) == sorted([*SERVERS, *OURS])
