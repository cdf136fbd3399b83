"""Which JSON schema keywords OpenAI's strict mode takes as they are.

Source:
    OpenAI, "Structured model outputs", section "Supported schemas"
    (docs/providers.md; read 2026-09-26). It names neither `minLength` nor
    `maxLength`, and both have been refused as "not permitted" (2025).
"""

from typing import Any

from batchline_shared.schemas.keywords import BOUNDS, is_finite, is_plain_pattern, json_type
from batchline_shared.schemas.tree import Schema

__all__ = ["kept", "typed"]

_FORMATS = frozenset(
    {"date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"},
)


def kept(keyword: str, value: Any) -> bool:
    """Tell whether a keyword may be sent as it is."""
    if keyword == "format":
        return value in _FORMATS
    if keyword == "pattern":
        return is_plain_pattern(value)
    if keyword in BOUNDS:
        return is_finite(value)
    return keyword in {"type", "description", "enum", "const"}


def typed(node: Schema) -> Schema:
    """Name the type of an enum or constant that has none, as strict mode wants one.

    Pydantic leaves it out where the values differ in type, as in `Literal[1, "a"]`.
    """
    values = [*node.get("enum", []), *([node["const"]] if "const" in node else [])]
    if "type" in node or not values:
        return node
    names = list(dict.fromkeys(json_type(value) for value in values))
    return {**node, "type": names[0] if len(names) == 1 else names}
