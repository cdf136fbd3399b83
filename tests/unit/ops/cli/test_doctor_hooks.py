"""What the doctor says of the webhooks that the settings name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchline_ops.cli import run
from batchline_ops.cli.doctor.findings import Level
from batchline_ops.cli.doctor.hook_checks import check_webhooks
from batchline_shared.hooks import Endpoint

if TYPE_CHECKING:
    import pytest

SHOP = Endpoint(url="https://user:planted@shop.example/planted", secret_env="SHOP_SECRET")


def test_a_webhook_is_listed_with_its_host_and_the_variable_of_its_secret(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SHOP_SECRET", "whsec_planted")

    (finding,) = check_webhooks({"shop": SHOP})

    assert (finding.check, finding.level) == ("Webhook shop", Level.OK)
    assert finding.detail == "at shop.example; SHOP_SECRET is set"


def test_a_secret_that_is_not_here_is_said_and_is_the_workers_business(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("SHOP_SECRET", raising=False)

    (finding,) = check_webhooks({"shop": SHOP})

    assert (finding.level, finding.detail) == (Level.WARN, "at shop.example, but SHOP_SECRET is not set here")
    assert "workers" in finding.advice


def test_the_report_has_them(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("BATCHLINE_WEBHOOKS__SHOP__URL", SHOP.url)
    monkeypatch.setenv("BATCHLINE_WEBHOOKS__SHOP__SECRET_ENV", "SHOP_SECRET")

    run(["--redis-url", "redis://127.0.0.1:1/0", "doctor"])

    shown = capsys.readouterr().out
    assert "Webhook shop" in shown
    assert "planted" not in shown
