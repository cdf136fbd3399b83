"""Our strict schemas, held against OpenAI's own helper and its published rules."""

import copy
import json
from typing import Any

import openai
import pytest
from pydantic import BaseModel

from batchline_shared.schemas import schema_name, strict_schema
from contract.schemas.answers import ANSWERS
from contract.schemas.differences import (
    ANNOTATIONS,
    PLAIN_UNION,
    SILENT_FORMATS,
    Difference,
    Schema,
    applied,
    expanded,
    holds,
    tell,
)

MODELS = [pytest.param(model, id=model.__name__) for model in ANSWERS]

SUPPORTED_FORMATS = {"date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"}
SUPPORTED_KEYWORDS = {
    "$defs",
    "$ref",
    "additionalProperties",
    "anyOf",
    "const",
    "description",
    "enum",
    "exclusiveMaximum",
    "exclusiveMinimum",
    "format",
    "items",
    "maxItems",
    "maximum",
    "minItems",
    "minimum",
    "multipleOf",
    "pattern",
    "properties",
    "required",
    "type",
}


def assert_strict(root: dict[str, Any]) -> None:
    """Check every published rule, sharing no code with what is tested."""
    json.dumps(root, allow_nan=False)
    assert root["type"] == "object"
    assert "anyOf" not in root
    _assert_node_strict(root, root)


def _assert_node_strict(node: Any, root: dict[str, Any]) -> None:
    assert isinstance(node, dict)
    assert set(node) <= SUPPORTED_KEYWORDS, set(node) - SUPPORTED_KEYWORDS
    assert node is root or "$defs" not in node
    if "$ref" in node:
        assert set(node) == {"$ref"}
        assert node["$ref"] == "#" or node["$ref"].removeprefix("#/$defs/") in root["$defs"]
        return
    assert "type" in node or "anyOf" in node
    assert node.get("format", "date") in SUPPORTED_FORMATS
    if "object" in node.get("type", ""):
        assert node["additionalProperties"] is False
        assert node["required"] == list(node["properties"])
    if "array" in node.get("type", ""):
        assert "items" in node
    inner = [*node.get("properties", {}).values(), *node.get("$defs", {}).values(), *node.get("anyOf", [])]
    inner += [node["items"]] if "items" in node else []
    for schema in inner:
        _assert_node_strict(schema, root)


@pytest.mark.parametrize("model", MODELS)
def test_every_accepted_model_keeps_every_published_rule(model: type[BaseModel]) -> None:
    assert_strict(strict_schema(model))


def openai_schema(model: type[BaseModel]) -> dict[str, Any]:
    parameters: Any = openai.pydantic_function_tool(model)["function"]["parameters"]
    return copy.deepcopy(parameters)


JSON_TYPES = {str: "string", bool: "boolean", int: "integer", float: "number", type(None): "null"}


def _typed(node: Schema, _root: Schema) -> Schema:
    if "enum" not in node or "type" in node:
        return node
    return {**node, "type": list(dict.fromkeys(JSON_TYPES[type(value)] for value in node["enum"]))}


def _unable(node: Schema, key: str) -> bool:
    if key == "format":
        return node["format"] not in SUPPORTED_FORMATS
    if key == "pattern":
        return "(?!" in node["pattern"]
    return key in {"minLength", "maxLength", "contentMediaType", "examples"}


DIFFERENCES = [
    ANNOTATIONS,
    PLAIN_UNION,
    SILENT_FORMATS,
    Difference("lengths, examples, formats and patterns that it does not know become words", tell(_unable)),
    Difference("an enum of several types, which Pydantic leaves untyped, gets its types", _typed),
]
"""All that we mean to do otherwise than OpenAI's own helper.

Within a recursion, a description beside `$ref` is lost; no model here has one.
"""


def as_ours(model: type[BaseModel], differences: list[Difference]) -> Schema:
    theirs = openai_schema(model)
    return applied(differences, expanded(theirs, theirs))


def ours(model: type[BaseModel]) -> Schema:
    schema = strict_schema(model)
    return expanded(schema, schema)


@pytest.mark.parametrize("model", MODELS)
def test_we_differ_from_openais_helper_only_where_intended(model: type[BaseModel]) -> None:
    assert ours(model) == as_ours(model, DIFFERENCES)


@pytest.mark.parametrize("difference", DIFFERENCES, ids=lambda difference: difference.reason[:40])
def test_each_intended_difference_is_met_by_some_model(difference: Difference) -> None:
    others = holds(DIFFERENCES, difference)

    assert any(ours(model) != as_ours(model, others) for model in ANSWERS)


def test_sixty_models_or_more_are_compared() -> None:
    assert len(ANSWERS) >= 60


@pytest.mark.parametrize("model", MODELS)
def test_every_schema_name_is_one_that_openai_allows(model: type[BaseModel]) -> None:
    name = schema_name(model)

    assert 1 <= len(name) <= 64
    assert set(name) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")
