"""Which processes make up a stack, and what they are told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from batchline_ops.simulated import SIMULATED, simulated_environment
from batchline_ops.supervisor import Service, UpOptions
from batchline_ops.supervisor.plan import stack_services

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def _no_provider_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (name for one in SIMULATED.values() for name in one.variables):
        monkeypatch.delenv(name, raising=False)


def plan(options: UpOptions) -> dict[str, Service]:
    environment = {**options.env, "BATCHLINE_REDIS_URL": "redis://127.0.0.1:1/0"}
    services = stack_services(options, environment, flower_port=5001, simulator_port=5002)
    return {service.name: service for service in services}


def test_a_stack_has_the_workers_that_were_asked_for_beat_and_flower(tmp_path: Path) -> None:
    services = plan(UpOptions(data_dir=tmp_path, workers=3))

    assert list(services) == ["worker-1", "worker-2", "worker-3", "beat", "flower"]
    assert all(service.env["BATCHLINE_REDIS_URL"] for service in services.values())


def test_what_is_switched_off_is_not_there(tmp_path: Path) -> None:
    assert list(plan(UpOptions(data_dir=tmp_path, beat=False, flower=False))) == ["worker-1"]


def test_workers_of_one_machine_have_different_names(tmp_path: Path) -> None:
    services = plan(UpOptions(data_dir=tmp_path, workers=2))

    assert "worker-1@%h" in services["worker-1"].command
    assert "worker-2@%h" in services["worker-2"].command


def test_flower_listens_on_the_loopback_interface_only(tmp_path: Path) -> None:
    assert "--address=127.0.0.1" in plan(UpOptions(data_dir=tmp_path))["flower"].command


def test_only_workers_are_pointed_at_the_simulator_and_it_starts_before_them(tmp_path: Path) -> None:
    services = plan(UpOptions(data_dir=tmp_path, simulator=True, simulator_args=("--speed", "9")))

    assert services["worker-1"].env["OPENAI_BASE_URL"] == "http://127.0.0.1:5002/v1"
    assert services["worker-1"].env["OPENAI_API_KEY"] == "simulated"
    assert "OPENAI_BASE_URL" not in services["beat"].env
    assert services["simulator"].command[-2:] == ("--speed", "9")
    assert services["simulator"].stage < services["worker-1"].stage


def test_a_provider_that_somebody_has_set_is_not_overruled() -> None:
    environment = {"OPENAI_BASE_URL": "http://elsewhere/v1"}

    found = simulated_environment("http://sim", "/key.json", environment)

    assert not {name for name in found if name.startswith("OPENAI_")}
    assert found["ANTHROPIC_BASE_URL"] == "http://sim"
    assert found["GOOGLE_APPLICATION_CREDENTIALS"] == "/key.json"


def test_a_key_of_the_users_own_never_goes_to_the_simulator() -> None:
    found = simulated_environment("http://sim", "/key.json", {"ANTHROPIC_API_KEY": "sk-ant-real"})

    assert found["ANTHROPIC_API_KEY"] == "simulated"


def test_a_provider_variable_that_is_empty_counts_as_not_set(tmp_path: Path) -> None:
    services = plan(UpOptions(data_dir=tmp_path, simulator=True, env={"OPENAI_BASE_URL": ""}))

    assert services["worker-1"].env["OPENAI_BASE_URL"] == "http://127.0.0.1:5002/v1"


def test_options_survive_the_way_to_another_process(tmp_path: Path) -> None:
    options = UpOptions(
        data_dir=tmp_path, services=(Service(name="one", command=("true",), env={"A": "b"}),), env={"C": "d"}
    )

    assert UpOptions.model_validate_json(options.model_dump_json()) == options
