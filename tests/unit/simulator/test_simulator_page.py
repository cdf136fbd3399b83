"""The simulator's page names what there is, and nothing else."""

import re
from pathlib import Path

from batchline_simulator.config import SimulatorConfig
from batchline_simulator.quirks import ALL_QUIRKS

PAGE = (Path(__file__).parents[3] / "docs" / "simulator.md").read_text(encoding="utf-8")


def test_every_option_is_on_the_page_and_no_other() -> None:
    options = {f"--{name.replace('_', '-')}" for name in SimulatorConfig.model_fields}

    assert set(re.findall(r"--[a-z][a-z-]*[a-z]", PAGE)) - {"--help"} == options


def test_every_quirk_is_in_the_table_and_no_other() -> None:
    table = PAGE.split("## Servers that are like OpenAI")[1]
    first_cells = re.findall(r"^\| (`.*?) \|", table, re.MULTILINE)

    assert sorted(re.findall(r"`([a-z0-9-]+)`", " ".join(first_cells))) == sorted(ALL_QUIRKS)


def test_defaults_on_the_page_are_those_of_the_settings() -> None:
    named = dict(re.findall(r"`--([a-z-]+)`(?: times| requests)? \((\d+)\)", PAGE))
    settings = {name: field.default for name, field in SimulatorConfig.model_fields.items()}

    assert set(named) == {"upstream-parallel", "upstream-attempts", "upstream-timeout-s"}
    for name, default in named.items():
        assert settings[name.replace("-", "_")] == float(default)
