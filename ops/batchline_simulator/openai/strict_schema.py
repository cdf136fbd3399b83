"""What OpenAI demands of a schema that is sent with `strict: true`.

Source:
    "Structured model outputs", supported schemas; messages as users report them.
"""

from collections.abc import Iterator, Mapping
from typing import Any

_FORBIDDEN = [
    "oneOf",
    "allOf",
    "not",
    "if",
    "then",
    "else",
    "dependentRequired",
    "dependentSchemas",
    "prefixItems",
    "uniqueItems",
    "patternProperties",
]
_FORMATS = frozenset(["date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"])
_MAX_PROPERTIES = 5000

Context = tuple[str, ...]


def strict_violation(name: str, schema: Mapping[str, Any]) -> str | None:
    """Return the provider's message about the first rule that a schema breaks, or None."""
    prefix = f"Invalid schema for response_format '{name}': "
    if schema.get("type") != "object":
        kind = schema.get("type")
        return f"{prefix}schema must be a JSON Schema of 'type: \"object\"', got 'type: \"{kind}\"'."
    properties = 0
    for context, part in _parts(schema, ()):
        properties += len(part.get("properties", ()))
        if (broken := _broken_rule(part)) is not None:
            return f"{prefix}In context={context!r}, {broken}"
    if properties > _MAX_PROPERTIES:
        return f"{prefix}schema has {properties} properties, which exceeds the limit of {_MAX_PROPERTIES}."
    return None


def _parts(schema: Any, context: Context) -> Iterator[tuple[Context, Mapping[str, Any]]]:
    """Walk every schema inside a schema, outermost first. References are not followed, so cycles end."""
    if not isinstance(schema, Mapping):
        return
    yield context, schema
    for word in ("properties", "$defs", "definitions"):
        for name, part in dict(schema.get(word) or {}).items():
            yield from _parts(part, (*context, word, name))
    yield from _parts(schema.get("items"), (*context, "items"))
    for place, part in enumerate(schema.get("anyOf") or ()):
        yield from _parts(part, (*context, "anyOf", str(place)))


def _broken_rule(schema: Mapping[str, Any]) -> str | None:
    for word in _FORBIDDEN:
        if word in schema:
            return f"'{word}' is not permitted."
    kind = schema.get("type")
    if kind is None:
        # Whether an enum needs a type is not documented; the simulator lets it pass.
        typed = any(word in schema for word in ("anyOf", "$ref", "enum", "const"))
        return None if typed else "schema must have a 'type' key."
    kinds = kind if isinstance(kind, list) else [kind]
    if "object" in kinds:
        return _broken_object(schema)
    if "array" in kinds and not isinstance(schema.get("items"), Mapping):
        return "array schema missing items."
    if "string" in kinds and schema.get("format", "date") not in _FORMATS:
        return f"'{schema['format']}' is not a valid format."
    return None


def _broken_object(schema: Mapping[str, Any]) -> str | None:
    if schema.get("additionalProperties") is not False:
        return "'additionalProperties' is required to be supplied and to be false."
    properties, required = schema.get("properties") or {}, schema.get("required") or ()
    for name in properties:
        if name not in required:
            rule = (
                "'required' is required to be supplied and to be an array including every key in properties."
            )
            return f"{rule} Missing '{name}'."
    for name in required:
        if name not in properties:
            rule = "'required' is required to be supplied and to be an array."
            return f"{rule} Extra required key '{name}' supplied."
    return None
