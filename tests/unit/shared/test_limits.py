"""Limits: the settings' win over those built in, and another company's are never guessed."""

from __future__ import annotations

import os

import pytest

from batchline_shared.accounts import Account, parse_model
from batchline_shared.errors import ConfigurationError, InvalidModelError
from batchline_shared.limits import AccountLimits, Budgets, ModelLimits, limits_of
from batchline_shared.settings import Settings


@pytest.fixture(autouse=True)
def _nothing_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("BATCHLINE_")]:
        monkeypatch.delenv(name)


@pytest.mark.parametrize(
    ("model", "budgets"),
    [
        ("openai/gpt-4.1-mini", Budgets(creations_per_hour=1_900)),
        ("openai/text-embedding-3-small", Budgets(model_requests=1_000_000, creations_per_hour=1_900)),
        ("anthropic/claude-sonnet-4-5", Budgets(requests=200_000)),
        ("gemini/gemini-2.5-flash", Budgets(model_tokens=3_000_000, batches=100)),
        ("gemini/gemini-2.5-flash-lite-001", Budgets(model_tokens=10_000_000, batches=100)),
        ("gemini/gemini-9", Budgets(model_tokens=3_000_000, batches=100)),
        ("google/gemini-2.5-flash", Budgets()),
        ("elsewhere/model", Budgets()),
    ],
)
def test_a_new_account_has_the_limits_that_its_provider_publishes(model: str, budgets: Budgets) -> None:
    assert limits_of(Settings(), parse_model(model)) == budgets


def test_the_settings_win_a_models_own_over_its_accounts_and_0_lifts_a_limit() -> None:
    gemini = AccountLimits(
        enqueued_tokens=400,
        batches_in_flight=0,
        enqueued_requests=9,
        models={"gemini-2.5-pro": ModelLimits(enqueued_tokens=0, enqueued_requests=7)},
    )
    settings = Settings(limits={"gemini": gemini})

    assert limits_of(settings, parse_model("gemini/gemini-2.5-flash")) == Budgets(400, None, 9)
    assert limits_of(settings, parse_model("gemini/gemini-2.5-pro")) == Budgets(None, 7, 9)


def test_a_second_key_has_its_providers_limits_and_another_company_has_none() -> None:
    accounts = {
        "research": Account(enqueued_tokens=5),
        "groq": Account(base_url="https://api.groq.com/openai/v1", batches_in_flight=3),
    }
    settings = Settings(accounts=accounts, limits={"openai": AccountLimits(enqueued_tokens=99)})

    assert limits_of(settings, parse_model("openai@research/gpt")) == Budgets(5, creations_per_hour=1_900)
    assert limits_of(settings, parse_model("openai@groq/llama")) == Budgets(batches=3)
    with pytest.raises(InvalidModelError, match="no account 'other'"):
        limits_of(settings, parse_model("openai@other/gpt"))


def test_limits_are_read_from_one_variable_for_each_field(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BATCHLINE_LIMITS__OPENAI__ENQUEUED_TOKENS", "90000")
    monkeypatch.setenv("BATCHLINE_LIMITS__OPENAI__MODELS", '{"gpt-4.1-mini": {"enqueued_tokens": 2000000}}')
    monkeypatch.setenv("BATCHLINE_ACCOUNTS__RESEARCH__CREATIONS_PER_HOUR", "10")

    settings = Settings.load()

    assert limits_of(settings, parse_model("openai/gpt-4.1-mini")).model_tokens == 2_000_000
    assert limits_of(settings, parse_model("openai/gpt-4.1")).model_tokens == 90_000
    assert limits_of(settings, parse_model("openai@research/gpt")).creations_per_hour == 10


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("BATCHLINE_LIMITS__OPENAI__ENQUEUED_TOKENS", "-1"),
        ("BATCHLINE_LIMITS__OPENAI__TOKENS", "5"),
        ("BATCHLINE_LIMITS__OPENAI__MODELS", '{"gpt'),
        ("BATCHLINE_LIMITS__OPENAI__MODELS", '{"gpt": {"batches_in_flight": 5}}'),
    ],
)
def test_a_wrong_limit_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)

    with pytest.raises(ConfigurationError, match="BATCHLINE_LIMITS"):
        Settings.load()


def test_accounts_with_limits_of_models_can_still_be_told_apart_and_hashed() -> None:
    one, other = (Account(models={"m": ModelLimits(enqueued_tokens=n)}) for n in (1, 2))

    assert hash(one) == hash(one.model_copy())
    assert len({one, other, Account(models={"m": ModelLimits(enqueued_tokens=1)})}) == 2
