"""How much one account may have waiting or running at its provider: built in, and as the settings say.

This is about all batches of an account together; what *one* batch may hold is `dialects.base.Limits`.
Tokens are counted for each model, batches and creations for the account, as the providers do.

What is built in is what a new account may do, so that nothing is refused by default. Larger accounts say
so in the settings; what a provider refuses all the same is learned (`ledger.admission`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final, NamedTuple

from pydantic import BaseModel, Field

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batchline_shared.accounts import ModelName
    from batchline_shared.settings import Settings

__all__ = ["BUILT_IN", "AccountLimits", "Budgets", "ModelLimits", "limits_of"]

_Limit = Annotated[int | None, Field(ge=0)]


class ModelLimits(BaseModel, frozen=True, extra="forbid"):
    """What the batches of one model may hold together. None: as the account says; 0: no limit."""

    enqueued_tokens: _Limit = None
    """Input tokens of all batches of this model that have not ended."""

    enqueued_requests: _Limit = None
    """Requests of all batches of this model that have not ended."""


class AccountLimits(BaseModel, frozen=True, extra="forbid"):
    """What an account's batches may hold together. None: what is built in for the provider; 0: no limit."""

    enqueued_tokens: _Limit = None
    """Input tokens of all batches of a model that have not ended, for each that `models` does not name."""

    enqueued_requests: _Limit = None
    """Requests of all batches that have not ended, of all models together."""

    batches_in_flight: _Limit = None
    """Batches that have not ended, of all models together."""

    creations_per_hour: _Limit = None
    """Batches created within any hour, of all models together."""

    models: dict[str, ModelLimits] = Field(default={})
    """Limits of a model of its own, by its name without provider and account. Given as JSON."""

    def __hash__(self) -> int:
        # A dict has no hash; what is equal still hashes alike without it.
        return hash(tuple(value for name, value in self if name != "models"))


class Budgets(NamedTuple):
    """The limits that hold for one model of one account. None: no limit."""

    model_tokens: int | None = None
    model_requests: int | None = None
    requests: int | None = None
    batches: int | None = None
    creations_per_hour: int | None = None


BUILT_IN: Final[Mapping[str, AccountLimits]] = {
    "openai": AccountLimits(
        creations_per_hour=1_900,
        models={"text-embedding-": ModelLimits(enqueued_requests=1_000_000)},
    ),
    "anthropic": AccountLimits(enqueued_requests=200_000),
    "gemini": AccountLimits(
        enqueued_tokens=3_000_000,
        batches_in_flight=100,
        models={
            "gemini-2.5-flash": ModelLimits(enqueued_tokens=3_000_000),
            "gemini-2.5-flash-lite": ModelLimits(enqueued_tokens=10_000_000),
            "gemini-2.5-pro": ModelLimits(enqueued_tokens=5_000_000),
            "gemini-3-flash": ModelLimits(enqueued_tokens=3_000_000),
        },
    ),
    "google": AccountLimits(),
}
"""Provider → limits of a new account at the provider's own address. Models by what their names begin with.

* OpenAI: 2,000 creations an hour (Batch guide, 2026-09-26), less some as we count an admission and the
  provider the creation, which comes a little later. Enqueued tokens differ by account and are not
  published: they are learned. A million enqueued embedding requests: community.openai.com, thread 1002388.
* Anthropic: the lowest tier's queue, all models together (guide to batch processing, 2026-09).
* Gemini: tier 1's enqueued tokens for each model, and 100 batches at a time (rate limits, 2026-09). A model
  that the table does not have gets the lowest. Tiers 2 and 3 allow 100 times as much, and should say so.
* Vertex AI: no quota; batches share a pool and queue there (batch prediction guide, 2026-09).
"""


def limits_of(settings: Settings, model: ModelName) -> Budgets:
    """The limits that hold for a model: the account's, else those built in for its provider.

    Nothing is built in for an account with an address of its own: it is another company's.

    Raises:
        InvalidModelError: The settings name no such account.
    """
    account = settings.account(model)
    own: AccountLimits = account if model.account else settings.limits.get(model.provider, AccountLimits())
    ours = AccountLimits() if account.base_url else BUILT_IN.get(model.provider, AccountLimits())
    given, usual = own.models.get(model.name, ModelLimits()), _by_prefix(ours, model.name)
    return Budgets(
        model_tokens=_first(
            given.enqueued_tokens, own.enqueued_tokens, usual.enqueued_tokens, ours.enqueued_tokens
        ),
        model_requests=_first(given.enqueued_requests, usual.enqueued_requests),
        requests=_first(own.enqueued_requests, ours.enqueued_requests),
        batches=_first(own.batches_in_flight, ours.batches_in_flight),
        creations_per_hour=_first(own.creations_per_hour, ours.creations_per_hour),
    )


def _by_prefix(limits: AccountLimits, name: str) -> ModelLimits:
    """The limits of the longest entry that a model's name begins with."""
    found = max((prefix for prefix in limits.models if name.startswith(prefix)), key=len, default=None)
    return ModelLimits() if found is None else limits.models[found]


def _first(*limits: int | None) -> int | None:
    """The first that is given; 0 lifts it."""
    return next((limit for limit in limits if limit is not None), None) or None
