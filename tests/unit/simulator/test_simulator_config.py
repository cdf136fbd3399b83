"""Settings: from the command line and back, and never from the environment."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from pydantic_settings import CliApp

from batchline_simulator.config import SimulatorConfig


def test_arguments_give_the_same_settings_back(tmp_path: Path) -> None:
    config = SimulatorConfig(
        data_dir=tmp_path,
        speed=0,
        fault={"row.server_error": 0.05},
        token_limit={"gpt-4o-mini": 2_000_000},
        api_keys=frozenset({"a", "b"}),
        cancelled_lines=False,
        max_batches_per_hour=3,
    )

    assert CliApp.run(SimulatorConfig, cli_args=config.arguments()) == config


def test_pairs_may_be_given_one_by_one(tmp_path: Path) -> None:
    pairs = ["--token-limit", "a=1", "--token-limit", "b=2", "--fault", "batches.create.drop_after=0.5"]
    config = CliApp.run(SimulatorConfig, cli_args=["--data-dir", str(tmp_path), *pairs])

    assert config.token_limit == {"a": 1, "b": 2}
    assert config.fault == {"batches.create.drop_after": 0.5}


def test_environment_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "9")

    assert SimulatorConfig(data_dir=tmp_path).port == 0


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"upstream": "localhost:11434"}, "http://"),
        ({"upstream": "http://h", "upstream_key_env": "NO_SUCH_KEY"}, "NO_SUCH_KEY is not set"),
        ({"upstream": "http://h", "responder": "m:f"}, "--upstream and --responder"),
        ({"upstream_model": "m"}, "need --upstream"),
        ({"quirks": ["odd"]}, "bare-ids"),
    ],
    ids=["no scheme", "no key", "two that answer", "no upstream", "unknown quirk"],
)
def test_wrong_setting_is_refused_at_the_start(tmp_path: Path, given: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        SimulatorConfig(data_dir=tmp_path, **given)


def test_quirks_are_given_as_a_list_of_names(tmp_path: Path) -> None:
    arguments = ["--data-dir", str(tmp_path), "--quirks", "bare-ids,no-object"]

    assert CliApp.run(SimulatorConfig, cli_args=arguments).quirks == {"bare-ids", "no-object"}
