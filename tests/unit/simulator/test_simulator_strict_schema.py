"""OpenAI's rules for strict schemas, one broken rule at a time."""

from typing import Any

import pytest

from batchline_simulator.openai.strict_schema import strict_violation


def closed(**properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


TEXT = {"type": "string"}
NODE = {**closed(next={"anyOf": [{"$ref": "#/$defs/Node"}, {"type": "null"}]})}


@pytest.mark.parametrize(
    "schema",
    [
        closed(a=TEXT),
        closed(),
        closed(a={"type": ["integer", "null"], "minimum": 1}),
        closed(a={"type": "array", "items": closed(b=TEXT)}),
        {**closed(root={"$ref": "#/$defs/Node"}), "$defs": {"Node": NODE}},
        closed(a={"type": "string", "format": "date-time"}),
    ],
    ids=["flat", "empty", "nullable", "array of objects", "recursive", "format"],
)
def test_schema_within_the_rules_passes(schema: dict[str, Any]) -> None:
    assert strict_violation("X", schema) is None


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"type": "array", "items": TEXT}, "schema must be a JSON Schema of 'type: \"object\"', got"),
        ({"anyOf": [closed()]}, "got 'type: \"None\"'"),
        (
            {**closed(a=TEXT), "additionalProperties": True},
            "In context=(), 'additionalProperties' is required",
        ),
        (closed(a={"type": "object"}), "In context=('properties', 'a'), 'additionalProperties' is required"),
        ({**closed(a=TEXT), "required": []}, "including every key in properties. Missing 'a'."),
        (closed(a={"oneOf": [TEXT]}), "In context=('properties', 'a'), 'oneOf' is not permitted."),
        (closed(a={"allOf": [TEXT]}), "'allOf' is not permitted."),
        (closed(a={"not": TEXT}), "'not' is not permitted."),
        (closed(a={}), "In context=('properties', 'a'), schema must have a 'type' key."),
        (closed(a={"type": "array", "prefixItems": [TEXT]}), "'prefixItems' is not permitted."),
        (closed(a={"type": "array", "items": TEXT, "uniqueItems": True}), "'uniqueItems' is not permitted."),
        (closed(a={"type": "array"}), "array schema missing items."),
        (closed(a={"type": "string", "format": "uri"}), "'uri' is not a valid format."),
        (closed(a={"anyOf": [TEXT, {"type": "object"}]}), "In context=('properties', 'a', 'anyOf', '1')"),
        (
            {**closed(a={"$ref": "#/$defs/D"}), "$defs": {"D": {"type": "object"}}},
            "In context=('$defs', 'D')",
        ),
    ],
)
def test_broken_rule_is_named_with_its_place(schema: dict[str, Any], words: str) -> None:
    message = strict_violation("Review", schema)

    assert message is not None
    assert message.startswith("Invalid schema for response_format 'Review': ")
    assert words in message
