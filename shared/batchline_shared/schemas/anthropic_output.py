"""The JSON schema for Anthropic's `output_config.format`.

Every property is required, whatever the model's defaults. That is a decision:
an optional property counts against a budget of 24, and one that may also be
null against a second of 16, so `x: int = 5` is simply asked for. What is left
to count are unions, `X | None` among them. Where there are more than 16, the
first budget is spent after all: fields of `X | None = None` may then be absent
instead of null, as many as it takes, which the model reads as the same.

Source:
    Anthropic, "Structured outputs" (docs/schemas.md says where and when it was read).
    A refusal tells what counts: "parameters with type arrays or anyOf".
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final

from pydantic import BaseModel

from batchline_shared.schemas.keywords import is_finite
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
from batchline_shared.schemas.problems import Problem
from batchline_shared.schemas.rules import Rules, unlimited
from batchline_shared.schemas.tree import Schema, followed, walk
from batchline_shared.schemas.writer import written

__all__ = ["ANTHROPIC_OUTPUT", "MAX_OPTIONAL", "MAX_UNIONS", "anthropic_schema"]

MAX_UNIONS: Final = 16
"""Properties that may hold more than one type, null included, in the whole schema."""

MAX_OPTIONAL: Final = 24
"""Properties that may be left out, in the whole schema."""

_FORMATS = frozenset(
    {"date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"},
)


def anthropic_schema(model: type[BaseModel]) -> dict[str, Any]:
    """Build the schema to send as `output_config.format.schema`.

    Bounds, lengths, patterns, a set's uniqueness and formats that Anthropic does
    not know go into the description, and are checked when the answer is validated
    with the model.

    Args:
        model: A subclass of `BaseModel`. Neither it nor what it caches is changed.

    Returns:
        A new dict that shares nothing with the model. Definitions that are used
        stand under `$defs`.

    Raises:
        SchemaError: Anthropic would refuse the schema, or always answer `{}`. Names
            every field at fault.
    """
    schema = written(model, _UNCOUNTED)
    excess = len(_unions(schema, model.__name__)) - MAX_UNIONS
    if excess <= 0:
        return schema
    return written(model, replace(ANTHROPIC_OUTPUT, spared=min(excess, MAX_OPTIONAL)))


def _kept(keyword: str, value: Any) -> bool:
    if keyword == "format":
        return value in _FORMATS
    if keyword == "minItems":
        return is_finite(value) and value in {0, 1}
    return keyword in {"type", "description", "enum", "const"}


def _prepared(node: Schema) -> Schema:
    """Leave out the type beside an enum: its values are held against it, and lists of types do not match."""
    if "enum" not in node and "const" not in node:
        return node
    return {key: value for key, value in node.items() if key != "type"}


def _unions(root: Schema, name: str) -> list[str]:
    """List the fields that may hold more than one type, each definition's once.

    It is not published whether a definition counts wherever it is used; we count less.
    """
    return [
        f"{place.path}.{key}"
        for place in walk(root, name)
        for key, schema in place.node.get("properties", {}).items()
        if _is_union(followed(root, schema) or {})
    ]


def _is_union(node: Schema) -> bool:
    return "anyOf" in node or isinstance(node.get("type"), list)


def _limits(root: Schema, name: str) -> Iterator[Problem]:
    unions = _unions(root, name)
    if len(unions) > MAX_UNIONS:
        nodes = [place.node for place in walk(root, name)]
        spared = sum(len(node.get("properties", {})) - len(node.get("required", [])) for node in nodes)
        text = (
            f"{len(unions) + spared} fields may hold more than one type (`X | None` is one). The limit is "
            f"{MAX_UNIONS}, and {MAX_OPTIONAL} more of `X | None = None`. Give fields a default of their own "
            "type, such as `str = ''`, or split the model."
        )
        yield Problem(unions[MAX_UNIONS], text)


ANTHROPIC_OUTPUT: Final = Rules(
    name="Anthropic's output format",
    kept=_kept,
    refused=TUPLES | FREE_KEYS | LOGIC,
    checks=(composition, open_object, untyped, choices),
    root_checks=(no_recursion,),
    prepared=_prepared,
    limits=_limits,
)

_UNCOUNTED: Final = replace(ANTHROPIC_OUTPUT, limits=unlimited)
