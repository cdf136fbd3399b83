"""A job that has spent its budget is sent no further."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from batchline_shared.ledger import JobMeta
from batchline_shared.pricing import over_budget

NOW_MS = int(datetime(2026, 11, 26, tzinfo=UTC).timestamp() * 1000)


def meta_of(**fields: Any) -> JobMeta:
    """A job of which 100 requests have cost $1.00 together (5 million input tokens at $0.20)."""
    record = {
        "status": "in_progress",
        "model": "openai/gpt-4.1-mini",
        "created_ms": NOW_MS,
        "total": 1000,
        "succeeded": 90,
        "errored": 10,
        "input_tokens": 5_000_000,
        **fields,
    }
    return JobMeta.read("job_1", {name.encode(): str(value).encode() for name, value in record.items()})


def test_a_job_without_a_budget_is_never_held() -> None:
    assert over_budget(meta_of()) is None


def test_a_job_goes_on_until_its_budget_is_spent() -> None:
    assert over_budget(meta_of(max_cost_usd="1.01")) is None

    told = over_budget(meta_of(max_cost_usd="1.00"))

    assert told is not None
    assert told.startswith("held: $1.00 spent, of max_cost_usd $1.00;")


def test_what_is_in_flight_counts_by_what_the_others_have_cost() -> None:
    meta = meta_of(max_cost_usd="2.5")

    assert over_budget(meta, in_flight=149) is None
    told = over_budget(meta, in_flight=150)
    assert told is not None
    assert "$1.00 spent and about $1.50 under way, of max_cost_usd $2.50" in told


def test_nothing_is_held_before_the_first_outcome() -> None:
    fresh = meta_of(max_cost_usd="0.01", succeeded=0, errored=0, input_tokens=0)

    assert over_budget(fresh, in_flight=1000) is None


def test_a_price_that_became_unknown_holds_nothing() -> None:
    assert over_budget(meta_of(max_cost_usd="0.01", price_list="")) is None
