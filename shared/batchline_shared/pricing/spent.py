"""Tokens of many requests, counted so that they can be priced later without reading the outcomes.

Some models cost more for every token of a request whose input is long. A sum of tokens hides how long the
requests were, so long ones are counted apart as well.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from batchline_shared.pricing.cost import price
from batchline_shared.pricing.rates import rate_card

if TYPE_CHECKING:
    from batchline_shared.dialects.verdict import Verdict
    from batchline_shared.ledger import JobMeta
    from batchline_shared.pricing.cost import Cost

__all__ = ["LONG_TOKENS", "Spent", "Tokens", "cost_of_job", "spent_by", "token_counts"]

LONG_TOKENS: Final = 100_000
"""Input tokens of a request, more than which it counts as long.

The shortest length from which a model of today costs more: 100,000 at Anthropic, 128,000 and 200,000 at
Google, 272,000 at OpenAI. Source: genai-prices 0.2.3. Part of what jobs' records mean: it must not rise.
"""


class Tokens(NamedTuple):
    """Tokens of some requests together."""

    requests: int = 0
    input: int = 0
    """Those read from a cache included."""
    cached: int = 0
    """The part of `input` that was read from the provider's cache."""
    output: int = 0
    """Reasoning included."""


class Spent(NamedTuple):
    """Tokens of a job's requests."""

    short: Tokens = Tokens()
    """Of requests with at most `LONG_TOKENS` of input."""
    long: Tokens = Tokens()
    """Of the others."""


def token_counts(verdict: Verdict) -> dict[str, int]:
    """What one answered request adds to the counts of its job's record."""
    counts = {"input_tokens": verdict.input_tokens, "output_tokens": verdict.output_tokens}
    if verdict.cached_input_tokens:
        counts["cached_tokens"] = verdict.cached_input_tokens
    if verdict.input_tokens > LONG_TOKENS:
        counts["long_requests"] = 1
        counts["long_input_tokens"] = verdict.input_tokens
        counts["long_output_tokens"] = verdict.output_tokens
        counts["long_cached_tokens"] = verdict.cached_input_tokens
    return counts


def spent_by(meta: JobMeta) -> Spent:
    """What a job has spent so far, further attempts included."""
    long = Tokens(
        meta.long_requests, meta.long_input_tokens, meta.long_cached_tokens, meta.long_output_tokens
    )
    short = Tokens(
        max(0, meta.succeeded + meta.errored - long.requests),  # further attempts are in the rest only
        meta.input_tokens - long.input,
        meta.cached_tokens - long.cached,
        meta.output_tokens - long.output,
    )
    return Spent(short, long)


def cost_of_job(meta: JobMeta) -> Cost:
    """What a job has cost so far, at the prices of the day on which it was enqueued.

    Raises:
        ConfigurationError: genai-prices is not installed.
    """
    return price(rate_card(meta.model, meta.price_list, meta.created_at.date()), spent_by(meta))
