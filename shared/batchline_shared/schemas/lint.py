"""Which Pydantic constructs a dialect refuses, and what to use instead.

Only what would change meaning is refused. What Pydantic checks again on our
side anyway (a length, a URL's format) is put into words by `keywords`. The
texts are the same for each dialect; `Rules` says which of them apply.
"""

import math
import re
from collections.abc import Iterator
from typing import Any, Final, cast

from batchline_shared.schemas.problems import Problem
from batchline_shared.schemas.rules import RootCheck, Rules
from batchline_shared.schemas.tree import COMPOSITIONS, Schema, followed, has_type, recursions, walk

__all__ = [
    "FREE_KEYS",
    "LOGIC",
    "SETS",
    "TUPLES",
    "choices",
    "composition",
    "lint",
    "named_by",
    "no_recursion",
    "object_root",
    "open_object",
    "untyped",
]

TUPLES: Final = frozenset({"prefixItems"})
SETS: Final = frozenset({"uniqueItems"})
FREE_KEYS: Final = frozenset({"patternProperties", "propertyNames"})

LOGIC: Final = frozenset(
    {
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
    },
)
"""Keywords that combine conditions; Pydantic writes none of them by itself."""

_TEXTS = {
    "prefixItems": (
        "a tuple cannot be asked for. Use a nested model with one field per position, or a list of one type."
    ),
    "uniqueItems": (
        "a set cannot be asked for. Use a list; remove repetitions in a validator if they matter."
    ),
    "patternProperties": (
        "a dict whose keys are free cannot be asked for. Use a list of models with a key and a value field."
    ),
    "propertyNames": (
        "a dict whose keys are free cannot be asked for. Use a list of models with a key and a value field."
    ),
}

_DICT = (
    "a dict or object with free keys cannot be asked for; the answer would always be {}. "
    "Use a list of models with a key and a value field, or name the keys as fields."
)
_EXTRA = "`extra='allow'` cannot be asked for. Use extra='forbid' or 'ignore', and name the fields you need."
_UNTYPED = "a value of any type cannot be asked for. Declare a type (str, a model, or a union of them)."
_ROOT = (
    "the answer itself must be an object; a list, a union or a single value cannot be the root. "
    "Put it into a field: `class Result(BaseModel): value: ...`."
)
_RECURSION = (
    "leads back to a model that it is part of, and a recursion cannot be asked for. Use one model for each "
    "level down to a fixed depth, or a flat list of nodes with an id and a parent's id."
)


def lint(root: Schema, name: str, rules: Rules) -> list[Problem]:
    """Find every construct that a dialect refuses.

    Args:
        root: The schema as Pydantic wrote it. Not changed.
        name: The model's name; each path begins with it.
        rules: The dialect.

    Returns:
        What is wrong with the whole first, then the rest in the order of the fields. Empty where all is well.
    """
    problems = [problem for check in rules.root_checks for problem in check(root, name)]
    for place in walk(root, name):
        problems.extend(Problem(place.path, text) for text in _node_problems(root, place.node, rules))
    return problems


def object_root(root: Schema, name: str) -> Iterator[Problem]:
    """Refuse a root that is no object.

    Its own `$ref`s are followed, as a recursive model or a RootModel of a model has them.
    """
    node = followed(root, root)
    if node is None:
        return  # told at the `$ref` itself
    declared = node.get("type", "object" if "properties" in node else None)
    if declared != "object" or "anyOf" in node or "oneOf" in node:
        yield Problem(name, _ROOT)


def no_recursion(root: Schema, name: str) -> Iterator[Problem]:
    """Refuse each field that leads back to a model it is part of."""
    for path in recursions(root, name):
        yield Problem(path, _RECURSION)


def composition(node: Schema) -> Iterator[str]:
    """Refuse what would have to hold at the same time."""
    members = node.get("allOf")
    if isinstance(members, list) and len(members) != 1:
        yield "`allOf` of several schemas is not supported. Use one model that has the fields of all of them."
    if "anyOf" in node and "oneOf" in node:
        yield "`anyOf` beside `oneOf` cannot be merged. Declare one union."


def open_object(node: Schema) -> Iterator[str]:
    """Refuse an object that may have keys without a name."""
    if not has_type(node, "object") and "properties" not in node:
        return
    if "properties" not in node:
        if "patternProperties" not in node and "propertyNames" not in node:
            yield _DICT
    # Absent or False is a closed object; Pydantic writes `true` or a schema otherwise.
    elif node.get("additionalProperties", False) is not False:
        yield _EXTRA


def untyped(node: Schema) -> Iterator[str]:
    """Refuse a value, or a list of values, that may be anything."""
    describing = ("type", "$ref", "enum", "const", "properties", *COMPOSITIONS)
    if not any(keyword in node for keyword in describing):
        yield _UNTYPED
    if has_type(node, "array") and "items" not in node and "prefixItems" not in node:
        yield "a list without an item type cannot be asked for. Declare it, such as list[str]."


def choices(node: Schema) -> Iterator[str]:
    """Refuse choices that no JSON can hold, and such as no provider takes."""
    listed: Any = node.get("enum", [])
    if not isinstance(listed, list):
        yield "`enum` in its JSON schema is no list. Correct it, or leave it out."
        return
    values = [*listed, node.get("const")]
    if any(isinstance(value, float) and not math.isfinite(value) for value in values):
        yield "JSON cannot hold infinity or NaN. Use a string or a finite number for this choice."
    if any(isinstance(value, list | dict) for value in values):
        yield "a choice of lists or objects cannot be asked for. Use strings or numbers, and look them up."


def named_by(pattern: re.Pattern[str], text: str) -> RootCheck:
    """Build the check that refuses each field whose name, as it is sent, does not match in full."""

    def check(root: Schema, name: str) -> Iterator[Problem]:
        for place in walk(root, name):
            properties = place.node.get("properties", {}) if isinstance(place.node, dict) else {}
            for key in properties:
                if not pattern.fullmatch(key):
                    yield Problem(f"{place.path}.{key}", text)

    return check


def _node_problems(root: Schema, node: Any, rules: Rules) -> Iterator[str]:
    """Check one schema, without its children."""
    if not isinstance(node, dict):
        yield _UNTYPED
        return
    schema = cast("Schema", node)
    for keyword, value in schema.items():
        # `uniqueItems: false` says nothing, and nor does `unevaluatedItems: true`.
        if keyword in rules.refused and value is not (keyword == "unevaluatedItems"):
            yield _TEXTS.get(keyword, _logic_text(keyword))
    if "$ref" in schema and followed(root, schema) is None:
        yield f"`$ref` {schema['$ref']!r} leads nowhere. Point it to a definition in the same schema."
    for check in rules.checks:
        yield from check(schema)


def _logic_text(keyword: str) -> str:
    return f"`{keyword}` is not supported. Remove it from the JSON schema and check it in a validator."
