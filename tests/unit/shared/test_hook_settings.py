"""Hooks in the settings: what could not be reached, or by anybody, is refused; nothing secret is shown."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from batchline_shared.errors import ConfigurationError, InvalidInputError
from batchline_shared.hooks import parse_task
from batchline_shared.settings import Settings

PAGE = Path(__file__).parents[3] / "docs" / "hooks.md"


@pytest.fixture(autouse=True)
def _nothing_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("BATCHLINE_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("BATCHLINE_WEBHOOKS__SHOP__SECRET_ENV", "SHOP_SECRET")


def test_the_hooks_page_shows_settings_that_can_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in re.findall(r"^(BATCHLINE_WEBHOOKS__\w+)=(\S*)", PAGE.read_text(), re.MULTILINE):
        monkeypatch.setenv(name, value)

    assert set(Settings.load().webhooks) == {"shop"}


def test_the_hooks_page_has_the_defaults_that_the_code_uses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BATCHLINE_WEBHOOKS__SHOP__SECRET_ENV")
    page, settings = PAGE.read_text(), Settings.load()
    units = {"s": 1, "min": 60, "h": 3600}
    waits = re.search(r"tried again after ([^(]*)\(`BATCHLINE_WEBHOOK_WAITS_S`", page)
    assert waits is not None

    assert (
        tuple(int(n) * units[unit] for n, unit in re.findall(r"(\d+) (s|min|h)", waits[1]))
        == settings.webhook_waits_s
    )
    assert f"`BATCHLINE_WEBHOOK_TIMEOUT_S` ({settings.webhook_timeout_s:g} s)" in page
    assert f"| `BATCHLINE_ON_COMPLETE__QUEUE` | `{settings.on_complete.queue}` |" in page


@pytest.mark.parametrize(
    "url", ["", "shop.example/hook", "https://", "ftp://shop.example", "http://shop.example"]
)
def test_an_address_that_is_none_or_is_not_encrypted_is_refused_unquoted(
    monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv("BATCHLINE_WEBHOOKS__SHOP__URL", f"{url}?planted" if url else url)

    with pytest.raises(ConfigurationError, match="BATCHLINE_WEBHOOKS__SHOP: its URL must") as caught:
        Settings.load()
    assert "planted" not in str(caught.value)


def test_one_that_is_not_encrypted_is_taken_where_it_is_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BATCHLINE_WEBHOOKS__SHOP__URL", "http://127.0.0.1:8000/")
    monkeypatch.setenv("BATCHLINE_WEBHOOKS__SHOP__ALLOW_HTTP", "true")

    assert Settings.load().webhooks["shop"].allow_http


def test_a_secret_in_the_settings_themselves_is_refused_unquoted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BATCHLINE_WEBHOOKS__SHOP__URL", "https://shop.example")
    monkeypatch.setenv("BATCHLINE_WEBHOOKS__SHOP__SECRET", "whsec_planted")

    with pytest.raises(ConfigurationError, match="BATCHLINE_WEBHOOKS__SHOP__SECRET") as caught:
        Settings.load()
    assert "planted" not in str(caught.value)


def test_an_address_may_bear_a_token_so_it_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BATCHLINE_WEBHOOKS__SHOP__URL", "https://shop.example/?token=planted")
    monkeypatch.setenv("BATCHLINE_ON_COMPLETE__BROKER_URL", "redis://:planted@broker/0")

    assert "planted" not in repr(Settings.load())


@pytest.mark.parametrize("waits", ["5", "[-1]", '["soon"]', "5,6"])
def test_waits_that_are_none_name_their_variable(monkeypatch: pytest.MonkeyPatch, waits: str) -> None:
    monkeypatch.delenv("BATCHLINE_WEBHOOKS__SHOP__SECRET_ENV")
    monkeypatch.setenv("BATCHLINE_WEBHOOK_WAITS_S", waits)

    with pytest.raises(ConfigurationError, match="WEBHOOK_WAITS_S"):
        Settings.load()


def test_a_task_may_name_its_queue() -> None:
    assert parse_task("shop.done") == ("shop.done", "")
    assert parse_task("shop.done@priority") == ("shop.done", "priority")
    with pytest.raises(InvalidInputError):
        parse_task(None)
