"""A price is believed only if it can be a batch price."""

from __future__ import annotations

from decimal import Decimal

import pytest

from batchline_ops.demo.pricing import PriceList, cost_of


def prices(standard: str, batch: str) -> PriceList:
    return lambda _model, _input, _output, processing: Decimal(batch if processing == "batch" else standard)


def test_the_listed_batch_price_is_taken() -> None:
    cost = cost_of("openai/gpt-4.1-mini", 1_000_000, 1_000_000)

    assert cost.basis == "listed"
    assert cost.batch_usd == pytest.approx((cost.standard_usd or 0) / 2)


def test_a_standard_price_passed_off_as_a_batch_price_is_halved_and_marked() -> None:
    cost = cost_of("openai/x", 10, 10, price_list=prices("2.0", "2.0"))

    assert (cost.batch_usd, cost.standard_usd, cost.basis) == (1.0, 2.0, "estimated")


def test_a_batch_price_above_the_standard_one_is_not_believed_either() -> None:
    assert cost_of("openai/x", 10, 10, price_list=prices("2.0", "3.0")).batch_usd == 1.0


def test_an_unlisted_model_has_an_unknown_price() -> None:
    cost = cost_of("openai/no-such-model", 10, 10)

    assert (cost.batch_usd, cost.standard_usd, cost.basis) == (None, None, "unknown")


def test_no_tokens_cost_nothing() -> None:
    cost = cost_of("openai/gpt-4.1-mini", 0, 0)

    assert (cost.batch_usd, cost.basis) == (0.0, "listed")
