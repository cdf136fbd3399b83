from typing import Any

import pytest

from batchline_shared.schemas.google_values import told


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        pytest.param({"const": "a", "type": "string"}, {"type": "string", "enum": ["a"]}, id="constant"),
        pytest.param(
            {"const": 1, "type": "integer"},
            {"type": "integer", "enum": [1], "minimum": 1.0, "maximum": 1.0},
            id="one-number",
        ),
        pytest.param(
            {"enum": [3, 1], "type": "integer"},
            {"type": "integer", "enum": [3, 1], "minimum": 1.0, "maximum": 3.0},
            id="numbers",
        ),
        pytest.param({"const": True, "type": "boolean"}, {"type": "boolean", "enum": [True]}, id="true"),
        pytest.param({"const": None}, {"type": "null"}, id="null"),
        pytest.param(
            {"enum": [1, "a", 2, None], "description": "d"},
            {
                "description": "d",
                "anyOf": [
                    {"type": "integer", "enum": [1, 2]},
                    {"type": "string", "enum": ["a"]},
                    {"type": "null", "enum": [None]},
                ],
            },
            id="types-apart-in-the-order-they-are-met",
        ),
        pytest.param(
            {"type": ["string", "null"], "maxLength": 3, "description": "d"},
            {
                "anyOf": [{"maxLength": 3, "type": "string"}, {"maxLength": 3, "type": "null"}],
                "description": "d",
            },
            id="list-of-types",
        ),
        pytest.param(
            {"type": "integer", "exclusiveMinimum": 0}, {"type": "integer", "minimum": 1.0}, id="gt"
        ),
        pytest.param(
            {"type": "integer", "exclusiveMaximum": 2.5}, {"type": "integer", "maximum": 2.0}, id="lt-half"
        ),
        pytest.param(
            {"type": "integer", "exclusiveMinimum": -2.5}, {"type": "integer", "minimum": -2.0}, id="gt-half"
        ),
        pytest.param(
            {"type": "integer", "exclusiveMinimum": 3, "minimum": 5},
            {"type": "integer", "minimum": 5.0},
            id="ge-wins",
        ),
        pytest.param(
            {"type": "integer", "exclusiveMaximum": 3, "maximum": 5},
            {"type": "integer", "maximum": 2.0},
            id="lt-wins",
        ),
        pytest.param(
            {"type": "number", "exclusiveMinimum": 0},
            {"type": "number", "exclusiveMinimum": 0, "minimum": 0.0},
            id="gt-of-a-float-is-told-too",
        ),
        pytest.param(
            {"type": "number", "exclusiveMinimum": float("-inf")},
            {"type": "number", "exclusiveMinimum": float("-inf")},
            id="infinite",
        ),
        pytest.param(
            {"type": "integer", "maximum": 2**53 + 1},
            {"type": "integer", "maximum": 2**53 + 1},
            id="no-float-holds-it",
        ),
        pytest.param(
            {"type": "integer", "maximum": 10**400},
            {"type": "integer", "maximum": 10**400},
            id="beyond-floats",
        ),
        pytest.param({"enum": [], "type": "string"}, {"enum": [], "type": "string"}, id="no-choice"),
    ],
)
def test_a_schema_is_told_in_what_google_knows(node: dict[str, Any], expected: dict[str, Any]) -> None:
    before = dict(node)

    assert told(node) == expected
    assert node == before


@pytest.mark.parametrize("keyword", ["minimum", "maximum"])
def test_a_bound_that_can_be_sent_is_a_float(keyword: str) -> None:
    bound = told({"type": "integer", keyword: 3})[keyword]

    assert type(bound) is float
