"""What `make check` checks holds on every commit: CI runs the tests and nothing else."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RECIPE = re.search(r"^check:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.MULTILINE)
COMMANDS = re.findall(r"\$\(BIN\)/(.+)", RECIPE[1]) if RECIPE else []


def test_the_recipe_names_every_tool() -> None:
    assert [command.split()[0] for command in COMMANDS] == [
        "ruff",
        "ruff",
        "lint-imports",
        "mypy",
        "basedpyright",
    ]


@pytest.mark.timeout(600)
@pytest.mark.parametrize("command", COMMANDS)
def test_the_code_is_clean(command: str) -> None:
    program, *arguments = command.split()
    tool = Path(sys.executable).with_name(program)

    done = subprocess.run([tool, *arguments], cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
