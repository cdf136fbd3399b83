"""What the tokens would have cost, by the public price list that ships with genai-prices.

That list falls back to the standard price in silence: for a model without a
batch price, for a date before the first one, for a misspelt context. So the
batch price is believed only if it is below the standard price.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict

__all__ = ["Cost", "PriceList", "cost_of"]


_DISCOUNT: Final = Decimal("0.5")
"""Of every provider's batch API. Source: the vendors' pricing pages, read 2026-09-26."""

PriceList = Callable[[str, int, int, Literal["batch", "standard"]], Decimal]
"""Price in USD of model, input tokens, output tokens; raises LookupError for an unknown model."""


class Cost(BaseModel):
    """Price of some tokens in USD."""

    model_config = ConfigDict(frozen=True)

    batch_usd: float | None
    """None where the model is unknown."""

    standard_usd: float | None
    """The same tokens without a batch."""

    basis: Literal["listed", "estimated", "unknown"]
    """`estimated`: no batch price is listed, so half of the standard one."""


def cost_of(
    model: str, input_tokens: int, output_tokens: int, *, price_list: PriceList | None = None
) -> Cost:
    """Price the tokens of a job.

    Args:
        model: `provider/model-name`.
        input_tokens: Prompt tokens.
        output_tokens: Generated tokens.
        price_list: Another list; None: genai-prices.
    """
    look_up = price_list or _listed_price
    try:
        standard = look_up(model, input_tokens, output_tokens, "standard")
        batch = look_up(model, input_tokens, output_tokens, "batch")
    except LookupError:
        return Cost(batch_usd=None, standard_usd=None, basis="unknown")
    listed = batch < standard or not standard
    price = batch if listed else standard * _DISCOUNT
    return Cost(
        batch_usd=float(price), standard_usd=float(standard), basis="listed" if listed else "estimated"
    )


def _listed_price(
    model: str, input_tokens: int, output_tokens: int, processing: Literal["batch", "standard"]
) -> Decimal:
    from genai_prices import Usage, calc_price  # noqa: PLC0415 - its data takes a moment to load

    provider, _, name = model.partition("/")
    price = calc_price(
        Usage(input_tokens=input_tokens, output_tokens=output_tokens),
        name,
        provider_id=provider,
        price_context={"processing": "batch"} if processing == "batch" else None,
    )
    return Decimal(price.total_price)
