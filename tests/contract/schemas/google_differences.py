"""All that we mean to do otherwise than Google's own converter, each with its reason."""

import re
from typing import Any

from contract.schemas.differences import (
    ALL_REQUIRED,
    ANNOTATIONS,
    INLINED_SIBLINGS,
    MERGED_ALL_OF,
    PLAIN_UNION,
    SILENT_FORMATS,
    Difference,
    Schema,
    target,
    tell,
    without,
)

_TYPES = {str: "string", bool: "boolean", int: "integer", float: "number", type(None): "null"}


def _listed(node: Schema, _root: Schema) -> Schema:
    return {**without(node, "const"), "enum": [node["const"]]} if "const" in node else node


def _apart(node: Schema, _root: Schema) -> Schema:
    names = list(dict.fromkeys(_TYPES[type(value)] for value in node.get("enum", [])))
    if len(names) < 2:
        return node
    members = [
        {"type": name, "enum": [value for value in node["enum"] if _TYPES[type(value)] == name]}
        for name in names
    ]
    return {**without(node, "type", "enum"), "anyOf": members}


def _ranged(node: Schema, _root: Schema) -> Schema:
    if "enum" not in node or node.get("type") not in ("integer", "number"):
        return node
    return {**node, "minimum": min(node["enum"]), "maximum": max(node["enum"])}


def _null(node: Schema, _root: Schema) -> Schema:
    return without(node, "enum") if node.get("enum") == [None] else node


def _inclusive(node: Schema, _root: Schema) -> Schema:
    out = dict(node)
    for exclusive, inclusive, step, tighter in (
        ("exclusiveMinimum", "minimum", 1, max),
        ("exclusiveMaximum", "maximum", -1, min),
    ):
        if exclusive not in out:
            continue
        whole = out["type"] == "integer"
        bound = out.pop(exclusive) + step if whole else out[exclusive]
        out[inclusive] = tighter(bound, out.get(inclusive, bound))
    return out


def _told_by_members(node: Schema, root: Schema) -> Schema:
    """Move a union's own words, and the members of unions inside of it, to where they survive."""
    members = [target(member, root) for member in node.get("anyOf", [])]
    if not members:
        return node
    while nested := next((member for member in members if "anyOf" in member), None):
        members[members.index(nested) : members.index(nested) + 1] = nested["anyOf"]
    members = [target(member, root) for member in members]
    parts = [[node.get("description"), member.get("description")] for member in members]
    words = ["\n\n".join(dict.fromkeys(part for part in each if part)) for each in parts]
    described = [
        {**member, "description": word} if word and member.get("type") != "null" else member
        for member, word in zip(members, words, strict=True)
    ]
    return {**without(node, "description"), "anyOf": described}


def unable(formats: set[str], *, loads_text: bool) -> Difference:
    def cannot(node: Schema, key: str) -> bool:
        value: Any = node[key]
        if key == "enum":
            looks_typed = all(re.fullmatch(r"[\d-]+|true|false", str(choice)) for choice in value)
            return node.get("type") != "string" or "" in value or (loads_text and looks_typed)
        if key == "format":
            return value not in formats
        if key == "pattern":
            return "(?!" in value
        if key in ("minimum", "maximum"):
            return float(value) != value
        return key not in {"minLength", "maxLength", "minItems", "maxItems"}

    return Difference("what Google knows no keyword or no value for becomes words", tell(cannot))


def before(formats: set[str], *, loads_text: bool) -> list[Difference]:
    """All that the SDK would have to be given otherwise."""
    return [
        MERGED_ALL_OF,
        ANNOTATIONS,
        PLAIN_UNION,
        SILENT_FORMATS,
        ALL_REQUIRED,
        INLINED_SIBLINGS,
        Difference("one choice is a list of one, as Google knows no `const`", _listed),
        Difference("choices of several types, which Google refuses, are a union", _apart),
        Difference("a choice of null alone is null", _null),
        Difference("a choice of numbers, which Google refuses, is a range", _ranged),
        Difference("exclusive bounds, which Google does not know, are inclusive", _inclusive),
        unable(formats, loads_text=loads_text),
        Difference(
            "what a union says of itself is told by its members, and unions are flat", _told_by_members
        ),
    ]


def _alone(node: Schema, _root: Schema) -> Schema:
    nullable = {"nullable": True} if node.get("nullable") else {}
    return {"anyOf": [{**member, **nullable} for member in node["anyOf"]]} if "anyOf" in node else node


AFTER = [
    Difference("`anyOf` is the only key of its schema: the API has refused others", _alone),
    Difference(
        "null alone is a type", lambda node, _: {"type": "NULL"} if node == {"nullable": True} else node
    ),
    Difference(
        "`additionalProperties: false` is said of no other object either",
        lambda node, _: without(node, "additionalProperties"),
    ),
]
"""All that we mean to write otherwise than the SDK returns."""
