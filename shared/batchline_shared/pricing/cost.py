"""A price in USD, and what it rests on.

Money is `Decimal`: whole numbers of tokens times a listed price, so the sum over a million requests is
exact. Only in JSON it becomes a number, with 15 good digits.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, PlainSerializer

if TYPE_CHECKING:
    from collections.abc import Iterable

    from batchline_shared.pricing.rates import RateCard, Rates
    from batchline_shared.pricing.spent import Spent, Tokens

__all__ = ["Basis", "Cost", "Usd", "price", "total"]

Basis = Literal["listed", "estimated", "unknown"]
"""What a price rests on.

`listed`: the public price list. `estimated`: a part of it is inferred: no batch price is listed, so it is
half of the standard one, or long requests have another price and only their mean length is known.
`unknown`: nobody lists a price.
"""

Usd = Annotated[Decimal, PlainSerializer(float, return_type=float, when_used="json")]
"""US dollars: exact in Python, a number in JSON."""

_MILLION: Final = Decimal(1_000_000)


class Cost(BaseModel):
    """Price of some tokens in USD."""

    model_config = ConfigDict(frozen=True)

    batch_usd: Usd | None
    """What they cost in a batch, or live where they were asked so; None: unknown, never 0 for it."""

    standard_usd: Usd | None
    """The same tokens without a batch; None as above."""

    basis: Basis


_UNKNOWN: Final = Cost(batch_usd=None, standard_usd=None, basis="unknown")


def price(card: RateCard | None, spent: Spent) -> Cost:
    """Price tokens.

    Sum over short and long requests of plain · p_in + cached · p_cached + written · p_written + output ·
    p_out, where plain is the input that is neither read from nor written to a cache: with the prices of the
    shortest for the short ones, and by their mean length for the long ones. What was asked live costs the
    standard price.

    Args:
        card: The model's prices; None: unknown.
        spent: Short and long requests apart, and those asked live.
    """
    if card is None or (card.standard.output is None and any(tokens.output for tokens in spent)):
        return _UNKNOWN
    exact = card.listed and not (card.standard.tiered and (spent.long.requests or spent.live_long.requests))
    live_usd = _both(card.standard, spent.live_short, spent.live_long)
    return Cost(
        batch_usd=_both(card.batch, spent.short, spent.long) + live_usd,
        standard_usd=_both(card.standard, spent.short, spent.long) + live_usd,
        basis="listed" if exact else "estimated",
    )


def _both(rates: Rates, short: Tokens, long: Tokens) -> Decimal:
    length = long.input // long.requests if long.requests else 0
    return _usd(rates, short, 0) + _usd(rates, long, length)


def _usd(rates: Rates, tokens: Tokens, length: int) -> Decimal:
    cached = min(tokens.cached, tokens.input)
    written = min(tokens.written, tokens.input - cached)
    hour = min(tokens.written_1h, written)
    usd = (tokens.input - cached - written) * rates.input.at(length) + cached * rates.cached.at(length)
    usd += (written - hour) * rates.written.at(length) + hour * rates.written_1h.at(length)
    if rates.output is not None:
        usd += tokens.output * rates.output.at(length)
    return usd / _MILLION


def total(costs: Iterable[Cost]) -> Cost:
    """Add up the costs that are known; unknown only where none is.

    Whether some were left out, only the caller can say; so say it.
    """
    batch = standard = Decimal(0)
    basis: Basis = "unknown"
    for cost in costs:
        if cost.batch_usd is None or cost.standard_usd is None:
            continue
        batch, standard = batch + cost.batch_usd, standard + cost.standard_usd
        basis = "estimated" if "estimated" in (basis, cost.basis) else "listed"
    if basis == "unknown":
        return _UNKNOWN
    return Cost(batch_usd=batch, standard_usd=standard, basis=basis)
