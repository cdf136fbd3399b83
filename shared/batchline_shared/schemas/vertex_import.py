"""The schema for a row of a Vertex AI batch, by the rules of the table it is loaded into.

Vertex loads the file as BigQuery would, one column for each path of keys, and a
row that does not fit fails the whole job (code 3, nothing run). A field that
is named like a keyword, such as `type` or `items`, is no clash: its column is
`…properties.type`, which holds a schema in every row, and the keyword's is
`…type`, which holds a string in every row. Google's own refusals name such
whole paths (`properties.<x>.anyOf.type`).

Source:
    Vertex AI's refusals of 2026-08 and 09; BigQuery, "Specify a schema", section "Column
    names", and "Nested and repeated columns", section "Limitations" (docs/schemas.md
    says where and when they were read).
"""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final

from pydantic import BaseModel

from batchline_shared.schemas.google_openapi import GEMINI, kept_with_formats
from batchline_shared.schemas.lint import named_by
from batchline_shared.schemas.problems import Problem
from batchline_shared.schemas.rules import Rules
from batchline_shared.schemas.tree import Place, Schema, walk
from batchline_shared.schemas.writer import written

__all__ = ["MAX_LEVELS", "SCHEMA_LEVEL", "VERTEX", "vertex_schema"]

MAX_LEVELS: Final = 15
"""Objects inside objects in one row, lists of objects included. Text and numbers are no level."""

SCHEMA_LEVEL: Final = 3
"""The level that the schema itself has in a row: `request`, `generationConfig`, `responseSchema`."""

_columns: Final = named_by(
    re.compile(r"[a-zA-Z_][a-zA-Z0-9_]{0,299}"),
    "Vertex AI loads field names as columns: letters a to z, digits and `_`, no digit at the start. "
    "Rename the field, or give it an alias: `Field(alias='...')`.",
)

# What BigQuery's detection takes for a number, a truth value, a date or a time even within quotes.
_LOOKS_TYPED = re.compile(r"[-+]?[.\d][-+.:/\deETZUC ]*|true|false|[-+]?inf(inity)?|nan", re.IGNORECASE)

_FORMATS = frozenset({"date-time", "date", "email"})
"""Those that Vertex AI names, where they mean the same to Pydantic."""


def vertex_schema(model: type[BaseModel]) -> dict[str, Any]:
    """Build the schema to send as `generationConfig.responseSchema` in a Vertex AI batch.

    All rows of a job must have the same one. It holds no `$`, no null, no empty object
    and no empty list; each of its keys holds one JSON type wherever it stands, bounds
    being floats and lengths integers.

    Args:
        model: A subclass of `BaseModel`. Neither it nor what it caches is changed.

    Returns:
        A new dict in camelCase that shares nothing with the model.

    Raises:
        SchemaError: Google would refuse the schema, or could not load it. Names every
            field at fault.
    """
    return written(model, VERTEX)


def _kept(keyword: str, value: Any) -> bool:
    """Send no choice whose strings would be loaded as something else, and so come back unquoted."""
    if keyword == "enum" and all(
        isinstance(choice, str) and _LOOKS_TYPED.fullmatch(choice) for choice in value
    ):
        return False
    return _google_keeps(keyword, value)


def _twins(root: Schema, name: str) -> Iterator[Problem]:
    """Refuse fields that would share a column."""
    for place in walk(root, name):
        properties = place.node.get("properties", {}) if isinstance(place.node, dict) else {}
        alike = Counter(key.casefold() for key in properties)
        for key in properties:
            if alike[key.casefold()] > 1:
                text = (
                    "Vertex AI loads fields that differ only in capitals as one column. Rename one of them."
                )
                yield Problem(f"{place.path}.{key}", text)


def _too_deep(root: Schema, name: str) -> Iterator[Problem]:
    """Find the first schema that lies below the deepest level."""
    stack = [(Place(name, root), SCHEMA_LEVEL)]
    while stack:
        place, level = stack.pop()
        if level > MAX_LEVELS:
            text = (
                f"{level} levels deep in the row that is sent, and the limit is {MAX_LEVELS}: a model takes "
                "two, a list or a union one. Flatten the models above this field."
            )
            yield Problem(place.path, text)
            return
        node = place.node
        inner = [(Place(f"{place.path}.{key}", each), level + 2) for key, each in _properties(node).items()]
        inner += [(Place(f"{place.path}[]", node[key]), level + 1) for key in ("items",) if key in node]
        inner += [(Place(place.path, member), level + 1) for member in node.get("anyOf", [])]
        stack.extend(reversed(inner))


def _properties(node: Schema) -> dict[str, Schema]:
    properties: dict[str, Schema] = node.get("properties", {})
    return properties


_google_keeps: Final = kept_with_formats(_FORMATS)

VERTEX: Final[Rules] = replace(
    GEMINI,
    name="A Vertex AI batch",
    kept=_kept,
    root_checks=(*GEMINI.root_checks, _columns, _twins),
    limits=_too_deep,
)
