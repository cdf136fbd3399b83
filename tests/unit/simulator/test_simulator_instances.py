"""Invented answers: valid under their schema, and the same for the same seed."""

import random
import re
from datetime import date, datetime, time, timedelta
from typing import Any
from uuid import UUID

import jsonschema
import pytest
from pydantic import TypeAdapter

from batchline_simulator.instances import InstanceMaker
from batchline_simulator.patterns import UnsupportedPatternError, matching

TREE: dict[str, Any] = {
    "type": "object",
    "properties": {
        "value": {"type": "integer"},
        "children": {"type": "array", "items": {"$ref": "#"}},
        "next": {"anyOf": [{"$ref": "#"}, {"type": "null"}]},
    },
    "required": ["value", "children", "next"],
    "additionalProperties": False,
}

SCHEMAS: dict[str, dict[str, Any]] = {
    "bounded integer": {"type": "integer", "minimum": -3, "maximum": 3},
    "exclusive bounds": {"type": "integer", "exclusiveMinimum": 1, "exclusiveMaximum": 3},
    "multiple": {"type": "integer", "multipleOf": 7, "minimum": 10, "maximum": 20},
    "number": {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
    "only an upper bound": {"type": "number", "maximum": -5},
    "enum and const": {
        "type": "object",
        "properties": {"a": {"enum": ["x", None]}, "b": {"const": 4}},
        "required": ["a", "b"],
    },
    "array bounds": {"type": "array", "items": {"type": "boolean"}, "minItems": 5, "maxItems": 6},
    "string bounds": {"type": "string", "minLength": 40, "maxLength": 41},
    "short string": {"type": "string", "maxLength": 3},
    "nullable": {"type": ["string", "null"]},
    "reference": {"$ref": "#/$defs/A", "$defs": {"A": {"type": "string", "format": "uuid"}}},
    "recursive": TREE,
    **{
        kind: {"type": "string", "format": kind}
        for kind in ("date-time", "date", "email", "ipv4", "ipv6", "uuid", "hostname")
    },
}


@pytest.mark.parametrize("schema", SCHEMAS.values(), ids=SCHEMAS.keys())
def test_every_instance_is_valid(schema: dict[str, Any]) -> None:
    checker = jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker())

    for seed in range(60):
        checker.validate(InstanceMaker(schema, random.Random(seed)).make())


@pytest.mark.parametrize(
    ("kind", "type_"),
    [("date-time", datetime), ("date", date), ("time", time), ("duration", timedelta), ("uuid", UUID)],
)
def test_formats_are_read_by_pydantic(kind: str, type_: type) -> None:
    made = InstanceMaker({"type": "string", "format": kind}, random.Random(1)).make()

    assert isinstance(TypeAdapter(type_).validate_python(made), type_)


def test_same_seed_makes_the_same_instance() -> None:
    made = [InstanceMaker(TREE, random.Random(7)).make() for _ in range(2)]

    assert made[0] == made[1]


@pytest.mark.parametrize(
    "pattern",
    [r"^[A-Z]{3}-\d{4}$", r"(foo|ba[rz])+", r"^\+?[0-9a-f]{2,}$", r"a.c?", r"^(?:x\.y)*end$", r"[^abc]"],
)
def test_pattern_is_matched(pattern: str) -> None:
    for seed in range(30):
        assert re.search(pattern, matching(pattern, random.Random(seed)))


@pytest.mark.parametrize("pattern", [r"(?=a)b", r"\bword\b", r"(a", r"[z"])
def test_pattern_beyond_our_means_is_refused_rather_than_missed(pattern: str) -> None:
    with pytest.raises(UnsupportedPatternError):
        matching(pattern, random.Random(0))
