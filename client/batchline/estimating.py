"""What requests will cost, told before they are sent.

Input is told from bytes, output is a guess: a cost before is a range, and one after a number.
"""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, Final

import orjson
from pydantic import BaseModel, ConfigDict

from batchline.duplicates import marking
from batchline_shared.errors import BudgetExceededError, InvalidInputError
from batchline_shared.pricing import LONG_TOKENS, Basis, Spent, Tokens, Usd, price, rate_card
from batchline_shared.tokens import estimate_tokens

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from batchline.chunking import EncodedRequest
    from batchline_shared.dialects.base import Dialect
    from batchline_shared.pricing import Cost, RateCard

__all__ = ["CostEstimate", "Meter", "dollars", "metered", "within_budget"]

_FEWEST: Final = (3, 5)
_MOST: Final = (8, 5)
"""Of the estimated input: 6.7 and 2.5 bytes a token instead of 4; measured answers lie between."""

_USUAL_OUTPUT: Final = 500
"""Tokens of a usual answer, at most; less where the limit is low. A guess: only answers tell."""

_CHECK_ROWS: Final = 500
"""Requests between two looks at a budget: pricing each one would cost more than encoding it."""


class CostEstimate(BaseModel):
    """What requests may cost in a batch."""

    model_config = ConfigDict(frozen=True)

    requests: int
    input_tokens: int
    """About; told from the requests' bytes, with what all share (schema, system prompt) for each of them."""
    output_tokens: int
    """A guess: for each request a quarter of its limit, and 500 at most."""
    max_output_tokens: int | None
    """If every answer took what it may; None where a request has no limit."""
    low_usd: Usd | None
    """Input alone, and little of it; what `max_cost_usd` refuses by. None: the price is unknown."""
    typical_usd: Usd | None
    """With the tokens above; None as before."""
    high_usd: Usd | None
    """Much input, and answers as long as they may be. None also where a request has no limit."""
    standard_usd: Usd | None
    """`typical_usd` without a batch."""
    basis: Basis


class Meter:
    """Adds up what requests may cost, as they pass by. Holds sums only."""

    def __init__(self, speech: Dialect, template: Mapping[str, Any], card: RateCard | None) -> None:
        """Start at nothing.

        Args:
            speech: Whose requests they are.
            template: What they share.
            card: The model's prices; None: unknown.
        """
        self._card = card
        self._shared_tokens = estimate_tokens(orjson.dumps(template))
        # Only embeddings count their texts, and they generate nothing.
        self._embeds = speech.inputs is not None
        self._limit = 0 if self._embeds else _output_limit(template)
        # Requests, input and guessed output; short ones and long ones.
        self._sums = [[0, 0, 0], [0, 0, 0]]
        self._limits = [0, 0]
        self._unlimited = False

    def add(self, row: bytes) -> None:
        """Add a request, as it is stored."""
        tokens = self._shared_tokens + estimate_tokens(row)
        limit = self._limit
        if not self._embeds and row.startswith(b"{"):
            limit = _output_limit(orjson.loads(row)) or limit
        long = tokens > LONG_TOKENS
        sums = self._sums[long]
        sums[0] += 1
        sums[1] += tokens
        sums[2] += _USUAL_OUTPUT if limit is None else min(-(-limit // 4), _USUAL_OUTPUT)
        if limit is None:
            self._unlimited = True
        else:
            self._limits[long] += limit

    def least(self) -> Decimal | None:
        """What the requests so far cost without any answer; None where the price is unknown."""
        return self._price(_FEWEST, [0, 0]).batch_usd

    def estimate(self) -> CostEstimate:
        """What the requests so far may cost."""
        short, long = self._sums
        usual = self._price((1, 1), [short[2], long[2]])
        return CostEstimate(
            requests=short[0] + long[0],
            input_tokens=short[1] + long[1],
            output_tokens=short[2] + long[2],
            max_output_tokens=None if self._unlimited else sum(self._limits),
            low_usd=self.least(),
            typical_usd=usual.batch_usd,
            high_usd=None if self._unlimited else self._price(_MOST, self._limits).batch_usd,
            standard_usd=usual.standard_usd,
            basis=usual.basis,
        )

    def _price(self, part: tuple[int, int], output: list[int]) -> Cost:
        pools = [
            Tokens(sums[0], sums[1] * part[0] // part[1], 0, generated)
            for sums, generated in zip(self._sums, output, strict=True)
        ]
        return price(self._card, Spent(*pools))


def _output_limit(body: Mapping[str, Any]) -> int | None:
    """The most tokens that a request may generate, by the name that its provider has for it."""
    google = body.get("generationConfig")
    places = (
        body.get("max_completion_tokens"),
        body.get("max_tokens"),
        body.get("max_output_tokens"),
        google.get("maxOutputTokens") if isinstance(google, dict) else None,
    )
    return next((limit for limit in places if isinstance(limit, int)), None)


def dollars(value: Decimal | float | None) -> Decimal | None:
    """Read a limit in US dollars, to the digits that its writer sees.

    Raises:
        InvalidInputError: It is no positive number.
    """
    if value is None:
        return None
    try:
        usd = Decimal(str(value))
    except InvalidOperation:
        usd = Decimal("NaN")
    if not usd.is_finite() or usd <= 0:
        raise InvalidInputError(f"max_cost_usd must be a positive number of US dollars, not {value!r}")
    return usd


def metered(
    speech: Dialect,
    template: Mapping[str, Any],
    model: str,
    price_list: str,
    requests: Iterable[EncodedRequest],
    *,
    deduplicate: bool = False,
) -> CostEstimate:
    """Read requests to their end and tell what they may cost; of equal ones, if they are sent once."""
    meter = Meter(speech, template, rate_card(model, price_list))
    with marking(requests, deduplicate=deduplicate) as (marked, _):
        for request in marked:
            if request.equals is None:
                meter.add(request.row)
    return meter.estimate()


def within_budget(
    requests: Iterable[EncodedRequest], meter: Meter, max_cost_usd: Decimal
) -> Iterator[EncodedRequest]:
    """Pass requests on, for as long as their input alone may be had for the money.

    Raises:
        InvalidInputError: The model's price is unknown.
        BudgetExceededError: The input costs more; says how much.
    """
    if meter.least() is None:
        raise InvalidInputError(
            "max_cost_usd needs a model whose price is known; a named account says by `price_list` "
            "whose prices hold (docs/cost.md)"
        )
    count = 0
    for count, request in enumerate(requests, start=1):
        if request.equals is None:
            meter.add(request.row)
        if count % _CHECK_ROWS == 0:
            _check(meter, count, max_cost_usd)
        yield request
    _check(meter, count, max_cost_usd)


def _check(meter: Meter, count: int, max_cost_usd: Decimal) -> None:
    least = meter.least()
    if least is not None and least > max_cost_usd:
        raise BudgetExceededError(
            f"the input of the first {count:,} requests alone costs about ${least:.4f}, more than "
            f"max_cost_usd ${max_cost_usd:.4f}; nothing was enqueued",
            least_usd=least,
            max_cost_usd=max_cost_usd,
        )
