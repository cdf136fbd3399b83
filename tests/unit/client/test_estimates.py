"""What requests would cost, told before they are sent, and a job that may cost only so much."""

from __future__ import annotations

import itertools
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from batchline import (
    BatchClient,
    BatchRequest,
    BudgetExceededError,
    CostEstimate,
    InvalidInputError,
    InvalidRequestError,
    Settings,
)
from batchline_shared.accounts import Account
from unit.client.sketches import User, keys_left

if TYPE_CHECKING:
    from collections.abc import Iterator

    from redis import Redis

MODEL = "openai/gpt-4.1-mini"  # $0.20 and $0.80 for a million tokens in a batch


def says(size: int) -> list[dict[str, Any]]:
    return [{"role": "user", "content": "x" * size}]


def estimate(client: BatchClient, requests: Any, model: str = MODEL, **options: Any) -> CostEstimate:
    return client.estimate(model, None, requests, **options)


def test_input_is_told_from_the_bytes_of_each_request_and_of_what_all_share(client: BatchClient) -> None:
    found = estimate(client, [says(4_000_000)] * 2)
    shared = estimate(client, [says(0)] * 1000, options={"user": "u" * 4000})

    assert found.requests == 2
    assert found.input_tokens == pytest.approx(2_000_000, rel=0.001)
    assert shared.input_tokens == pytest.approx(1_000_000, rel=0.05)


def test_a_cost_before_is_a_range_around_what_is_likely(client: BatchClient) -> None:
    found = estimate(client, [says(4_000)] * 1000, max_tokens=1000)
    likely = Decimal("0.2") * found.input_tokens / 10**6 + Decimal("0.8") * 250 * 1000 / 10**6

    assert (found.output_tokens, found.max_output_tokens) == (250_000, 1_000_000)
    assert found.typical_usd == likely
    assert found.standard_usd == 2 * likely
    assert found.low_usd == Decimal("0.2") * (found.input_tokens * 3 // 5) / 10**6
    assert found.high_usd == Decimal("0.2") * (found.input_tokens * 8 // 5) / 10**6 + Decimal("0.8")
    assert found.basis == "listed"


@pytest.mark.parametrize(
    ("model", "endpoint"),
    [
        ("openai/gpt-4.1-mini", None),
        ("openai/gpt-6-sol", None),
        ("openai/gpt-6-sol", "/v1/responses"),
        ("anthropic/claude-sonnet-5-5", None),
        ("google/gemini-2.5-flash", None),
        ("gemini/gemini-2.5-flash", None),
    ],
)
def test_each_provider_s_limit_of_an_answer_is_known_also_a_request_s_own(
    client: BatchClient, model: str, endpoint: str | None
) -> None:
    requests = [BatchRequest(messages=says(10)), BatchRequest(messages=says(10), max_tokens=400)]

    found = client.estimate(model, User, requests, max_tokens=100, endpoint=endpoint)

    assert (found.max_output_tokens, found.output_tokens) == (500, 125)
    assert found.high_usd is not None


def test_without_a_limit_there_is_no_highest_cost(client: BatchClient) -> None:
    found = estimate(client, [says(10)], max_tokens=None)

    assert (found.max_output_tokens, found.high_usd, found.output_tokens) == (None, None, 500)
    assert found.typical_usd is not None


def test_embeddings_generate_nothing(client: BatchClient) -> None:
    found = client.estimate(
        "openai/text-embedding-3-small",
        None,
        ["a text"],
        max_tokens=None,
        temperature=None,
        endpoint="/v1/embeddings",
    )

    assert (found.output_tokens, found.max_output_tokens, found.basis) == (0, 0, "estimated")


def test_long_requests_have_the_price_of_long_ones(client: BatchClient) -> None:
    short = estimate(client, [says(40_000)] * 10, model="anthropic/claude-haiku-5-5", max_tokens=1)
    long = estimate(client, [says(420_000)], model="anthropic/claude-haiku-5-5", max_tokens=1)

    assert short.basis == "listed"
    assert long.basis == "estimated"
    assert (long.typical_usd or 0) > 4 * (short.typical_usd or 0)


def test_a_model_without_a_price_says_unknown_and_counts_all_the_same(client: BatchClient) -> None:
    found = estimate(client, [says(10)], model="openai/no-such-model")

    assert (found.requests, found.basis) == (1, "unknown")
    assert (found.low_usd, found.typical_usd, found.high_usd, found.standard_usd) == (None,) * 4


def test_a_bad_request_is_named_as_enqueue_names_it(client: BatchClient) -> None:
    with pytest.raises(InvalidRequestError, match="request 1"):
        estimate(client, [says(1), [{"role": "nobody", "content": ""}]])


def test_nothing_is_enqueued_by_an_estimate(client: BatchClient, ledger: Redis) -> None:
    estimate(client, [says(1)])

    assert keys_left(ledger) == []


def test_a_job_whose_input_alone_costs_too_much_is_refused_with_the_figures(
    client: BatchClient, ledger: Redis
) -> None:
    with pytest.raises(BudgetExceededError, match="max_cost_usd") as caught:
        client.enqueue(MODEL, None, [says(4000)] * 10, max_cost_usd=0.001)

    assert caught.value.max_cost_usd == Decimal("0.001")
    assert caught.value.least_usd > caught.value.max_cost_usd
    assert keys_left(ledger) == []


def test_an_endless_stream_is_refused_as_soon_as_the_budget_is_gone(client: BatchClient) -> None:
    read: list[int] = []

    def endless() -> Iterator[list[dict[str, Any]]]:
        for number in itertools.count(1):
            read.append(number)
            yield says(4000)

    with pytest.raises(BudgetExceededError):
        client.enqueue(MODEL, None, endless(), max_cost_usd=0.1)

    assert 500 <= len(read) <= 2000


def test_a_budget_that_is_enough_is_kept_with_the_job(client: BatchClient) -> None:
    job = client.enqueue(MODEL, None, [says(4000)] * 10, max_cost_usd=0.1)

    assert job.info().max_cost_usd == Decimal("0.1")
    assert client.connection.jobs.meta(job.id).max_cost_usd == Decimal("0.1")


def test_a_budget_needs_a_known_price(client: BatchClient) -> None:
    with pytest.raises(InvalidInputError, match="price"):
        client.enqueue("openai/no-such-model", None, [says(1)], max_cost_usd=1)


@pytest.mark.parametrize("limit", [0, -1, float("nan"), float("inf"), "much", True])
def test_a_budget_that_is_no_sum_of_money_is_refused(client: BatchClient, limit: Any) -> None:
    with pytest.raises(InvalidInputError, match="positive number"):
        client.enqueue(MODEL, None, [says(1)], max_cost_usd=limit)


def test_a_named_account_s_jobs_bear_the_price_list_that_it_names(ledger: Redis) -> None:
    accounts = {"groq": Account(price_list="groq"), "own": Account()}
    client = BatchClient(settings=Settings(broker_url="memory://", accounts=accounts), redis=ledger)
    model = "llama-3.3-70b-versatile"

    priced = client.enqueue(f"openai@groq/{model}", None, [says(1)]).info()
    unpriced = client.enqueue(f"openai@own/{model}", None, [says(1)]).info()

    assert (priced.price_list, priced.cost.basis) == ("groq", "estimated")
    assert (unpriced.price_list, unpriced.cost.basis) == ("", "unknown")
