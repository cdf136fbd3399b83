"""What Anthropic demands of schemas that it enforces: formats and strict tools.

A rule's message is that of the provider, as users report it; those of
`_UNVERIFIED` are worded after its manner.

Source:
    "Structured outputs", JSON schema limitations (Sept 2026).
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

import orjson

Schema = Mapping[str, Any]

MAX_STRICT_TOOLS = 20
_MAX_OPTIONAL = 24
_MAX_UNIONS = 16

_TOO_COMPLEX = "Schema is too complex for compilation"
_UNVERIFIED = {
    "recursive": "Recursive schemas are not supported",
    "root": "Invalid schema: expected an object",
}

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
    return _TOO_COMPLEX if optional > _MAX_OPTIONAL or unions > _MAX_UNIONS else None


@lru_cache(256)
def _checked(raw: bytes) -> str | None:
    schema = orjson.loads(raw)
    if not isinstance(schema, dict):
        return _UNVERIFIED["root"]
    for part in _parts(schema):
        if (broken := _broken_rule(part)) is not None:
            return broken
    return _UNVERIFIED["recursive"] if _is_recursive(schema, schema, ()) else None


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
    for word in _UNSUPPORTED_TYPES:
        if word in schema:
            return f"Schema type '{word}' is not supported"
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


def _is_recursive(part: Any, root: Schema, above: tuple[str, ...]) -> bool:
    """Follow references, and say whether one leads to where it came from."""
    for inner in _parts({key: value for key, value in part.items() if key not in ("$defs", "definitions")}):
        reference = inner.get("$ref")
        if not isinstance(reference, str):
            continue
        if reference in above or reference == "#":
            return True
        target = _resolved(root, reference)
        if target is not None and _is_recursive(target, root, (*above, reference)):
            return True
    return False


def _resolved(root: Schema, reference: str) -> Schema | None:
    target: Any = root
    for step in reference.removeprefix("#").strip("/").split("/"):
        target = target.get(step) if isinstance(target, dict) else None
    return target if isinstance(target, dict) else None
