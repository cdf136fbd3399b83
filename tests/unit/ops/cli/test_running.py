"""What is true of every command: its errors, its JSON and its start."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from batchline_ops.cli import run
from batchline_ops.cli.session import require_parts
from batchline_shared.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path

    from batchline.client import BatchClient
    from unit.ops.cli.conftest import Cli

HEAVY = ("celery", "redis", "openai", "starlette", "flower", "batchline", "batchline_simulator")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["batch", "submit"], "--model"),
        (["nonsense"], "nonsense"),
        (["batch", "list", "--limit", "0"], "--limit"),
        (["batch", "status"], "JOB_ID"),
        (["up", "--workers", "many"], "--workers"),
    ],
)
def test_wrong_usage_is_one_line_that_names_what_is_wrong(
    cli: Cli, arguments: list[str], expected: str
) -> None:
    answer = cli(*arguments)

    assert (answer.code, answer.out) == (2, "")
    assert answer.err.count("\n") == 1
    assert answer.err.startswith("Error: ")
    assert expected in answer.err
    assert "--help`" in answer.err


def test_with_json_errors_are_json_too(cli: Cli) -> None:
    usage = cli("batch", "submit", "--json")
    unknown = cli("batch", "status", "job_none", "--json")

    assert (usage.out, unknown.out) == ("", "")
    assert usage.error["type"] == "UsageError"
    assert unknown.error["type"] == "JobNotFoundError"
    assert (usage.error["exit_code"], unknown.error["exit_code"]) == (usage.code, unknown.code) == (2, 3)


def test_the_demo_of_a_provider_that_cannot_be_used_is_an_error_like_any_other(cli: Cli) -> None:
    answer = cli("demo", "--provider", "nobody", "--json")

    assert (answer.code, answer.out) == (2, "")
    assert answer.error["type"] == "InvalidModelError"


def test_up_on_a_ledger_that_cannot_be_reached_says_so_before_it_starts_anything(
    cli: Cli, tmp_path: Path
) -> None:
    answer = cli("--redis-url", "redis://127.0.0.1:1/0", "up", "--data-dir", str(tmp_path / "never"))

    assert answer.code == 5
    assert "cannot be reached" in answer.err
    assert not (tmp_path / "never").exists()


def test_json_may_be_asked_for_before_the_command(cli: Cli) -> None:
    assert cli("--json", "batch", "list").json == {"jobs": []}
    assert cli("--version", "--json").json.keys() == {"version"}


def test_the_ledger_can_be_named_on_the_command_line(cli: Cli) -> None:
    cli("--redis-url", "redis://elsewhere:1/2", "batch", "list")

    assert cli.urls[-1] == "redis://elsewhere:1/2"


def test_an_unexpected_error_is_one_line_and_quotes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    def broken(_: str | None) -> BatchClient:
        raise KeyError("a prompt or a key")

    code = run(["batch", "list"], open_client=broken)
    err = capsys.readouterr().err

    assert code == 1
    assert err.count("\n") == 1
    assert "unexpected KeyError" in err
    assert "a prompt" not in err


def test_ctrl_c_ends_with_130_and_without_a_word(capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted(_: str | None) -> BatchClient:
        raise KeyboardInterrupt

    assert run(["batch", "list"], open_client=interrupted) == 130
    assert capsys.readouterr() == ("", "")


def test_without_a_command_help_is_shown_with_the_exit_codes(cli: Cli) -> None:
    answer = cli()

    assert answer.code == 2
    assert "create-from-file" not in answer.out
    assert "batch" in answer.out
    assert "Redis cannot be reached" in answer.out


def test_help_loads_nothing_that_takes_its_time() -> None:
    code = (
        "import json, sys; from batchline_ops.cli import run; run(['batch', '--help']);"
        f"print(json.dumps([name for name in {HEAVY} if name in sys.modules]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, timeout=30)

    assert json.loads(done.stdout.splitlines()[-1]) == []


def test_a_part_that_is_not_installed_is_named_with_its_remedy() -> None:
    require_parts("all", "json")

    with pytest.raises(ConfigurationError, match=r"no_such_part .* pip install 'batchline\[all\]'"):
        require_parts("all", "json", "no_such_part")
