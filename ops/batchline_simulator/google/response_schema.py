"""Google's form of a response schema, put into plain JSON Schema.

Google takes the OpenAPI subset with types in capitals, `nullable` and counts
as strings, in camel or snake case; answers are invented from JSON Schema.
"""

from collections.abc import Mapping
from typing import Any

_COUNTS = {
    "minItems": "minItems",
    "maxItems": "maxItems",
    "minLength": "minLength",
    "maxLength": "maxLength",
    "min_items": "minItems",
    "max_items": "maxItems",
    "min_length": "minLength",
    "max_length": "maxLength",
}
_ONE_BELOW = {"items": "items", "additionalProperties": "additionalProperties"}
_LIST_BELOW = {
    "anyOf": "anyOf",
    "any_of": "anyOf",
    "prefixItems": "prefixItems",
    "prefix_items": "prefixItems",
}
_AS_IT_IS = frozenset({"enum", "format", "pattern", "minimum", "maximum", "required"})
_GOOGLE_FORMATS = frozenset({"enum", "int32", "int64", "float", "double"})


def json_schema(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the JSON Schema of what a Google schema describes."""
    plain: dict[str, Any] = {}
    for key, value in schema.items():
        if key == "type" and isinstance(value, str):
            plain["type"] = value.lower()
        elif key == "properties" and isinstance(value, Mapping):
            plain["properties"] = {name: _below(part) for name, part in value.items()}
        elif key in _COUNTS:
            plain[_COUNTS[key]] = int(value)
        elif key in _ONE_BELOW:
            plain[_ONE_BELOW[key]] = _below(value)
        elif key in _LIST_BELOW and isinstance(value, list):
            plain[_LIST_BELOW[key]] = [_below(part) for part in value]
        elif key in _AS_IT_IS and not (key == "format" and value in _GOOGLE_FORMATS):
            plain[key] = value
    if schema.get("nullable"):
        return {"anyOf": [plain, {"type": "null"}]}
    return plain


def _below(part: Any) -> Any:
    return json_schema(part) if isinstance(part, Mapping) else part
