"""Which JSON schema keywords are sent to OpenAI, and which become words.

An allow list: what is not named here is an annotation or an extension, and is
dropped, because strict mode refuses a schema for one keyword it does not know.

Source:
    OpenAI, "Structured model outputs", section "Supported schemas"
    (docs/providers.md; read 2026-09-26). It names neither `minLength` nor
    `maxLength`, and both have been refused as "not permitted" (2025).
"""

import json
import math
import re
from typing import Any

from batchline_shared.schemas.tree import Schema

__all__ = ["hint", "kept", "value_types"]

_FORMATS = frozenset(
    {"date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"},
)

_SILENT_FORMATS = frozenset({"binary", "password"})
"""Pydantic's `bytes` and `SecretStr`: both take plain text, and the word would mislead the model."""

_NUMBERS = frozenset(
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

_HINTED = (
    "minLength",
    "maxLength",
    "pattern",
    "format",
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


def kept(keyword: str, value: Any) -> bool:
    """Tell whether a keyword may be sent as it is."""
    if keyword == "format":
        return value in _FORMATS
    if keyword == "pattern":
        return isinstance(value, str) and _UNSUPPORTED_PATTERN.search(value) is None
    if keyword in _NUMBERS:
        # An infinite bound excludes nothing, and JSON cannot write it.
        return isinstance(value, int | float) and math.isfinite(value)
    return keyword in {"type", "description", "enum", "const"}


def hint(node: Schema) -> str:
    """Describe a value in words, with the constraints that cannot be sent.

    The model still reads them; Pydantic enforces them when the answer comes.

    Returns:
        The user's own description first. Empty where there is nothing to say.
    """
    told = {
        keyword: node[keyword]
        for keyword in _HINTED
        if keyword in node and not kept(keyword, node[keyword]) and not _is_silent(keyword, node[keyword])
    }
    words = ", ".join(f"{keyword}: {_text(value)}" for keyword, value in told.items())
    return "\n\n".join(part for part in (node.get("description", ""), f"{{{words}}}" if told else "") if part)


def value_types(node: Schema) -> Schema:
    """Name the type of an enum or constant that has none, as strict mode wants one.

    Pydantic leaves it out where the values differ in type, as in `Literal[1, "a"]`.
    """
    values = [*node.get("enum", []), *([node["const"]] if "const" in node else [])]
    if "type" in node or not values:
        return {}
    names = list(dict.fromkeys(_json_type(value) for value in values))
    return {"type": names[0] if len(names) == 1 else names}


def _is_silent(keyword: str, value: Any) -> bool:
    return keyword == "format" and value in _SILENT_FORMATS


def _json_type(value: Any) -> str:
    return next((name for kind, name in _JSON_TYPES if isinstance(value, kind)), "null")


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
