"""A price is believed only if it can be a batch price, and holds only for whom it is listed."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from batchline_shared.accounts import Account
from batchline_shared.pricing import RateCard, Rates, price_list_of, rate_card
from batchline_shared.pricing.rates import Price, Tier


def rates(paid: str, output: str | None = None) -> Rates:
    price = Price(Decimal(paid))
    return Rates(price, price, Price(Decimal(output)) if output else None, price, price)


def card(model: str, day: date | None = None) -> RateCard:
    found = rate_card(model, price_list_of(model), day)
    assert found is not None
    return found


def test_a_listed_batch_price_is_taken() -> None:
    found = card("openai/gpt-4.1-mini")

    assert found.listed
    assert (found.batch.input.usd, found.standard.input.usd) == (Decimal("0.2"), Decimal("0.4"))


@pytest.mark.parametrize("batch", [rates("2", "8"), rates("3", "4"), rates("1", "8")], ids=str)
def test_what_is_not_below_the_standard_price_is_halved_instead(batch: Rates) -> None:
    found = RateCard.of(rates("2", "8"), batch)

    assert not found.listed
    assert found.batch == rates("1.0", "4.0")


def test_what_costs_nothing_costs_nothing_in_a_batch() -> None:
    assert RateCard.of(rates("0", "0"), rates("0", "0")).listed


def test_a_model_without_a_batch_price_is_halved_and_so_are_its_tiers() -> None:
    standard = rates("2")._replace(input=Price(Decimal(2), (Tier(200_000, Decimal(4)),)))

    halved = RateCard.of(standard, standard).batch.input

    assert (halved.at(200_000), halved.at(200_001)) == (1, 2)


def test_cached_input_of_older_models_costs_as_much_in_a_batch() -> None:
    found = card("openai/gpt-4.1-mini")

    assert found.batch.cached == found.standard.cached


def test_jobs_from_before_the_first_batch_prices_have_them_all_the_same() -> None:
    assert card("openai/gpt-4.1-mini", date(2026, 1, 1)).listed


@pytest.mark.parametrize("model", ["openai/no-such-model", "simulator/x", "google/no-such-gemini"])
def test_an_unlisted_model_has_no_price(model: str) -> None:
    assert rate_card(model, price_list_of(model)) is None


@pytest.mark.parametrize(
    ("model", "account", "expected"),
    [
        ("openai/gpt-4.1", Account(), "openai"),
        ("anthropic/claude-haiku-5-5", Account(), "anthropic"),
        ("google/gemini-2.5-flash", Account(), "google"),
        ("gemini/gemini-2.5-flash", Account(), "google"),
        ("openai@groq/gpt-oss-120b", Account(base_url="https://api.groq.com/openai/v1"), ""),
        ("openai@groq/gpt-oss-120b", Account(price_list="groq"), "groq"),
        ("openai@second/gpt-4.1", Account(price_list="openai"), "openai"),
    ],
)
def test_a_named_account_has_the_prices_that_it_names_and_no_other(
    model: str, account: Account, expected: str
) -> None:
    assert price_list_of(model, account) == expected


def test_every_provider_s_usual_models_are_listed_with_a_batch_price() -> None:
    models = ["openai/gpt-6-sol", "anthropic/claude-sonnet-5-5", "google/gemini-2.5-pro"]

    assert all(card(model).listed for model in models)
