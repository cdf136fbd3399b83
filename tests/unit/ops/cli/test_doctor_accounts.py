"""What the doctor says of the accounts that the settings name."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from batchline_ops.cli import run
from batchline_ops.cli.doctor.account_checks import check_accounts
from batchline_ops.cli.doctor.findings import Level
from batchline_shared.accounts import Account

if TYPE_CHECKING:
    from pathlib import Path

GROQ = Account(base_url="https://user:planted@api.groq.example/openai/v1", api_key_env="GROQ_TEST_KEY")


@pytest.fixture(autouse=True)
def _nothing_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "BATCHLINE_ENV_FILE",
        "GROQ_TEST_KEY",
        "OPENAI_API_KEY",
        "GOOGLE_CLOUD_PROJECT",
        "GCS_BUCKET",
    ):
        monkeypatch.delenv(name, raising=False)


def test_an_account_is_listed_with_its_host_and_the_variable_of_its_key(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("GROQ_TEST_KEY", "gsk-planted")

    (finding,) = check_accounts({"groq": GROQ})

    assert finding.check == "Account openai@groq"
    assert finding.level is Level.OK
    assert finding.detail == "at api.groq.example; GROQ_TEST_KEY is set"


def test_a_key_may_stand_in_the_workers_settings_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "keys").write_text("GROQ_TEST_KEY=gsk-planted\n")
    monkeypatch.setenv("BATCHLINE_ENV_FILE", str(tmp_path / "keys"))

    assert check_accounts({"groq": GROQ})[0].level is Level.OK


@pytest.mark.parametrize(
    ("account", "level", "named"),
    [
        (GROQ, Level.WARN, "GROQ_TEST_KEY is not set here"),
        (Account(), Level.WARN, "OPENAI_API_KEY is not set here"),
        (Account(provider="acme"), Level.FAIL, "no such provider"),
        (Account(base_url="api.example/v1"), Level.FAIL, "no http or https address"),
        (Account(provider="google", project="p"), Level.WARN, "GCS_BUCKET is not set here"),
        (Account(provider="google", project="p", bucket="b"), Level.OK, "usual address"),
    ],
    ids=["no key", "the usual key", "provider", "address", "half of Google", "all of Google"],
)
def test_what_an_account_lacks_is_told(account: Account, level: Level, named: str) -> None:
    (finding,) = check_accounts({"one": account})

    assert finding.level is level
    assert named in finding.detail
    assert bool(finding.advice) == (level is not Level.OK)
    assert "planted" not in repr(finding)


def test_the_command_lists_the_accounts(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BATCHLINE_ACCOUNTS__SECOND__API_KEY_ENV", "GROQ_TEST_KEY")

    run(["--redis-url", "redis://127.0.0.1:1/0", "doctor"])

    assert "Account openai@second" in capsys.readouterr().out
