"""The simulator's options through `batchline simulate`."""

from __future__ import annotations

from pathlib import Path

import pytest

from batchline_ops.cli.simulating import parse_simulator_arguments
from batchline_shared.errors import InvalidInputError

HOME = ".batchline/simulator"


def test_it_needs_no_option() -> None:
    config = parse_simulator_arguments([], default_data_dir=HOME)

    assert (config.data_dir, config.port) == (Path(HOME), 0)


def test_every_option_of_the_simulator_can_be_given() -> None:
    given = ["--data-dir=x", "--speed", "100", "--fault", "row.server_error=0.5", "--json"]
    config = parse_simulator_arguments(given, default_data_dir=HOME)

    assert (config.data_dir, config.speed, config.fault) == (Path("x"), 100.0, {"row.server_error": 0.5})


def test_a_live_model_is_named_with_its_key_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEAM_KEY", "planted-key")
    given = "--upstream http://localhost:11434/v1 --upstream-key-env TEAM_KEY --upstream-parallel 8"
    config = parse_simulator_arguments(given.split(), default_data_dir=HOME)

    assert (config.upstream, config.upstream_parallel) == ("http://localhost:11434/v1", 8)
    assert "planted-key" not in repr(config)


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["--sped", "1"], "--sped"),
        (["--speed", "-1"], "--speed"),
        (["--port", "x"], "--port"),
        (["--upstream", "localhost"], "--upstream: give a URL"),
        (["--upstream-model", "m"], "^--upstream-key-env and --upstream-model need --upstream$"),
    ],
)
def test_a_wrong_option_is_named(arguments: list[str], word: str) -> None:
    with pytest.raises(InvalidInputError, match=word):
        parse_simulator_arguments(arguments, default_data_dir=HOME)


def test_help_bears_the_commands_own_name(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse_simulator_arguments(["--help"], default_data_dir=HOME)

    assert capsys.readouterr().out.startswith("usage: batchline simulate ")
