"""Which Pydantic constructs OpenAI's strict mode refuses, and what to use instead.

Only what would change meaning is refused here. What Pydantic checks again on
our side anyway (a length, a URL's format) is moved into the description by
`openai_strict`.

Source:
    OpenAI, "Structured model outputs", section "Supported schemas"
    (docs/providers.md; read 2026-09-26).
"""

import math
from collections.abc import Callable, Iterator
from typing import Any, cast

from batchline_shared.schemas.problems import Problem
from batchline_shared.schemas.tree import COMPOSITIONS, Schema, followed, has_type, walk

__all__ = ["lint"]

_REFUSED = {
    "prefixItems": (
        "a tuple has no strict schema. Use a nested model with one field per position, or a list of one type."
    ),
    "uniqueItems": (
        "a set has no strict schema. Use a list; remove repetitions in a validator if they matter."
    ),
    "patternProperties": (
        "a dict whose keys are free has no strict schema. Use a list of models with a key and a value field."
    ),
    "propertyNames": (
        "a dict whose keys are free has no strict schema. Use a list of models with a key and a value field."
    ),
}
_REFUSED |= {
    keyword: f"`{keyword}` is not supported. Remove it from the JSON schema and check it in a validator."
    for keyword in (
        "not",
        "if",
        "then",
        "else",
        "dependentRequired",
        "dependentSchemas",
        "dependencies",
        "contains",
        "unevaluatedItems",
        "$dynamicRef",
    )
}

_DICT = (
    "a dict or object with free keys has no strict schema; OpenAI would only ever answer {}. "
    "Use a list of models with a key and a value field, or name the keys as fields."
)
_EXTRA = "`extra='allow'` has no strict schema. Use extra='forbid' or 'ignore', and name the fields you need."
_UNTYPED = "a value of any type has no strict schema. Declare a type (str, a model, or a union of them)."
_ROOT = (
    "the answer itself must be an object; a list, a union or a single value cannot be the root. "
    "Put it into a field: `class Result(BaseModel): value: ...`."
)


def lint(root: Schema, name: str) -> list[Problem]:
    """Find every construct that strict mode refuses.

    Args:
        root: The schema as Pydantic wrote it. Not changed.
        name: The model's name; each path begins with it.

    Returns:
        Problems in the order of the fields. Empty where there are none.
    """
    problems = list(_root_problems(root, name))
    for place in walk(root, name):
        problems.extend(Problem(place.path, text) for text in _node_problems(root, place.node))
    return problems


def _root_problems(root: Schema, name: str) -> Iterator[Problem]:
    """Follow the root's own `$ref`s, as a recursive model or a RootModel of a model has them."""
    node = followed(root, root)
    if node is None:
        return  # told at the `$ref` itself
    declared = node.get("type", "object" if "properties" in node else None)
    if declared != "object" or "anyOf" in node or "oneOf" in node:
        yield Problem(name, _ROOT)


def _node_problems(root: Schema, node: Any) -> Iterator[str]:
    """Check one schema, without its children."""
    if not isinstance(node, dict):
        yield _UNTYPED
        return
    schema = cast("Schema", node)
    for keyword, text in _REFUSED.items():
        # `uniqueItems: false` says nothing, and nor does `unevaluatedItems: true`.
        if keyword in schema and schema[keyword] is not (keyword == "unevaluatedItems"):
            yield text
    if "$ref" in schema and followed(root, schema) is None:
        yield f"`$ref` {schema['$ref']!r} leads nowhere. Point it to a definition in the same schema."
    for check in _CHECKS:
        yield from check(schema)


def _composition(node: Schema) -> Iterator[str]:
    members = node.get("allOf")
    if isinstance(members, list) and len(members) != 1:
        yield "`allOf` of several schemas is not supported. Use one model that has the fields of all of them."
    if "anyOf" in node and "oneOf" in node:
        yield "`anyOf` beside `oneOf` cannot be merged. Declare one union."


def _open_object(node: Schema) -> Iterator[str]:
    if not has_type(node, "object") and "properties" not in node:
        return
    if "properties" not in node:
        if "patternProperties" not in node and "propertyNames" not in node:
            yield _DICT
    # Absent or False is a closed object; Pydantic writes `true` or a schema otherwise.
    elif node.get("additionalProperties", False) is not False:
        yield _EXTRA


def _untyped(node: Schema) -> Iterator[str]:
    describing = ("type", "$ref", "enum", "const", "properties", *COMPOSITIONS)
    if not any(keyword in node for keyword in describing):
        yield _UNTYPED
    if has_type(node, "array") and "items" not in node and "prefixItems" not in node:
        yield "a list without an item type has no strict schema. Declare it, such as list[str]."


def _not_json(node: Schema) -> Iterator[str]:
    values = [*cast("list[Any]", node.get("enum", [])), node.get("const")]
    if any(isinstance(value, float) and not math.isfinite(value) for value in values):
        yield "JSON cannot hold infinity or NaN. Use a string or a finite number for this choice."


_CHECKS: tuple[Callable[[Schema], Iterator[str]], ...] = (_composition, _open_object, _untyped, _not_json)
