"""Prices per token, by the public list that ships with genai-prices.

The list answers with the standard price where it knows no batch price: for a model without one, for a
date before the first one, for a misspelt context, and says nothing of it. So a batch price is believed
only where it is below the standard one.
"""

from __future__ import annotations

from datetime import UTC, datetime, time
from decimal import Decimal
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from batchline_shared.accounts import OWN_ACCOUNT, parse_model
from batchline_shared.errors import InvalidModelError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    from batchline_shared.accounts import Account

__all__ = ["Price", "RateCard", "Rates", "Tier", "price_list_of", "rate_card"]

_HALF: Final = Decimal("0.5")
"""Of every provider's batch API. Source: the vendors' pricing pages, read 2026-09-26."""

_FIRST_BATCH_PRICES: Final = datetime(2026, 10, 14, 12, tzinfo=UTC)
"""The list has no batch price for an earlier time. Source: genai-prices 0.2.3."""

_LISTS: Final[Mapping[str, str]] = MappingProxyType(
    {"openai": "openai", "anthropic": "anthropic", "google": "google", "gemini": "google"}
)
"""Our name of a provider → its name in the list."""


class Tier(NamedTuple):
    """A price for long requests, which then holds for all of a request's tokens."""

    above_tokens: int
    """Input tokens of one request, more than which it takes."""
    usd: Decimal
    """Per million tokens."""


class Price(NamedTuple):
    """Of one kind of token."""

    usd: Decimal
    """Per million tokens."""
    tiers: tuple[Tier, ...] = ()
    """By rising length."""

    def at(self, request_tokens: int) -> Decimal:
        """What a million tokens cost in requests of that many input tokens."""
        usd = self.usd
        for tier in self.tiers:
            if request_tokens > tier.above_tokens:
                usd = tier.usd
        return usd

    def halved(self) -> Price:
        """The same for half."""
        return Price(self.usd * _HALF, tuple(Tier(start, usd * _HALF) for start, usd in self.tiers))


class Rates(NamedTuple):
    """Prices of a model's tokens, one way of processing."""

    input: Price
    cached: Price
    """Of input read from the provider's cache; the usual input's where none is listed."""
    output: Price | None
    """None: the list has none, as for embeddings."""
    written: Price
    """Of input written to the provider's cache; the usual input's where none is listed."""
    written_1h: Price
    """The same where it is kept for an hour."""

    @property
    def tiered(self) -> bool:
        """Whether long requests cost another price."""
        return any(price.tiers for price in self if price is not None)

    def halved(self) -> Rates:
        """The same for half."""
        return Rates(
            self.input.halved(),
            self.cached.halved(),
            self.output.halved() if self.output is not None else None,
            self.written.halved(),
            self.written_1h.halved(),
        )

    def is_below(self, other: Rates) -> bool:
        """Whether these can be batch prices, if the others are the standard ones.

        Cached input is not looked at: of OpenAI's older families it costs the same in a batch.
        """
        pairs = [(self.input, other.input)]
        if self.output is not None and other.output is not None:
            pairs.append((self.output, other.output))
        return all(mine.usd < theirs.usd or not theirs.usd for mine, theirs in pairs)


class RateCard(NamedTuple):
    """Prices of a model's tokens, in a batch and without."""

    batch: Rates
    standard: Rates
    listed: bool
    """False: no batch price is listed, so it is half of the standard one."""

    @classmethod
    def of(cls, standard: Rates, batch: Rates) -> RateCard:
        """Believe what is said to be a batch price only if it is below the standard one."""
        if batch.is_below(standard):
            return cls(batch, standard, listed=True)
        return cls(standard.halved(), standard, listed=False)


def price_list_of(model: str, account: Account = OWN_ACCOUNT) -> str:
    """Whose prices hold for a model; empty where nobody knows.

    A named account may be any server that speaks OpenAI's API, and its models may bear names that OpenAI's
    list has too (`gpt-oss-120b`): its prices are known only where the account says whose they are.

    Args:
        model: `provider/model-name` or `provider@account/model-name`.
        account: The one that it names.
    """
    try:
        named = parse_model(model)
    except InvalidModelError:
        return ""
    if named.account:
        return account.price_list or ""
    return account.price_list or _LISTS.get(named.provider, "")


def rate_card(model: str, price_list: str, day: date | None = None) -> RateCard | None:
    """Look a model up; None where its prices are unknown.

    Args:
        model: `provider/model-name`.
        price_list: As `price_list_of` gives it.
        day: Prices of which day, in UTC; None: of today.
    """
    if not price_list:
        return None
    moment = datetime.combine(day or datetime.now(UTC).date(), time(12), UTC)
    return _looked_up(price_list, parse_model(model).name, max(moment, _FIRST_BATCH_PRICES))


@lru_cache(maxsize=4096)
def _looked_up(price_list: str, name: str, moment: datetime) -> RateCard | None:
    from genai_prices import Usage, calc_price  # noqa: PLC0415 - its data takes half a second to load

    def rates(context: dict[str, str] | None) -> Rates | None:
        found = calc_price(
            Usage(input_tokens=1),
            name,
            provider_id=price_list,
            genai_request_timestamp=moment,
            price_context=context,
        )
        return _rates(found.model_price)

    try:
        standard, batch = rates(None), rates({"processing": "batch"})
    except LookupError:
        return None
    return RateCard.of(standard, batch) if standard and batch else None


def _rates(listed: Any) -> Rates | None:
    """Read the list's prices of one model; None where input has no price per token."""
    paid = _price(listed.input_mtok)
    if paid is None:
        return None
    written = _price(listed.cache_write_mtok) or paid
    return Rates(
        input=paid,
        cached=_price(listed.cache_read_mtok) or paid,
        output=_price(listed.output_mtok),
        written=written,
        written_1h=_price(listed.cache_write_1h_mtok) or written,
    )


def _price(listed: Any) -> Price | None:
    if listed is None:
        return None
    if isinstance(listed, Decimal):
        return Price(listed)
    return Price(listed.base, tuple(Tier(tier.start, tier.price) for tier in listed.tiers))
