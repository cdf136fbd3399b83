"""The cost of jobs that ran, against a sum done by hand over what the provider sent for each request."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from batchline import BatchRequest
from batchline_shared.accounts import Account
from batchline_simulator import SimulatorConfig, running_simulator
from pipeline import pipeline

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from batchline import Job
    from pipeline import Pipeline

OPENAI, ANTHROPIC = "openai@sim/gpt-4.1-mini", "anthropic@claude/claude-sonnet-5-5"
# In a batch, USD for a million tokens, as the providers' pages had them in November 2026.
OPENAI_USD = {"input": Decimal("0.20"), "output": Decimal("0.80")}
ANTHROPIC_USD = {
    "input": Decimal("1.00"),
    "cache_read": Decimal("0.05"),
    "cache_5m": Decimal("1.25"),
    "cache_1h": Decimal("2.00"),
    "output": Decimal("5.00"),
}
COUNT = 200


@pytest.fixture
def line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pipeline]:
    monkeypatch.setenv("BATCHLINE_TEST_KEY", "sk-x")
    with running_simulator(SimulatorConfig(data_dir=tmp_path, speed=0)) as server:
        openai = Account(base_url=server.base_url, api_key_env="BATCHLINE_TEST_KEY", price_list="openai")
        anthropic = Account(
            provider="anthropic",
            base_url=server.url,
            api_key_env="BATCHLINE_TEST_KEY",
            price_list="anthropic",
        )
        with pipeline(accounts={"sim": openai, "claude": anthropic}, shard_max_requests=50) as made:
            yield made


def bodies(job: Job[Any]) -> list[dict[str, Any]]:
    """The usage in each of the provider's own lines."""
    found = []
    for outcome in job.results():
        raw = outcome.raw or {}
        body = (raw.get("response") or {}).get("body") or (raw.get("result") or {}).get("message") or {}
        found.append(body.get("usage") or {})
    return found


def openai_bill(job: Job[Any]) -> Decimal:
    tokens: Counter[str] = Counter()
    for usage in bodies(job):
        tokens["input"] += usage.get("prompt_tokens", 0)
        tokens["output"] += usage.get("completion_tokens", 0)
    return sum(OPENAI_USD[kind] * count for kind, count in tokens.items()) / Decimal(10**6)


def anthropic_bill(job: Job[Any]) -> tuple[Decimal, Counter[str]]:
    tokens: Counter[str] = Counter()
    for usage in bodies(job):
        kept = usage.get("cache_creation") or {}
        tokens["input"] += usage.get("input_tokens", 0)
        tokens["cache_read"] += usage.get("cache_read_input_tokens", 0)
        tokens["cache_5m"] += kept.get("ephemeral_5m_input_tokens", 0)
        tokens["cache_1h"] += kept.get("ephemeral_1h_input_tokens", 0)
        tokens["output"] += usage.get("output_tokens", 0)
    bill = sum(ANTHROPIC_USD[kind] * count for kind, count in tokens.items()) / Decimal(10**6)
    return bill, tokens


def talks(team: str) -> Iterator[BatchRequest]:
    """Requests of unlike length, some of which fail with and without a bill."""
    faults = {7: "[[fault:refusal]]", 11: "[[fault:server_error]]", 13: "[[fault:truncated]]"}
    for number in range(COUNT):
        words = f"{team} " * (number % 37) + faults.get(number % 50, "")
        yield BatchRequest(messages=[{"role": "user", "content": f"Request {number}: {words}"}])


def test_the_cost_table_of_a_run_is_the_sum_done_by_hand(line: Pipeline) -> None:
    client = line.client
    shared = {
        "type": "text", "text": "You are brief. " * 300, "cache_control": {"type": "ephemeral", "ttl": "1h"},
    }  # fmt: skip
    system = {"system": [shared]}
    first = client.enqueue(OPENAI, None, talks("ink"), metadata={"team": "ink"})
    second = client.enqueue(OPENAI, None, talks("paper"), metadata={"team": "paper"})
    third = client.enqueue(ANTHROPIC, None, talks("ink"), metadata={"team": "ink"}, options=system)
    line.finish(first, second, third)

    claude, tokens = anthropic_bill(third)
    ink, paper = openai_bill(first), openai_bill(second)

    assert min(tokens[kind] for kind in ("input", "cache_read", "cache_1h", "output")) > 0
    assert first.info().errored > 0
    assert [job.info().cost.batch_usd for job in (first, second, third)] == [ink, paper, claude]
    assert table(line, "tag:team") == {"ink": (2, ink + claude), "paper": (1, paper)}
    assert table(line, "model") == {OPENAI: (2, ink + paper), ANTHROPIC: (1, claude)}
    assert table(line, "account") == {"openai@sim": (2, ink + paper), "anthropic@claude": (1, claude)}
    assert {one.cost.basis for one in client.costs()} == {"listed"}


def test_a_prompt_that_requests_share_is_written_once_for_each_batch_and_read_by_the_others(
    line: Pipeline,
) -> None:
    prompt = {"role": "system", "content": "You are brief. " * 300}
    talk = [[prompt, {"role": "user", "content": f"Request {n}"}] for n in range(COUNT)]
    plain = line.client.enqueue(ANTHROPIC, None, talk)
    cached = line.client.enqueue(ANTHROPIC, None, talk, prompt_cache="1h")
    line.finish(plain, cached)

    bill, tokens = anthropic_bill(cached)
    read, written = tokens["cache_read"], tokens["cache_1h"]

    assert len(cached.batches()) == 4
    assert read == (COUNT - 4) * written // 4
    assert cached.info().cached_input_tokens == read > 0
    assert cached.info().input_tokens == plain.info().input_tokens
    assert cached.info().cost.batch_usd == bill
    assert bill < (plain.info().cost.batch_usd or 0) / 2


def table(line: Pipeline, group_by: str) -> dict[str | None, tuple[int, Decimal | None]]:
    return {one.group: (one.jobs, one.cost.batch_usd) for one in line.client.costs(group_by)}
