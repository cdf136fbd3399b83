"""The cost of a job's tokens, from the counts in its record."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from batchline_shared.dialects.verdict import Verdict
from batchline_shared.ledger import JobMeta
from batchline_shared.pricing import (
    LONG_TOKENS,
    Cost,
    Spent,
    Tokens,
    cost_of_job,
    price,
    price_list_of,
    rate_card,
    token_counts,
    total,
)

NOW_MS = int(datetime(2026, 11, 26, tzinfo=UTC).timestamp() * 1000)


def meta_of(model: str, *verdicts: Verdict, **fields: Any) -> JobMeta:
    """A job's record after these verdicts have landed."""
    counts: dict[str, int] = {"succeeded": len(verdicts)}
    for verdict in verdicts:
        for name, value in token_counts(verdict).items():
            counts[name] = counts.get(name, 0) + value
    record = {"status": "completed", "model": model, "created_ms": NOW_MS, **counts, **fields}
    return JobMeta.read("job_1", {name.encode(): str(value).encode() for name, value in record.items()})


def answered(input_tokens: int, output_tokens: int, cached: int = 0) -> Verdict:
    return Verdict(None, "", input_tokens, output_tokens, cached, 0)


def cost(model: str, spent: Spent) -> Cost:
    return price(rate_card(model, price_list_of(model)), spent)


def test_a_million_requests_are_priced_to_the_last_digit() -> None:
    verdict = answered(333, 77, cached=128)
    by_hand = Decimal("0.2") * (333 - 128) + Decimal("0.1") * 128 + Decimal("0.8") * 77

    priced = cost("openai/gpt-4.1-mini", Spent(Tokens(10**6, 333 * 10**6, 128 * 10**6, 77 * 10**6)))

    assert (priced.batch_usd, priced.basis) == (by_hand, "listed")
    assert cost_of_job(meta_of("openai/gpt-4.1-mini", verdict)).batch_usd == by_hand / 10**6


def test_many_short_requests_are_not_priced_as_one_long_one() -> None:
    verdicts = [answered(90_000, 0)] * 10

    priced = cost_of_job(meta_of("openai/gpt-6-sol", *verdicts))

    assert (priced.batch_usd, priced.basis) == (Decimal("0.9"), "listed")


def test_long_requests_are_priced_apart_from_the_short_ones() -> None:
    verdicts = [answered(1_000, 100)] * 1000 + [answered(300_000, 1000, cached=100_000)]
    short = (1 * 1_000_000 + 5 * 100_000) / Decimal(10**6)
    long = (2 * 200_000 + Decimal("0.2") * 100_000 + Decimal("7.5") * 1000) / Decimal(10**6)

    priced = cost_of_job(meta_of("openai/gpt-6-sol", *verdicts))

    assert (priced.batch_usd, priced.basis) == (short + long, "estimated")


def test_what_was_asked_live_costs_the_standard_price_and_long_requests_theirs() -> None:
    verdicts = [answered(1_000, 100, cached=500), answered(300_000, 1000)]
    counts: dict[str, int] = {}
    for verdict in verdicts:
        for name, value in token_counts(verdict, live=True).items():
            counts[name] = counts.get(name, 0) + value
    alone = cost_of_job(meta_of("openai/gpt-6-sol", **counts))
    in_batch = cost_of_job(meta_of("openai/gpt-6-sol", *verdicts))
    mixed = {name: 2 * value if not name.startswith("live_") else value for name, value in counts.items()}

    assert alone.batch_usd == alone.standard_usd == in_batch.standard_usd
    assert in_batch.batch_usd is not None
    assert alone.batch_usd is not None
    both = cost_of_job(meta_of("openai/gpt-6-sol", **mixed))
    assert both.batch_usd == alone.batch_usd + in_batch.batch_usd
    assert both.standard_usd == 2 * alone.batch_usd


def test_a_request_is_long_above_the_limit_only() -> None:
    at, above = token_counts(answered(LONG_TOKENS, 1)), token_counts(answered(LONG_TOKENS + 1, 1))

    assert "long_requests" not in at
    assert above["long_requests"] == 1


def test_further_attempts_do_not_make_requests_longer() -> None:
    meta = meta_of("openai/gpt-6-sol", answered(100, 1), input_tokens=900_000)

    assert meta.spent.short.input == 900_000
    assert cost_of_job(meta).basis == "listed"


def test_embeddings_have_half_the_standard_price_and_say_so() -> None:
    priced = cost("openai/text-embedding-3-small", Spent(Tokens(1, 10**6, 0, 0)))

    assert (priced.batch_usd, priced.standard_usd, priced.basis) == (
        *(Decimal("0.01"), Decimal("0.02")),
        "estimated",
    )


def test_output_without_a_listed_price_is_unknown_rather_than_free() -> None:
    assert cost("openai/text-embedding-3-small", Spent(Tokens(1, 10, 0, 10))).batch_usd is None


def test_an_unknown_model_is_unknown_and_not_free() -> None:
    priced = cost_of_job(meta_of("openai/no-such-model", answered(10, 10)))

    assert (priced.batch_usd, priced.standard_usd, priced.basis) == (None, None, "unknown")


def test_writing_to_a_cache_costs_more_and_for_an_hour_more_still() -> None:
    verdict = answered(1_000, 100, cached=200)._replace(cache_written_tokens=500, cache_written_1h_tokens=100)
    by_hand = 300 * 1 + 200 * Decimal("0.05") + 400 * Decimal("1.25") + 100 * 2 + 100 * 5

    priced = cost_of_job(meta_of("anthropic/claude-sonnet-5-5", verdict))

    assert priced.batch_usd == by_hand / 10**6


def test_no_tokens_cost_nothing() -> None:
    priced = cost_of_job(meta_of("openai/gpt-4.1-mini"))

    assert (priced.batch_usd, priced.basis) == (0, "listed")


def test_a_provider_that_counts_more_cached_tokens_than_tokens_does_not_make_a_cost_negative() -> None:
    priced = cost("openai/gpt-4.1-mini", Spent(Tokens(1, 10, 20, 0)))

    assert priced.batch_usd == Decimal("0.000001")


@pytest.mark.parametrize(
    ("costs", "expected"),
    [
        ([], (None, "unknown")),
        ([Cost(batch_usd=None, standard_usd=None, basis="unknown")], (None, "unknown")),
        ([Cost(batch_usd=Decimal(1), standard_usd=Decimal(2), basis="listed")] * 2, (2, "listed")),
        (
            [
                Cost(batch_usd=Decimal(1), standard_usd=Decimal(2), basis="estimated"),
                Cost(batch_usd=Decimal(1), standard_usd=Decimal(2), basis="listed"),
                Cost(batch_usd=None, standard_usd=None, basis="unknown"),
            ],
            (2, "estimated"),
        ),
    ],
    ids=["nothing", "unknown", "listed", "mixed"],
)
def test_a_total_is_no_better_than_its_parts(costs: list[Cost], expected: tuple[Any, str]) -> None:
    added = total(costs)

    assert (added.batch_usd, added.basis) == expected


def test_dollars_are_numbers_in_json() -> None:
    priced = Cost(batch_usd=Decimal("1.25"), standard_usd=None, basis="listed")

    assert priced.model_dump(mode="json") == {"batch_usd": 1.25, "standard_usd": None, "basis": "listed"}
