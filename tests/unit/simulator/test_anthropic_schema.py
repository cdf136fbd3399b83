"""Anthropic's rules for schemas that it enforces, one broken rule at a time."""

from typing import Any

import pytest

from batchline_simulator.anthropic.output_schema import budget_problem, schema_problem

TEXT = {"type": "string"}
NODE: dict[str, Any] = {"anyOf": [{"$ref": "#/$defs/Node"}, {"type": "null"}]}


def closed(*, required: list[str] | None = None, **properties: Any) -> dict[str, Any]:
    names = list(properties) if required is None else required
    return {"type": "object", "properties": properties, "required": names, "additionalProperties": False}


@pytest.mark.parametrize(
    "schema",
    [
        closed(a=TEXT),
        closed(),
        closed(a={"anyOf": [TEXT, {"type": "null"}]}),
        closed(a={"type": "array", "items": closed(b=TEXT), "minItems": 1}),
        closed(a={"type": "string", "enum": ["x", "y"], "format": "date-time"}),
        {**closed(a={"$ref": "#/$defs/A"}, b={"$ref": "#/$defs/A"}), "$defs": {"A": closed(c=TEXT)}},
    ],
    ids=["flat", "empty", "nullable", "array", "enum", "reference used twice"],
)
def test_schema_within_the_rules_passes(schema: dict[str, Any]) -> None:
    assert schema_problem(schema) is None


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        (
            closed(a={"type": "object"}),
            "For 'object' type, 'additionalProperties' must be explicitly set to false",
        ),
        (
            closed(a={"type": "array", "items": TEXT, "maxItems": 3}),
            "For 'array' type, property 'maxItems' is not supported",
        ),
        (
            closed(a={"type": "array", "items": TEXT, "minItems": 2}),
            "For 'array' type, 'minItems' values other than 0 or 1 are not supported (got: 2)",
        ),
        (
            closed(a={"type": "number", "minimum": 0, "maximum": 1}),
            "For 'number' type, properties maximum, minimum are not supported",
        ),
        (
            closed(a={"type": "integer", "minimum": 0}),
            "For 'integer' type, property 'minimum' is not supported",
        ),
        (closed(a={"oneOf": [TEXT]}), "Schema type 'oneOf' is not supported"),
        (
            closed(face={"type": ["string", "null"], "enum": ["face", None]}),
            """Invalid schema: Enum value 'face' does not match declared type '["string","null"]'""",
        ),
        (
            closed(a={"type": "integer", "enum": ["x"]}),
            """Invalid schema: Enum value 'x' does not match declared type '"integer"'""",
        ),
        (
            {**closed(root={"$ref": "#/$defs/Node"}), "$defs": {"Node": closed(next=NODE)}},
            "Circular reference detected in schema definitions: Node -> Node. Self-referencing or",
        ),
        (closed(a={"$ref": "#"}), "Circular reference detected in schema definitions: # -> #. Self-"),
        (closed(a={"allOf": [{"$ref": "#/$defs/A"}]}), "Schema type 'allOf' is not supported"),
        ([], "Invalid schema: expected an object"),
    ],
    ids=[
        "open",
        "maxItems",
        "minItems",
        "bounds",
        "bound",
        "oneOf",
        "enum",
        "int",
        "loop",
        "root",
        "allOf",
        "list",
    ],
)
def test_broken_rule_reads_as_the_provider_says_it(schema: Any, message: str) -> None:
    assert (schema_problem(schema) or "").startswith(message)


@pytest.mark.parametrize("count", [24, 25])
def test_optional_parameters_are_counted_over_all_schemas(count: int) -> None:
    schemas = [closed(required=[], **{f"p{n}": TEXT for n in range(12)}) for _ in range(2)]
    schemas.append(closed(required=[], **{f"q{n}": TEXT for n in range(count - 24)}))

    assert (budget_problem(schemas) is None) == (count == 24)


@pytest.mark.parametrize("count", [16, 17])
def test_union_typed_parameters_are_counted(count: int) -> None:
    schema = closed(**{f"p{n}": {"anyOf": [TEXT, {"type": "null"}]} for n in range(count)})

    assert (budget_problem([schema]) is None) == (count == 16)


def test_budgets_read_as_the_provider_says_them() -> None:
    optional = closed(required=[], **{f"p{n}": TEXT for n in range(30)})
    unions = closed(**{f"p{n}": {"type": ["string", "null"]} for n in range(19)})

    assert (budget_problem([optional]) or "").startswith(
        "Schemas contains too many optional parameters (30), which would make grammar compilation"
    )
    assert (budget_problem([unions, optional]) or "").startswith(
        "Schemas contains too many parameters with union types (19 parameters with type arrays or anyOf)."
    )
