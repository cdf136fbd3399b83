"""Which dialect a `provider/model-name` speaks. Adding a provider adds one line here."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final

from batchline_shared.errors import InvalidModelError

if TYPE_CHECKING:
    from collections.abc import Callable

    from batchline_shared.dialects.base import Dialect

__all__ = ["PROVIDERS", "dialect", "parse_model"]


def _openai() -> Dialect:
    from batchline_shared.dialects.openai import OpenAIChat  # noqa: PLC0415 - only the dialect in use is loaded

    return OpenAIChat()


PROVIDERS: Final[dict[str, Callable[[], Dialect]]] = {"openai": _openai}
"""Provider name → maker of its dialect."""


_LATER: Final = frozenset({"anthropic", "google", "gemini"})
"""Providers whose names are taken; a model of theirs can be named, but not used yet."""


@cache
def dialect(provider: str) -> Dialect:
    """The dialect of a provider.

    Raises:
        InvalidModelError: There is no such provider, or not yet.
    """
    if provider in _LATER:
        raise InvalidModelError(
            f"this version of Batchline cannot use {provider!r} yet; it can use {_known()}"
        )
    if provider not in PROVIDERS:
        raise InvalidModelError(f"unknown provider {provider!r}; Batchline can use {_known()}")
    return PROVIDERS[provider]()


def _known() -> str:
    return ", ".join(sorted(PROVIDERS))


def parse_model(model: str) -> tuple[str, str]:
    """Split `provider/model-name`; the name itself may hold slashes.

    Raises:
        InvalidModelError: It is not of that form, or the provider is unknown.
    """
    provider, slash, name = model.partition("/") if isinstance(model, str) else ("", "", "")
    if not slash or not provider or not name or any(letter.isspace() for letter in name):
        raise InvalidModelError(
            f'{model!r} is no model: use "provider/model-name", for example "openai/gpt-4.1-mini"'
        )
    if provider not in _LATER:
        dialect(provider)
    return provider, name
