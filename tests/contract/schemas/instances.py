"""Random answers that keep to a schema, as a provider's constrained decoding would write them."""

import datetime as dt
from typing import Any

from hypothesis import provisional
from hypothesis import strategies as st

Schema = dict[str, Any]


def as_json_schema(node: Schema) -> Schema:
    """Read Google's subset of OpenAPI as JSON schema; of an object, Gemini writes named properties only."""
    if "anyOf" in node:
        return {"anyOf": [as_json_schema(member) for member in node["anyOf"]]}
    out = {**node, "type": node["type"].lower()}
    nullable = out.pop("nullable", False)
    out.pop("propertyOrdering", None)
    if "properties" in node:
        out["properties"] = {key: as_json_schema(each) for key, each in node["properties"].items()}
        out["additionalProperties"] = False
    if "items" in node:
        out["items"] = as_json_schema(node["items"])
    return {"anyOf": [out, {"type": "null"}]} if nullable else out


_FORMATS: dict[str, st.SearchStrategy[str]] = {
    "date-time": st.datetimes(timezones=st.just(dt.UTC)).map(dt.datetime.isoformat),
    "date": st.dates().map(dt.date.isoformat),
    "time": st.times().map(dt.time.isoformat),
    "duration": st.integers(0, 10**6).map(lambda seconds: f"PT{seconds}S"),
    "uuid": st.uuids().map(str),
    "ipv4": st.ip_addresses(v=4).map(str),
    "ipv6": st.ip_addresses(v=6).map(str),
    "uri": provisional.urls(),
    "email": st.just("ann@example.org"),
}


def instances(node: Schema, root: Schema, depth: int = 6) -> st.SearchStrategy[Any]:
    """Draw what is valid under a schema; below `depth` references, null or nothing where that is valid."""
    if "$ref" in node:
        target = root if node["$ref"] == "#" else root["$defs"][node["$ref"].removeprefix("#/$defs/")]
        return st.deferred(lambda: instances(target, root, depth - 1)) if depth else st.nothing()
    if "anyOf" in node:
        return st.one_of([instances(member, root, depth) for member in node["anyOf"]])
    if "enum" in node:
        return st.sampled_from(node["enum"])
    if "const" in node:
        return st.just(node["const"])
    if isinstance(node["type"], list):
        return st.one_of([instances({**node, "type": kind}, root, depth) for kind in node["type"]])
    return _of_type(node, root, depth)


def _of_type(node: Schema, root: Schema, depth: int) -> st.SearchStrategy[Any]:
    if node["type"] == "object":
        return st.fixed_dictionaries(
            {key: instances(each, root, depth) for key, each in node["properties"].items()}
        )
    if node["type"] == "array":
        low, high = node.get("minItems", 0), node.get("maxItems", node.get("minItems", 0) + 2)
        items = instances(node["items"], root, depth)
        return st.lists(items, min_size=low, max_size=high) if depth else st.just([])
    if node["type"] == "string":
        return _text(node)
    if node["type"] in ("integer", "number"):
        return _number(node)
    return st.booleans() if node["type"] == "boolean" else st.none()


def _text(node: Schema) -> st.SearchStrategy[str]:
    if "format" in node:
        return _FORMATS[node["format"]]
    low, high = node.get("minLength", 0), node.get("maxLength", 20)
    if "pattern" in node:
        drawn = st.from_regex(node["pattern"], fullmatch=True)
        return drawn.filter(lambda text: low <= len(text) <= high)
    return st.text(st.characters(codec="utf-8"), min_size=low, max_size=high)


def _number(node: Schema) -> st.SearchStrategy[float]:
    low = max((node[key] for key in ("minimum", "exclusiveMinimum") if key in node), default=None)
    high = min((node[key] for key in ("maximum", "exclusiveMaximum") if key in node), default=None)
    outside = {node.get("exclusiveMinimum"), node.get("exclusiveMaximum")}
    if node["type"] == "number" and "multipleOf" not in node:
        drawn = st.floats(low, high, allow_nan=False, allow_infinity=False)
        return drawn.filter(lambda number: number not in outside)
    unit = node.get("multipleOf", 1)
    lowest = None if low is None else int(-(-low // unit))
    highest = None if high is None else int(high // unit)
    return st.integers(lowest, highest).map(lambda n: n * unit).filter(lambda n: n not in outside)
