"""What options of a request may be, where we know it: checked before one can fail every line of a batch.

An option that no table names passes as it is: OpenAI adds some all the time,
and servers like OpenAI's have their own.
"""

from __future__ import annotations

from math import isfinite
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from batchline_shared.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = [
    "COMMON_RULES",
    "EFFORT",
    "LINE_FIELDS",
    "Rule",
    "check_options",
    "flag",
    "mapping",
    "number",
    "text",
    "texts",
    "whole",
    "words",
]

_SHOWN_LETTERS: Final = 24
"""A longer text may be a prompt, which stays out of messages."""


class Rule(NamedTuple):
    """What one option must be."""

    expected: str
    """Follows "must be" in a message."""
    holds: Callable[[Any], bool]
    ours: bool = False
    """Whether it is OpenAI's alone: servers like it have words and limits of their own."""


def check_options(
    options: Mapping[str, Any],
    *,
    reserved: Mapping[str, str],
    rules: Mapping[str, Rule],
    at_openai: bool = True,
) -> None:
    """Refuse options that a batch, one outcome for each request, or the endpoint does not allow.

    Args:
        options: Body fields; null means: go without this one.
        reserved: Fields that cannot be set, and why.
        rules: Fields that are known, and what they must be.
        at_openai: The requests go to whom the rules are of, and not to a server like OpenAI's.

    Raises:
        InvalidInputError: Names the option and the reason.
    """
    for name, value in options.items():
        if name in reserved:
            raise InvalidInputError(f"option {name!r} cannot be set: {reserved[name]}")
        rule = rules.get(name)
        if rule is None or value is None or (rule.ours and not at_openai):
            continue
        if not rule.holds(value):
            raise InvalidInputError(f"option {name!r} must be {rule.expected}, not {_shown(value)}")


def words(*known: str) -> Rule:
    """One of OpenAI's words."""
    return Rule(
        f"one of {', '.join(known)}", lambda value: isinstance(value, str) and value in known, ours=True
    )


def number(low: float, high: float) -> Rule:
    """A number in a closed range."""
    return Rule(
        f"a number between {low:g} and {high:g}",
        lambda value: type(value) in (int, float) and isfinite(value) and low <= value <= high,
    )


def whole(low: int, high: int | None = None) -> Rule:
    """A whole number from `low`, to `high` where there is one."""
    expected = f"of at least {low}" if high is None else f"from {low} to {high}"
    return Rule(
        f"a whole number {expected}",
        lambda value: type(value) is int and value >= low and (high is None or value <= high),
    )


def text(*, most: int | None = None) -> Rule:
    """Text that is not empty, of at most so many characters."""
    limit = "" if most is None else f" of at most {most} characters"
    return Rule(
        f"text{limit}",
        lambda value: isinstance(value, str) and value != "" and (most is None or len(value) <= most),
    )


def texts(least: int, most: int) -> Rule:
    """A list of texts, of so many."""
    return Rule(
        f"a list of {least} to {most} texts",
        lambda value: (
            isinstance(value, list)
            and least <= len(value) <= most
            and all(isinstance(one, str) for one in value)
        ),
    )


flag: Final = Rule("true or false", lambda value: isinstance(value, bool))
mapping: Final = Rule("an object", lambda value: isinstance(value, dict))

EFFORT: Final = words("none", "minimal", "low", "medium", "high", "xhigh", "max")
"""How hard a model reasons."""


def _is_metadata(value: Any) -> bool:
    if not isinstance(value, dict) or len(value) > 16:  # noqa: PLR2004 - the provider's limit
        return False
    return all(
        isinstance(key, str) and len(key) <= 64 and isinstance(note, str) and len(note) <= 512  # noqa: PLR2004 - as above
        for key, note in value.items()
    )


COMMON_RULES: Final[Mapping[str, Rule]] = MappingProxyType(
    {
        "metadata": Rule(
            "an object of at most 16 texts, with names of at most 64 characters and values of at most 512",
            _is_metadata,
        ),
        "prompt_cache_key": text(),
        "safety_identifier": text(most=64),
        "seed": Rule("a whole number", lambda value: type(value) is int),
        "service_tier": words("auto", "default", "flex", "scale", "priority", "fast"),
        "store": flag,
        "temperature": number(0, 2),
        "top_logprobs": whole(0, 20),
        "top_p": number(0, 1),
        "user": text(),
    }
)
"""Options of chat completions and responses alike. Source: the openai package's parameter types, 3.54.0."""

LINE_FIELDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "model": "give it as 'provider/model-name'; a batch has one model",
        "custom_id": "give it as the request's custom_id",
        "method": "every line of a batch is a POST",
        "url": "give it as the job's endpoint; a batch has one",
        "body": "give the body's fields as the options themselves",
        "extra_body": "give its fields as options themselves",
        "extra_headers": "a line of a batch has no headers",
        "stream": "a batch cannot stream",
        "stream_options": "a batch cannot stream",
    }
)
"""What belongs to a batch or to its lines, so that no body may set it; most would fail the whole batch."""


def _shown(value: Any) -> str:
    plain = isinstance(value, int | float) or (isinstance(value, str) and len(value) <= _SHOWN_LETTERS)
    return repr(value) if plain else f"this {type(value).__name__}"
