"""How Pydantic's choices and bounds are told in Google's subset of OpenAPI.

Google lists choices as strings only and has no exclusive bounds. So numbers
to choose from become a range with the choices in words, `gt=0` of an integer
becomes `minimum: 1`, and a choice between types becomes a union of them.
"""

import math
from itertools import groupby
from typing import Any

from batchline_shared.schemas.keywords import is_finite, json_type
from batchline_shared.schemas.tree import Schema

__all__ = ["told"]

_EXCLUSIVE = (("exclusiveMinimum", "minimum", 1), ("exclusiveMaximum", "maximum", -1))


def told(node: Schema) -> Schema:
    """Rewrite one schema, so that what Google knows of it stands in keywords that it knows.

    Returns:
        A new dict. Bounds that can be sent are floats, as Google's are; one that a
        float cannot hold stays as it was, and so becomes words.
    """
    if isinstance(node.get("type"), list):
        return _by_type(node)
    if "const" in node:
        node = {**{key: value for key, value in node.items() if key != "const"}, "enum": [node["const"]]}
    if node.get("enum"):
        node = _choice(node)
    return _bounded(node)


def _by_type(node: Schema) -> Schema:
    """Split a list of types, which no Pydantic type writes, into a union."""
    rest = {key: value for key, value in node.items() if key not in ("type", "description")}
    union = [{**rest, "type": name} for name in node["type"]]
    return {"anyOf": union} | {key: node[key] for key in ("description",) if key in node}


def _choice(node: Schema) -> Schema:
    """Say a choice by type: strings as they are, numbers by their range, types apart as a union."""
    # Sorted by type, in the order that each is first met; sort is stable.
    order = list(dict.fromkeys(json_type(value) for value in node["enum"]))
    by_type = sorted(node["enum"], key=lambda value: order.index(json_type(value)))
    groups = [(name, list(values)) for name, values in groupby(by_type, key=json_type)]
    rest = {key: value for key, value in node.items() if key not in ("enum", "type")}
    if len(groups) > 1:
        return {**rest, "anyOf": [{"type": name, "enum": values} for name, values in groups]}
    name, values = groups[0]
    chosen = {**rest, "type": name} | ({} if name == "null" else {"enum": values})
    if name in ("integer", "number"):
        return {"minimum": min(values), "maximum": max(values)} | chosen
    return chosen


def _bounded(node: Schema) -> Schema:
    """Turn bounds into floats, and exclusive ones of integers into inclusive ones."""
    node = dict(node)
    for exclusive, inclusive, step in _EXCLUSIVE:
        bound: Any = node.get(exclusive)
        if not is_finite(bound):
            continue
        if node.get("type") == "integer":
            del node[exclusive]
            bound = (math.floor(bound) if step > 0 else math.ceil(bound)) + step
        node[inclusive] = _tighter(bound, node.get(inclusive), step)
    for keyword in ("minimum", "maximum"):
        if keyword in node:
            node[keyword] = _as_float(node[keyword])
    return node


def _tighter(bound: Any, other: Any, step: int) -> Any:
    if not is_finite(other):
        return bound
    return max(bound, other) if step > 0 else min(bound, other)


def _as_float(value: Any) -> Any:
    """Widen a bound, unless that would move it."""
    try:
        return float(value) if float(value) == value else value
    except (OverflowError, TypeError, ValueError):
        return value
