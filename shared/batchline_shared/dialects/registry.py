"""Every provider, and the two modules that speak to it. Adding a provider adds one line here.

Modules are named, not imported: a process loads only the dialect that it uses, and only a worker loads
a transport, which brings the provider's SDK.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Final, NamedTuple

from batchline_shared.accounts import OWN_ACCOUNT, ModelName, parse_model
from batchline_shared.errors import InvalidInputError, InvalidModelError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from batchline_shared.accounts import Account
    from batchline_shared.dialects.base import Dialect

__all__ = ["PROVIDERS", "ProviderModules", "dialect", "endpoints", "known_model"]


class ProviderModules(NamedTuple):
    """Where a provider's two halves are."""

    dialect: str
    """Module with `DIALECTS`: endpoint → class, the default endpoint first."""
    transport: str
    """Module with `make_provider(name, account, *, create_timeout_s)`; a worker's."""


PROVIDERS: Final[Mapping[str, ProviderModules]] = {
    "openai": ProviderModules("batchline_shared.dialects.openai", "batchline_worker.providers.openai"),
    "anthropic": ProviderModules(
        "batchline_shared.dialects.anthropic", "batchline_worker.providers.anthropic"
    ),
    "google": ProviderModules("batchline_shared.dialects.google", "batchline_worker.providers.google"),
    "gemini": ProviderModules("batchline_shared.dialects.gemini", "batchline_worker.providers.gemini"),
}
"""Name before the slash in `provider/model-name` → where it is spoken to."""


@cache
def dialect(provider: str, endpoint: str = "", account: Account = OWN_ACCOUNT) -> Dialect:
    """The dialect of a provider's endpoint.

    Args:
        provider: Its name.
        endpoint: Such as `/v1/chat/completions`; empty: the provider's default.
        account: Whose; its limits and paths win over the provider's.

    Raises:
        InvalidModelError: There is no such provider.
        InvalidInputError: It has no such endpoint.
    """
    known = _classes(provider)
    if endpoint and endpoint not in known:
        raise InvalidInputError(f"{provider} has no endpoint {endpoint!r}; it has {', '.join(known)}")
    return known[endpoint or next(iter(known))](account)


def endpoints(provider: str) -> list[str]:
    """The endpoints of a provider, the default first.

    Raises:
        InvalidModelError: There is no such provider.
    """
    return list(_classes(provider))


def known_model(model: object) -> ModelName:
    """Split a model's name, as `parse_model` does, and check that there is such a provider.

    Raises:
        InvalidModelError: It is not of that form, or the provider is unknown.
    """
    named = parse_model(model)
    _classes(named.provider)
    return named


def _classes(provider: str) -> Mapping[str, Callable[[Account], Dialect]]:
    if provider not in PROVIDERS:
        known = ", ".join(sorted(PROVIDERS))
        raise InvalidModelError(f"unknown provider {provider!r}; Batchline can use {known}")
    classes: Mapping[str, Callable[[Account], Dialect]] = import_module(PROVIDERS[provider].dialect).DIALECTS
    return classes
