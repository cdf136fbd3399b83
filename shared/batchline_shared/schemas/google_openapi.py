"""The subset of OpenAPI 3 that Google takes as `generationConfig.responseSchema`.

Types are upper-case, null is `nullable`, definitions are written out, and
`anyOf` stands alone in its schema: "When using any_of, it must be the only
field set" (a refusal of 2025 and 2026), so what a union says of itself is told by
each of its members. Every property is required, as for the other providers:
Gemini likes to leave out what it may, and each optional property makes the
schema slower to serve.

Source:
    Google, "Schema" of the Gemini API and of Vertex AI (docs/schemas.md says where and
    when they were read). Both list the same fields; what differs is in `GEMINI` and
    `vertex_import`.
"""

from collections.abc import Iterator
from typing import Any, Final

from pydantic import BaseModel

from batchline_shared.schemas.google_values import told
from batchline_shared.schemas.keywords import Kept, is_plain_pattern
from batchline_shared.schemas.lint import (
    FREE_KEYS,
    LOGIC,
    TUPLES,
    choices,
    composition,
    no_recursion,
    open_object,
    untyped,
)
from batchline_shared.schemas.rules import Rules
from batchline_shared.schemas.tree import Schema
from batchline_shared.schemas.writer import written

__all__ = ["GEMINI", "gemini_schema", "kept_with_formats"]

_COPIED = (
    "description",
    "format",
    "enum",
    "minimum",
    "maximum",
    "minLength",
    "maxLength",
    "pattern",
    "minItems",
    "maxItems",
)


def gemini_schema(model: type[BaseModel]) -> dict[str, Any]:
    """Build the schema to send as `responseSchema` to the Gemini Developer API.

    Its one string format is `date-time`; others have been refused (2025) and go into the
    description, as does all else that it does not know. Pydantic checks that when the
    answer is validated with the model.

    Args:
        model: A subclass of `BaseModel`. Neither it nor what it caches is changed.

    Returns:
        A new dict in camelCase that shares nothing with the model.

    Raises:
        SchemaError: Google would refuse the schema, or answer something else than the
            model says. Names every field at fault.
    """
    return written(model, GEMINI)


def kept_with_formats(formats: frozenset[str]) -> Kept:
    """Build the rule that tells which keywords Google takes, with these formats of strings."""

    def kept(keyword: str, value: Any) -> bool:
        if keyword == "format":
            return value in formats
        if keyword == "pattern":
            return is_plain_pattern(value)
        if keyword in ("minimum", "maximum"):
            return isinstance(value, float)  # see `google_values.told`
        if keyword == "enum":
            # An empty choice has been refused, and so have numbers.
            return bool(value) and all(isinstance(choice, str) and choice for choice in value)
        return keyword in {"type", "description", "minLength", "maxLength", "minItems", "maxItems"}

    return kept


def _empty_object(node: Schema) -> Iterator[str]:
    if "properties" in node and not node["properties"]:
        yield "a model without fields cannot be asked for. Give it a field, or leave it out."


def _crowded_union(node: Schema) -> Iterator[str]:
    if ("anyOf" in node or "oneOf" in node) and ("properties" in node or "items" in node):
        yield "a union beside fields or items cannot be asked for. Declare one or the other."


def _spoken(node: Schema) -> Schema:
    """Translate one schema that the builder has written, and those inside of it."""
    if "anyOf" in node:
        return _union(node)
    spoken: Schema = {"type": node["type"].upper()}
    spoken |= {key: node[key] for key in _COPIED if key in node}
    if "properties" in node:
        spoken["properties"] = {name: _spoken(schema) for name, schema in node["properties"].items()}
        spoken["required"] = list(node["required"])
        if len(spoken["required"]) > 1:
            spoken["propertyOrdering"] = list(node["required"])
    if "items" in node:
        spoken["items"] = _spoken(node["items"])
    return spoken


def _union(node: Schema) -> Schema:
    """Translate a union: null becomes `nullable`, unions inside of it become part of it."""
    members: list[Schema] = []
    for member in node["anyOf"]:
        spoken = _spoken(member)
        members.extend(spoken.get("anyOf", [spoken]))
    values = [member for member in members if member["type"] != "NULL"]
    # Null alone stays a type of its own.
    nullable = {"nullable": True} if values and len(values) < len(members) else {}
    described = [
        _described(member, node.get("description", "")) | nullable for member in values or members[:1]
    ]
    unlike = [member for index, member in enumerate(described) if member not in described[:index]]
    return unlike[0] if len(unlike) == 1 else {"anyOf": unlike}


def _described(node: Schema, text: str) -> Schema:
    parts = dict.fromkeys(part for part in (text, node.get("description", "")) if part)
    return {**node, "description": "\n\n".join(parts)} if parts else node


GEMINI: Final = Rules(
    name="The Gemini API",
    kept=kept_with_formats(frozenset({"date-time"})),
    refused=TUPLES | FREE_KEYS | LOGIC,
    checks=(composition, open_object, untyped, choices, _empty_object, _crowded_union),
    root_checks=(no_recursion,),
    references=False,
    prepared=told,
    finished=_spoken,
)
