"""Tokens of many requests, counted so that they can be priced later without reading the outcomes.

Some models cost more for every token of a request whose input is long. A sum of tokens hides how long the
requests were, so long ones are counted apart as well.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from batchline_shared.pricing.cost import price
from batchline_shared.pricing.rates import rate_card

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batchline_shared.dialects.verdict import Verdict
    from batchline_shared.ledger import JobMeta
    from batchline_shared.pricing.cost import Cost

__all__ = ["LONG_TOKENS", "Spent", "Tokens", "cost_of_job", "spent_in", "token_counts"]

LONG_TOKENS: Final = 100_000
"""Input tokens of a request, more than which it counts as long.

The shortest length from which a model of today costs more: 100,000 at Anthropic, 128,000 and 200,000 at
Google, 272,000 at OpenAI. Source: genai-prices 0.2.3. Part of what jobs' records mean: it must not rise.
"""


class Tokens(NamedTuple):
    """Tokens of some requests together."""

    requests: int = 0
    input: int = 0
    """Those read from and written to a cache included."""
    cached: int = 0
    """The part of `input` that was read from the provider's cache."""
    output: int = 0
    """Reasoning included."""
    written: int = 0
    """The part of `input` that was written to the provider's cache."""
    written_1h: int = 0
    """The part of `written` that is kept for an hour."""


class Spent(NamedTuple):
    """Tokens of a job's requests."""

    short: Tokens = Tokens()
    """Of requests in batches with at most `LONG_TOKENS` of input; how many they are is not counted."""
    long: Tokens = Tokens()
    """Of the others in batches."""
    live_short: Tokens = Tokens()
    """The same of requests that were asked through the live API."""
    live_long: Tokens = Tokens()

    @property
    def cached(self) -> int:
        """Input read from the provider's cache."""
        return sum(tokens.cached for tokens in self)


_COUNTS: Final = (
    "requests",
    "input_tokens",
    "cached_tokens",
    "output_tokens",
    "written_tokens",
    "written_1h_tokens",
)
"""Names of the fields of a job's record, in the order of `Tokens`; long requests' have `long_` before them.

Those without it count all requests' tokens, but requests are counted only where they are long. What was
asked through the live API is counted once more, with `live_` before the name.
"""


def token_counts(verdict: Verdict, *, live: bool = False) -> dict[str, int]:
    """What one answered request adds to the counts of its job's record, those that are 0 left out."""
    tokens = Tokens(
        requests=0,
        input=verdict.input_tokens,
        cached=verdict.cached_input_tokens,
        output=verdict.output_tokens,
        written=verdict.cache_written_tokens,
        written_1h=verdict.cache_written_1h_tokens,
    )
    counts = {name: count for name, count in zip(_COUNTS, tokens, strict=True) if count}
    if verdict.input_tokens > LONG_TOKENS:
        counts |= {f"long_{name}": count for name, count in counts.items()}
        counts["long_requests"] = 1
    return counts | {f"live_{name}": count for name, count in counts.items()} if live else counts


def spent_in(record: Mapping[bytes, bytes]) -> Spent:
    """What a job has spent so far, further attempts included, by its record (`ledger.keys.meta`).

    Raises:
        ValueError: A count is no number.
    """

    def counted(prefix: bytes) -> Tokens:
        return Tokens(*(int(record.get(prefix + name.encode()) or 0) for name in _COUNTS))

    long, live_long = counted(b"long_"), counted(b"live_long_")
    live_short = _without(counted(b"live_"), live_long)._replace(requests=0)
    short = _without(_without(counted(b""), long), live_short)._replace(requests=0)
    return Spent(short, _without(long, live_long), live_short, live_long)


def _without(every: Tokens, some: Tokens) -> Tokens:
    """The counts of the others."""
    return Tokens(*(all_ - of_some for all_, of_some in zip(every, some, strict=True)))


def cost_of_job(meta: JobMeta) -> Cost:
    """What a job has cost so far, at the prices of the day on which it was enqueued."""
    return price(rate_card(meta.model, meta.price_list, meta.created_at.date()), meta.spent)
