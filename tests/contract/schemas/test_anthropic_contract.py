"""Our schemas for Anthropic, held against its own converter and its published rules."""

from typing import Any

import anthropic
import pytest
from pydantic import BaseModel

from batchline_shared.errors import SchemaError
from batchline_shared.schemas import anthropic_schema, anthropic_tool_schema
from contract.schemas.answers import ANSWERS, LOOSE_ANSWERS
from contract.schemas.differences import (
    ALL_REQUIRED,
    ANNOTATIONS,
    INLINED_SIBLINGS,
    MERGED_ALL_OF,
    ORDER,
    SILENT_FORMATS,
    Difference,
    Schema,
    applied,
    expanded,
    holds,
    target,
    text,
    without,
)

SUPPORTED_FORMATS = {
    *("date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"),
}
SUPPORTED_KEYWORDS = {
    *("$defs", "$ref", "additionalProperties", "anyOf", "const", "description", "enum"),
    *("format", "items", "minItems", "properties", "required", "type"),
}

REFUSED = {
    "Node": "a recursion, which the SDK sends and the API refuses",
    "Tree": "a recursion",
    "DescribedTree": "a recursion",
    "Ping": "a recursion",
    "Tuples": "the SDK loses the types of the positions",
    "Dicts": "the SDK closes it, so that the answer is always {}",
    "Open": "the SDK closes it",
    "Anything": "the SDK raises ValueError",
}
"""Models that we refuse, and why, whatever the SDK makes of them."""

ACCEPTED = [model for model in (*ANSWERS, *LOOSE_ANSWERS) if model.__name__ not in REFUSED]
MODELS = [pytest.param(model, id=model.__name__) for model in ACCEPTED]


def assert_supported(node: Any, root: Schema) -> None:
    """Check every published rule, sharing no code with what is tested."""
    assert isinstance(node, dict)
    assert set(node) <= SUPPORTED_KEYWORDS, set(node) - SUPPORTED_KEYWORDS
    if "$ref" in node:
        assert set(node) == {"$ref"}
        assert node["$ref"].removeprefix("#/$defs/") in root["$defs"]
        return
    assert {"type", "anyOf", "enum", "const"} & set(node)
    assert node.get("format", "date") in SUPPORTED_FORMATS
    assert node.get("minItems", 0) in {0, 1}
    assert isinstance(node.get("type", ""), str)
    assert not ({"enum", "const"} & set(node) and "type" in node)
    if node.get("type") == "object":
        assert node["additionalProperties"] is False
        assert node["required"] == list(node["properties"])
    if node.get("type") == "array":
        assert "items" in node
    inner = [*node.get("properties", {}).values(), *node.get("$defs", {}).values(), *node.get("anyOf", [])]
    for schema in [*inner, *([node["items"]] if "items" in node else [])]:
        assert_supported(schema, root)


@pytest.mark.parametrize("model", MODELS)
def test_every_accepted_model_keeps_every_published_rule(model: type[BaseModel]) -> None:
    schema = anthropic_schema(model)

    assert_supported(schema, schema)


def _in_our_words(node: Schema, _root: Schema) -> Schema:
    """Put what the SDK is about to tell into our order, and into JSON."""
    kept = {"enum", "const", *(["minItems"] if node.get("minItems") in {0, 1} else [])}
    told = {key: text(node[key]) for key in ORDER if key in node and key not in kept}
    return {**without(node, *told), **told}


BEFORE = [
    MERGED_ALL_OF,
    ANNOTATIONS,
    SILENT_FORMATS,
    ALL_REQUIRED,
    INLINED_SIBLINGS,
    Difference("what is told is JSON rather than Python, always in the same order", _in_our_words),
]
"""All that we mean to do otherwise: what the SDK would have to be given to write the same schema."""


def as_ours(model: type[BaseModel], differences: list[Difference]) -> Schema:
    source = model.model_json_schema()
    # A root that is a reference is written out, with the definitions beside it.
    root = {**target(source, source), "$defs": source.get("$defs", {})}
    theirs = anthropic.transform_schema(applied(differences, root))
    return expanded(theirs, theirs)


def ours(model: type[BaseModel]) -> Schema:
    schema = anthropic_schema(model)
    return expanded(schema, schema)


@pytest.mark.parametrize("model", MODELS)
def test_we_differ_from_anthropics_converter_only_where_intended(model: type[BaseModel]) -> None:
    assert ours(model) == as_ours(model, BEFORE)


def differs(model: type[BaseModel], differences: list[Difference]) -> bool:
    try:
        return ours(model) != as_ours(model, differences)
    except ValueError:
        return True  # the SDK raises where this difference would help it


@pytest.mark.parametrize("difference", BEFORE, ids=lambda difference: difference.reason[:40])
def test_each_intended_difference_is_met_by_some_model(difference: Difference) -> None:
    others = holds(BEFORE, difference)

    assert any(differs(model, others) for model in ACCEPTED)


@pytest.mark.parametrize("model", [model for model in (*ANSWERS, *LOOSE_ANSWERS) if model not in ACCEPTED])
def test_a_model_is_refused_where_the_sdk_would_change_its_meaning(model: type[BaseModel]) -> None:
    with pytest.raises(SchemaError, match="cannot be asked for"):
        anthropic_schema(model)


def test_sixty_models_or_more_are_compared() -> None:
    assert len(ACCEPTED) >= 60


TOOL_REFUSED = {
    "Unicode": "field names of other letters",
    "SpacedAlias": "a field name with a space",
    "RootList": "the root is no object",
    "RootUnion": "the root is no object",
}


@pytest.mark.parametrize(
    "model", [model for model in (*ANSWERS, *LOOSE_ANSWERS) if model.__name__ not in TOOL_REFUSED]
)
def test_a_tool_takes_whatever_has_an_object_and_plain_names(model: type[BaseModel]) -> None:
    assert anthropic_tool_schema(model)["type"] == "object"


@pytest.mark.parametrize(
    "model", [model for model in (*ANSWERS, *LOOSE_ANSWERS) if model.__name__ in TOOL_REFUSED]
)
def test_a_tool_that_anthropic_would_refuse_is_refused_here(model: type[BaseModel]) -> None:
    with pytest.raises(SchemaError):
        anthropic_tool_schema(model)
