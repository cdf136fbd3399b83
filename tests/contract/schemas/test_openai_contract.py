"""Our strict schemas, held against OpenAI's own helper and its published rules."""

import copy
import json
from typing import Any

import jsonschema
import openai
import pytest
from pydantic import BaseModel

from batchline_shared.schemas import schema_name, strict_schema
from contract.schemas.answers import ANSWERS

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


@pytest.mark.parametrize("model", MODELS)
def test_a_complete_answer_satisfies_both_the_schema_and_the_model(model: type[BaseModel]) -> None:
    answer = ANSWERS[model]

    jsonschema.Draft202012Validator(strict_schema(model)).validate(answer)
    model.model_validate_json(json.dumps(answer))


DUMPS_DIFFER = {
    "JsonText": "Json dumps the value and validates its text",
    "OtherFormats": "SecretStr dumps asterisks, re.Pattern an object",
    "Aliased": "a validation alias is not used for dumping",
    "Computed": "a computed field is dumped and never asked for",
}
"""Models whose dump Pydantic means to differ from what they validate."""


@pytest.mark.parametrize("model", MODELS)
def test_what_the_model_dumps_satisfies_the_schema(model: type[BaseModel]) -> None:
    if model.__name__ in DUMPS_DIFFER:
        pytest.skip(DUMPS_DIFFER[model.__name__])
    dumped = model.model_validate_json(json.dumps(ANSWERS[model])).model_dump(mode="json", by_alias=True)

    jsonschema.Draft202012Validator(strict_schema(model)).validate(dumped)


@pytest.mark.parametrize("model", MODELS)
def test_an_answer_with_an_unknown_or_a_missing_field_is_outside_the_schema(model: type[BaseModel]) -> None:
    validator = jsonschema.Draft202012Validator(strict_schema(model))
    answer = ANSWERS[model]
    short = dict(list(answer.items())[1:])

    assert not validator.is_valid(answer | {"unknown": 1})
    assert not validator.is_valid(short)


@pytest.mark.parametrize("model", MODELS)
def test_building_leaves_the_models_own_schema_as_it_was(model: type[BaseModel]) -> None:
    before = copy.deepcopy(model.model_json_schema())
    first = strict_schema(model)

    assert strict_schema(model) == first
    assert model.model_json_schema() == before


def openai_schema(model: type[BaseModel]) -> dict[str, Any]:
    parameters: Any = openai.pydantic_function_tool(model)["function"]["parameters"]
    return copy.deepcopy(parameters)


LENGTHS = ("minLength", "maxLength")
ANNOTATIONS = ("title", "default", "discriminator", "readOnly", "writeOnly", "contentSchema")
JSON_TYPES = {str: "string", bool: "boolean", int: "integer", float: "number", type(None): "null"}


def intended(node: dict[str, Any]) -> dict[str, Any]:
    """Apply each intended difference to one node of OpenAI's own schema."""
    # 1. titles, defaults, discriminators and other annotations are left out
    out = {k: v for k, v in node.items() if k not in ANNOTATIONS and not k.startswith("x-")}
    # 2. `oneOf`, which strict mode refuses, becomes `anyOf`
    if "oneOf" in out:
        out["anyOf"] = out.pop("oneOf")
    # 3. lengths, formats and annotations that it does not know become words
    told = {k: out.pop(k) for k in LENGTHS if k in out}
    if out.get("format") not in {None, *SUPPORTED_FORMATS}:
        unknown = out.pop("format")
        told |= {} if unknown in {"binary", "password"} else {"format": unknown}
    told |= {k: out.pop(k) for k in ("contentMediaType", "examples") if k in out}
    if told:
        words = ", ".join(f"{k}: {v if isinstance(v, str) else json.dumps(v)}" for k, v in told.items())
        parts = [out.get("description"), f"{{{words}}}"]
        out["description"] = "\n\n".join(part for part in parts if part)
    # 4. an enum of several types, which Pydantic leaves untyped, gets its types
    if "enum" in out and "type" not in out:
        out["type"] = list(dict.fromkeys(JSON_TYPES[type(value)] for value in out["enum"]))
    return out


def expanded(node: dict[str, Any], root: dict[str, Any], depth: int = 4) -> dict[str, Any]:
    """Write definitions out, to a depth that ends recursions, as both sides share them differently."""
    if "$ref" in node:
        if depth == 0:
            return {"cut": True}
        # 5. within a recursion, a description beside `$ref` is lost; no model here has one
        target = root if node["$ref"] == "#" else root["$defs"][node["$ref"].removeprefix("#/$defs/")]
        siblings = {k: v for k, v in node.items() if k != "$ref"}
        return expanded({**target, **siblings}, root, depth - 1)
    out = {k: v for k, v in intended(node).items() if k != "$defs"}
    if "properties" in out:
        out["properties"] = {k: expanded(v, root, depth) for k, v in out["properties"].items()}
    if "items" in out:
        out["items"] = expanded(out["items"], root, depth)
    if "anyOf" in out:
        out["anyOf"] = [expanded(member, root, depth) for member in out["anyOf"]]
    return out


def closed(model: type[BaseModel]) -> dict[str, Any]:
    """Expand our schema; our own hints must not be told twice, so nothing else may be left to do."""
    schema = strict_schema(model)
    return expanded(schema, schema)


@pytest.mark.parametrize("model", MODELS)
def test_we_differ_from_openais_helper_only_where_intended(model: type[BaseModel]) -> None:
    theirs = openai_schema(model)

    assert closed(model) == expanded(theirs, theirs)


def test_forty_models_or_more_are_compared() -> None:
    assert len(ANSWERS) >= 40


@pytest.mark.parametrize("model", MODELS)
def test_every_schema_name_is_one_that_openai_allows(model: type[BaseModel]) -> None:
    name = schema_name(model)

    assert 1 <= len(name) <= 64
    assert set(name) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")
