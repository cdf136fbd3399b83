"""Which Claude models take what, by the version in their names.

The API refuses in a result line what a model does not take, so one wrong field
spends a whole batch on errors. A name without a version counts as the newest.

Source:
    Anthropic's pages on structured outputs, on models and on what is new in each,
    read 2026-11; `docs/providers.md` has the table.
"""

from __future__ import annotations

import re
from typing import Final

__all__ = [
    "least_cached_tokens",
    "most_tokens",
    "takes_forced_tools",
    "takes_format",
    "takes_last_word",
    "takes_sampling",
]

_VERSION: Final = re.compile(r"claude-(?:[a-z]+-)?(\d{1,2})(?!\d)(?:[.-](\d{1,2})(?!\d))?")
"""`claude-3-5-sonnet-20241022`, `claude-opus-4-20250514`, `claude-fable-5-1`; a date is no version."""

_NEWEST: Final = (99, 0)

_LAST_PREFILLED: Final = (4, 5)
"""The last version that goes on from a message of the assistant's."""

_LAST_SAMPLED: Final = (4, 6)
"""The last version that takes `temperature`, `top_p` and `top_k`."""

_LAST_FORCED: Final = (5, 0)
"""The last version that can be made to call a tool: Fable and Mythos 5.1, Opus and Sonnet 5.5 cannot."""

_FIRST_FORMATTED: Final = (4, 5)
"""The first version that takes `output_config.format`."""

_MOST_TOKENS: Final = (((3, 5), 4_096), ((3, 7), 8_192), (_NEWEST, 32_000))
"""Below this version → tokens that every such model can answer with."""


_LEAST_CACHED: Final = {
    ("haiku", (3, 0)): 2048,
    ("haiku", (3, 5)): 2048,
    ("haiku", (4, 5)): 4096,
    ("opus", (4, 5)): 4096,
    ("opus", (4, 6)): 4096,
    ("opus", (4, 7)): 2048,
}
"""Tokens of the shortest prompt that is cached, where it is longer than its generation's usual one.

Source: Anthropic's guide to prompt caching as others quote it, read 2026-11. A mark on less costs nothing.
"""


def takes_sampling(model_name: str) -> bool:
    """Whether a model takes `temperature`, `top_p` and `top_k`, under the API version that takes them."""
    return _version(model_name) <= _LAST_SAMPLED


def takes_forced_tools(model_name: str) -> bool:
    """Whether `tool_choice` may name a tool that the model has to call."""
    return _version(model_name) <= _LAST_FORCED


def takes_format(model_name: str) -> bool:
    """Whether `output_config.format` may hold a schema."""
    return _version(model_name) >= _FIRST_FORMATTED


def takes_last_word(model_name: str) -> bool:
    """Whether a conversation may end with a message of the assistant's, which the answer goes on from."""
    return _version(model_name) <= _LAST_PREFILLED


def most_tokens(model_name: str) -> int:
    """What `max_tokens` may be for sure: Anthropic demands one, and only used tokens cost."""
    version = _version(model_name)
    return next((tokens for below, tokens in _MOST_TOKENS if version < below), _MOST_TOKENS[-1][1])


def least_cached_tokens(model_name: str) -> int:
    """Tokens of the shortest prompt that a model caches; of one that is not known, the shortest of all."""
    version = _version(model_name)
    usual = 1024 if version < (5, 0) or "sonnet" in model_name else 512
    return next(
        (tokens for (family, of), tokens in _LEAST_CACHED.items() if of == version and family in model_name),
        usual,
    )


def _version(model_name: str) -> tuple[int, int]:
    found = _VERSION.search(model_name)
    return (int(found[1]), int(found[2] or 0)) if found else _NEWEST
