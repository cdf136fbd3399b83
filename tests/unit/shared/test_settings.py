"""Settings: read once, refused where they could pay twice, and never quoted."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from pydantic import ValidationError

from batchline_shared.errors import ConfigurationError
from batchline_shared.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def _nothing_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("BATCHLINE_")]:
        monkeypatch.delenv(name)


def test_the_defaults_are_consistent() -> None:
    assert Settings.load().redis_url == "redis://localhost:6379/0"


def test_no_password_of_an_address_is_shown() -> None:
    settings = Settings(
        redis_url="redis://client:planted-1@ledger:6379/0",
        broker_url="redis://client:planted-2@broker:6379/1",
    )

    assert "planted" not in f"{settings!r} {settings}"


def test_the_environment_wins_over_the_file_and_an_argument_over_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "settings"
    file.write_text("BATCHLINE_LEASE_S=200\nBATCHLINE_RETENTION_S=5\nBATCHLINE_TICK_INTERVAL_S=7\n")
    monkeypatch.setenv("BATCHLINE_ENV_FILE", str(file))
    monkeypatch.setenv("BATCHLINE_RETENTION_S", "6")
    monkeypatch.setenv("BATCHLINE_TICK_INTERVAL_S", "8")

    settings = Settings.load(tick_interval_s=9.0)

    assert (settings.lease_s, settings.retention_s, settings.tick_interval_s) == (200.0, 6, 9.0)


def test_a_settings_file_that_is_not_there_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BATCHLINE_ENV_FILE", str(tmp_path / "none"))

    with pytest.raises(ConfigurationError, match=r"BATCHLINE_ENV_FILE names .*none"):
        Settings.load()


@pytest.mark.parametrize(
    ("name", "value", "other"),
    [
        ("BATCHLINE_LEASE_S", "64.9", "BATCHLINE_CREATE_TIMEOUT_S"),
        ("BATCHLINE_RECONCILE_QUIET_S", "59.9", "BATCHLINE_CREATE_TIMEOUT_S"),
    ],
)
def test_times_that_could_pay_twice_are_refused_by_both_names(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, other: str
) -> None:
    monkeypatch.setenv(name, value)

    with pytest.raises(ConfigurationError, match=f"{name}.*{other}"):
        Settings.load()


def test_a_wrong_value_is_named_and_not_quoted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BATCHLINE_RETENTION_S", "sk-a-secret")
    monkeypatch.setenv("BATCHLINE_LEASE_S", "0.5")

    with pytest.raises(ConfigurationError) as refused:
        Settings.load()

    assert "BATCHLINE_RETENTION_S: " in str(refused.value)
    assert "BATCHLINE_LEASE_S: " in str(refused.value)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("ledger", "broker"),
    [
        ("redis://host:1", "redis://host:1/1"),
        ("redis://host:1/0", "redis://host:1/1"),
        (
            "rediss://user:secret@host:1/9?ssl_cert_reqs=none",
            "rediss://user:secret@host:1/10?ssl_cert_reqs=none",
        ),
        ("unix:///run/redis.sock", "redis+socket:///run/redis.sock"),
    ],
)
def test_the_broker_is_beside_the_ledger_unless_it_is_named(ledger: str, broker: str) -> None:
    assert Settings.load(redis_url=ledger).effective_broker_url == broker
    assert Settings.load(redis_url=ledger, broker_url="amqp://b").effective_broker_url == "amqp://b"


@pytest.mark.parametrize("name", ["redis_url", "broker_url"])
@pytest.mark.parametrize(
    "url",
    [
        "redis://:plan[ted@ledger/0",
        "redis://:plan\N{FULLWIDTH NUMBER SIGN}ted@ledger/0",
        "redis://:plan/ted@ledger:6379/0",
        "rediss://:plan#ted@ledger/0",
        "sentinel://:plan[ted@ledger/0?master=m",
    ],
)
def test_an_address_that_cannot_be_read_is_refused_and_not_quoted(name: str, url: str) -> None:
    with pytest.raises(ConfigurationError, match=f"BATCHLINE_{name.upper()}: .*percent-encoding") as refused:
        Settings.load(**{name: url})
    assert "plan" not in str(refused.value)


def test_several_addresses_are_one_broker() -> None:
    urls = "redis://:p@a:6379/1;redis://:p@b:6379/1"
    assert Settings.load(broker_url=urls).broker_url == urls
    Settings.load(redis_url="sentinel://:p@a:26379,b:26379/0?master=m")


def test_settings_that_do_not_fit_together_quote_no_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BATCHLINE_REDIS_URL", "redis://:planted@ledger/0")
    with pytest.raises(ValidationError) as refused:
        Settings(lease_s=1)
    assert "redis://" not in str(refused.value)
