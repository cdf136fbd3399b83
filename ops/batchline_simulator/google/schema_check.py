"""Which keywords a `responseSchema` may have.

Both APIs read it into a message and refuse a keyword that has no field there;
Vertex's has a few more. `responseJsonSchema` is plain JSON Schema and not held
against this.

Source:
    REST references of both, "Schema".
"""

from collections.abc import Iterator, Mapping
from typing import Any

from batchline_simulator.google.generate_request import either

GEMINI_KEYWORDS = frozenset(
    [
        "type",
        "format",
        "title",
        "description",
        "nullable",
        "enum",
        "maxItems",
        "minItems",
        "properties",
        "required",
        "minProperties",
        "maxProperties",
        "minLength",
        "maxLength",
        "pattern",
        "example",
        "anyOf",
        "propertyOrdering",
        "default",
        "items",
        "minimum",
        "maximum",
    ]
)
VERTEX_KEYWORDS = GEMINI_KEYWORDS | {"additionalProperties", "ref", "defs"}


def unknown_field(request: Mapping[str, Any], known: frozenset[str]) -> str | None:
    """Return the API's complaint about the first unknown keyword of a request's schema, or None."""
    schema = either(either(request, "generationConfig"), "responseSchema")
    for path, part in _parts(schema, "generation_config.response_schema"):
        for key in part:
            if _camel(key) not in known:
                return f"Invalid JSON payload received. Unknown name \"{key}\" at '{path}': Cannot find field"
    return None


def _parts(schema: Any, path: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Walk every schema inside a schema, outermost first."""
    if not isinstance(schema, Mapping):
        return
    yield path, schema
    properties = schema.get("properties")
    for place, part in enumerate(properties.values() if isinstance(properties, Mapping) else ()):
        yield from _parts(part, f"{path}.properties[{place}].value")
    yield from _parts(schema.get("items"), f"{path}.items")
    for place, part in enumerate(either(schema, "anyOf") or ()):
        yield from _parts(part, f"{path}.any_of[{place}]")


def _camel(key: str) -> str:
    head, *rest = key.split("_")
    return head + "".join(word.capitalize() for word in rest)
