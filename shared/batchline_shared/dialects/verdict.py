"""What one line of a provider's result file says about its request.

Every dialect answers with this one type, so that the worker stores outcomes
without knowing whose line it read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from batchline_shared.outcomes import ErrorType

__all__ = ["MESSAGE_LIMIT", "MOST_TOKENS", "Verdict", "shorten", "token_count"]

MESSAGE_LIMIT = 500
"""Longest message of a verdict, in characters; it is stored once for every failed request."""

MOST_TOKENS = 10**9
"""A higher count is none: no request has as many tokens, and the sums of a job must fit into 64 bits."""


class Verdict(NamedTuple):
    """Success or the kind of failure of one request, with the tokens that it cost."""

    error_type: ErrorType | None
    """None: the line holds a usable answer."""
    message: str
    """Empty for a usable answer; else what happened, for a person to read.

    The provider's words or ours, never the model's answer and never the prompt.
    """
    input_tokens: int
    """Prompt tokens, those read from a cache included; 0 where the line does not say."""
    output_tokens: int
    """Generated tokens, reasoning included; 0 where the line does not say."""
    cached_input_tokens: int
    """The part of `input_tokens` that was read from the provider's cache."""
    reasoning_tokens: int
    """The part of `output_tokens` that the model spent on thinking."""
    cache_written_tokens: int = 0
    """The part of `input_tokens` that was written to the provider's cache, which costs more."""
    cache_written_1h_tokens: int = 0
    """The part of those that is kept for an hour, which costs more still."""


def shorten(text: str) -> str:
    """Cut a message to `MESSAGE_LIMIT` characters; a cut one ends in an ellipsis."""
    return text if len(text) <= MESSAGE_LIMIT else f"{text[: MESSAGE_LIMIT - 1]}…"


def token_count(value: Any) -> int:
    """Read a token count; what is no positive integer (null, text, a float) or absurd counts as 0."""
    # `type() is`: a bool is an int to isinstance, and `true` is no count.
    return value if type(value) is int and 0 < value <= MOST_TOKENS else 0
