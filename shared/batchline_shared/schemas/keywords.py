"""Which keywords of JSON schema say something, and how to say it in words.

An allow list: what no dialect names is an annotation or an extension, and is
dropped, because a provider refuses a whole schema for one keyword it does not
know. What a dialect cannot send but the model should know goes into the
description; Pydantic enforces it when the answer comes.
"""

import json
import math
import re
from collections.abc import Callable
from typing import Any, Final

from batchline_shared.schemas.tree import Schema

__all__ = ["BOUNDS", "Kept", "hint", "is_finite", "is_plain_pattern", "json_type"]

Kept = Callable[[str, Any], bool]
"""Tells whether a dialect sends a keyword with this value as it is."""

BOUNDS: Final = frozenset(
    {
        "minimum",
        "maximum",
        "exclusiveMinimum",
        "exclusiveMaximum",
        "multipleOf",
        "minItems",
        "maxItems",
    },
)
"""Keywords whose value must be a finite number."""

_SILENT_FORMATS = frozenset({"binary", "password"})
"""Pydantic's `bytes` and `SecretStr`: both take plain text, and the word would mislead the model."""

_HINTED = (
    "enum",
    "const",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minLength",
    "maxLength",
    "pattern",
    "format",
    "minItems",
    "maxItems",
    "uniqueItems",
    "minProperties",
    "maxProperties",
    "contentEncoding",
    "contentMediaType",
    "examples",
)

# Lookaround, named groups and flags all open with `(?`; only `(?:` is plain.
_UNSUPPORTED_PATTERN = re.compile(r"\(\?(?!:)|\\[1-9]")

# In this order, as Python's bool is an int too.
_JSON_TYPES: tuple[tuple[type, str], ...] = (
    (str, "string"),
    (bool, "boolean"),
    (int, "integer"),
    (float, "number"),
    (list, "array"),
    (dict, "object"),
)


def is_finite(value: Any) -> bool:
    """Tell whether JSON can write a bound; an infinite one excludes nothing."""
    return isinstance(value, int | float) and math.isfinite(value)


def is_plain_pattern(value: Any) -> bool:
    """Tell whether a pattern keeps to what every regular expression engine knows."""
    return isinstance(value, str) and _UNSUPPORTED_PATTERN.search(value) is None


def json_type(value: Any) -> str:
    """Name the JSON type of a value, as `type` would; `integer` for whole numbers without a point."""
    return next((name for kind, name in _JSON_TYPES if isinstance(value, kind)), "null")


def hint(node: Schema, kept: Kept) -> str:
    """Describe a value in words, with the constraints that a dialect cannot send.

    Returns:
        The user's own description first. Empty where there is nothing to say.
    """
    told = {
        keyword: node[keyword]
        for keyword in _HINTED
        if keyword in node and not kept(keyword, node[keyword]) and _says_something(keyword, node[keyword])
    }
    words = ", ".join(f"{keyword}: {_text(value)}" for keyword, value in told.items())
    return "\n\n".join(part for part in (node.get("description", ""), f"{{{words}}}" if told else "") if part)


def _says_something(keyword: str, value: Any) -> bool:
    if keyword == "format":
        return value not in _SILENT_FORMATS
    if keyword in BOUNDS:
        return is_finite(value)
    return keyword != "uniqueItems" or value is True


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
