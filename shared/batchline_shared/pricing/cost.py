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
    """What they cost in a batch; None where that is unknown, never 0 for it."""

    standard_usd: Usd | None
    """The same tokens without a batch; None as above."""

    basis: Basis


_UNKNOWN: Final = Cost(batch_usd=None, standard_usd=None, basis="unknown")


def price(card: RateCard | None, spent: Spent) -> Cost:
    """Price tokens.

    Sum over short and long requests of plain · p_in + cached · p_cached + written · p_written + output ·
    p_out, where plain is the input that is neither read from nor written to a cache: with the prices of the
    shortest for the short ones, and by their mean length for the long ones.

    Args:
        card: The model's prices; None: unknown.
        spent: Short and long requests apart.
    """
    if card is None or (card.standard.output is None and (spent.short.output or spent.long.output)):
        return _UNKNOWN
    length = spent.long.input // spent.long.requests if spent.long.requests else 0
    exact = card.listed and not (card.standard.tiered and spent.long.requests)
    return Cost(
        batch_usd=_usd(card.batch, spent.short, 0) + _usd(card.batch, spent.long, length),
        standard_usd=_usd(card.standard, spent.short, 0) + _usd(card.standard, spent.long, length),
        basis="listed" if exact else "estimated",
    )


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
