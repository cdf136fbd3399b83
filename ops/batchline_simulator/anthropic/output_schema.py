"""What Anthropic demands of schemas that it enforces: formats and strict tools.

Messages are the provider's, as users quote them.

Source:
    "Structured outputs", JSON schema limitations (Sept 2026); refusals quoted in issues of 2026.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

import orjson

Schema = Mapping[str, Any]

MAX_STRICT_TOOLS = 20
_MAX_OPTIONAL = 24
_MAX_UNIONS = 16

_TOO_MANY_UNIONS = (
    "Schemas contains too many parameters with union types ({} parameters with type arrays or anyOf). This"
    " causes exponential compilation cost. Reduce the number of nullable or union-typed parameters (limit:"
    f" {_MAX_UNIONS} parameters with unions)."
)
_TOO_MANY_OPTIONAL = (
    "Schemas contains too many optional parameters ({}), which would make grammar compilation inefficient."
    f" Reduce the number of optional parameters in your tool schemas (limit: {_MAX_OPTIONAL})."
)
_CIRCULAR = (
    "Circular reference detected in schema definitions: {}. Self-referencing or mutually-referencing"
    " definitions are not supported."
)
_NO_OBJECT = "Invalid schema: expected an object"
"""Unverified: no SDK lets one send this."""

_UNSUPPORTED_TYPES = ("oneOf", "not", "if", "patternProperties", "prefixItems", "dependentSchemas")
_UNSUPPORTED_WORDS = {
    "number": ("exclusiveMaximum", "exclusiveMinimum", "maximum", "minimum", "multipleOf"),
    "integer": ("exclusiveMaximum", "exclusiveMinimum", "maximum", "minimum", "multipleOf"),
    "string": ("maxLength", "minLength"),
    "array": ("maxItems", "uniqueItems"),
    "object": ("maxProperties", "minProperties"),
}
_JSON_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
    "array": (list,),
    "object": (dict,),
}


def schema_problem(schema: Any) -> str | None:
    """Return the message about the first rule that one schema breaks, or None."""
    # A batch repeats a few schemas thousands of times.
    return _checked(orjson.dumps(schema))


def budget_problem(schemas: Sequence[Any]) -> str | None:
    """Return the message about what all schemas of a request use up together, or None."""
    optional = unions = 0
    for schema in schemas:
        more_optional, more_unions = _budget(orjson.dumps(schema))
        optional, unions = optional + more_optional, unions + more_unions
    if unions > _MAX_UNIONS:
        return _TOO_MANY_UNIONS.format(unions)
    return _TOO_MANY_OPTIONAL.format(optional) if optional > _MAX_OPTIONAL else None


@lru_cache(256)
def _checked(raw: bytes) -> str | None:
    schema = orjson.loads(raw)
    if not isinstance(schema, dict):
        return _NO_OBJECT
    for part in _parts(schema):
        if (broken := _broken_rule(part)) is not None:
            return broken
    circle = _circle(schema, schema, ())
    return None if circle is None else _CIRCULAR.format(" -> ".join(circle))


@lru_cache(256)
def _budget(raw: bytes) -> tuple[int, int]:
    """Count the optional and the union-typed properties of a schema."""
    optional = unions = 0
    for part in _parts(orjson.loads(raw)):
        properties = part.get("properties") or {}
        optional += len(set(properties) - set(part.get("required") or ()))
        unions += sum("anyOf" in kind or isinstance(kind.get("type"), list) for kind in properties.values())
    return optional, unions


def _parts(schema: Any) -> Iterator[Schema]:
    """Walk every schema inside a schema, outermost first. References are not followed, so cycles end."""
    if not isinstance(schema, dict):
        return
    yield schema
    for word in ("properties", "$defs", "definitions"):
        for part in (schema.get(word) or {}).values():
            yield from _parts(part)
    yield from _parts(schema.get("items"))
    for word in ("anyOf", "allOf"):
        for part in schema.get(word) or ():
            yield from _parts(part)


def _broken_rule(schema: Schema) -> str | None:
    words = [word for word in _UNSUPPORTED_TYPES if word in schema]
    # `allOf` is taken, unless it refers to something.
    words += ["allOf" for part in schema.get("allOf") or () if "$ref" in part]
    if words:
        return f"Schema type '{words[0]}' is not supported"
    kind = schema.get("type")
    kinds = kind if isinstance(kind, list) else [kind]
    if "object" in kinds and schema.get("additionalProperties") is not False:
        return "For 'object' type, 'additionalProperties' must be explicitly set to false"
    for name in kinds:
        given = [word for word in _UNSUPPORTED_WORDS.get(str(name), ()) if word in schema]
        if len(given) == 1:
            return f"For '{name}' type, property '{given[0]}' is not supported"
        if given:
            return f"For '{name}' type, properties {', '.join(given)} are not supported"
    if "array" in kinds and schema.get("minItems", 0) not in (0, 1):
        rule = "For 'array' type, 'minItems' values other than 0 or 1 are not supported"
        return f"{rule} (got: {schema['minItems']})"
    return _broken_enum(schema, kind, kinds)


def _broken_enum(schema: Schema, kind: Any, kinds: Sequence[Any]) -> str | None:
    allowed = tuple(one for name in kinds for one in _JSON_TYPES.get(str(name), (object,)))
    for value in schema.get("enum") or ():
        # A list of types does not cover an enum, though JSON schema says so.
        if isinstance(kind, list) or not isinstance(value, allowed):
            declared = orjson.dumps(kind).decode()
            return f"Invalid schema: Enum value '{value}' does not match declared type '{declared}'"
    return None


def _circle(part: Any, root: Schema, above: tuple[str, ...]) -> tuple[str, ...] | None:
    """Follow references, and return the names on the way back to where one came from."""
    for inner in _parts({key: value for key, value in part.items() if key not in ("$defs", "definitions")}):
        reference = inner.get("$ref")
        if not isinstance(reference, str):
            continue
        name = reference.rpartition("/")[2]
        if name in above or reference == "#":
            return (*(above[above.index(name) :] if name in above else (name,)), name)
        target = _resolved(root, reference)
        found = None if target is None else _circle(target, root, (*above, name))
        if found is not None:
            return found
    return None


def _resolved(root: Schema, reference: str) -> Schema | None:
    target: Any = root
    for step in reference.removeprefix("#").strip("/").split("/"):
        target = target.get(step) if isinstance(target, dict) else None
    return target if isinstance(target, dict) else None
