"""Our schemas for both of Google's APIs, held against its own converter and what is known of them."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from google.genai import Client, _transformers
from pydantic import BaseModel

from batchline_shared.errors import SchemaError
from batchline_shared.schemas import gemini_schema, vertex_schema
from contract.schemas.answers import ANSWERS, LOOSE_ANSWERS
from contract.schemas.differences import Difference, Schema, applied, holds, target
from contract.schemas.google_differences import AFTER, before

SUPPORTED_KEYWORDS = {
    *("anyOf", "description", "enum", "format", "items", "maxItems", "maxLength", "maximum", "minItems"),
    *("minLength", "minimum", "nullable", "pattern", "properties", "propertyOrdering", "required", "type"),
}

BOTH_REFUSE = {
    "Node": "a recursion, which the SDK cuts to {}",
    "Tree": "a recursion",
    "DescribedTree": "a recursion",
    "Ping": "a recursion",
    "HoldsEmpty": "an object without fields",
    "Tuples": "the SDK raises",
    "Dicts": "the SDK raises for the Gemini API, and Vertex AI's importer fails on what it writes",
    "Open": "the same",
    "Anything": "a schema without a type",
}

VERTEX_REFUSES = BOTH_REFUSE | {
    "Unicode": "no column's name",
    "SpacedAlias": "no column's name",
    "DottedAlias": "no column's name",
    "DigitAlias": "no column's name",
    "Twins": "one column's name twice",
    "Deep": "more than 15 levels",
}

EVERY = (*ANSWERS, *LOOSE_ANSWERS)
GEMINI = [model for model in EVERY if model.__name__ not in BOTH_REFUSE]
VERTEX = [model for model in EVERY if model.__name__ not in VERTEX_REFUSES]

Written = Callable[[type[BaseModel]], Schema]

CASES: list[tuple[Written, type[BaseModel]]] = [
    *((gemini_schema, model) for model in GEMINI),
    *((vertex_schema, model) for model in VERTEX),
]
CASE_IDS = [f"{written.__name__}-{model.__name__}" for written, model in CASES]

BEFORE = {
    gemini_schema: before({"date-time"}, loads_text=False),
    vertex_schema: before({"date-time", "date", "email"}, loads_text=True),
}


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    """Google's client, without a network: its converter asks it only which of the two APIs it is for."""
    with Client(api_key="not-a-key") as client:
        yield client


def as_ours(
    client: Client, model: type[BaseModel], first: list[Difference], then: list[Difference]
) -> dict[str, Any]:
    source = model.model_json_schema()
    root = {**target(source, source), "$defs": source.get("$defs", {})}
    theirs = _transformers.t_schema(client._api_client, applied(first, root))
    assert theirs is not None
    return applied(then, theirs.model_dump(by_alias=True, exclude_none=True, mode="json"))


@pytest.mark.parametrize(("written", "model"), CASES, ids=CASE_IDS)
def test_we_differ_from_googles_converter_only_where_intended(
    client: Client, written: Written, model: type[BaseModel]
) -> None:
    assert written(model) == as_ours(client, model, BEFORE[written], AFTER)


def differs(client: Client, model: type[BaseModel], first: list[Difference], then: list[Difference]) -> bool:
    try:
        return vertex_schema(model) != as_ours(client, model, first, then)
    except ValueError:
        return True  # the SDK raises where this difference would help it; pydantic's error is one


@pytest.mark.parametrize("difference", BEFORE[vertex_schema], ids=lambda difference: difference.reason[:40])
def test_each_difference_in_what_is_converted_is_met_by_some_model(
    client: Client, difference: Difference
) -> None:
    others = holds(BEFORE[vertex_schema], difference)

    assert any(differs(client, model, others, AFTER) for model in VERTEX)


@pytest.mark.parametrize("difference", AFTER, ids=lambda difference: difference.reason[:40])
def test_each_difference_in_what_is_written_is_met_by_some_model(
    client: Client, difference: Difference
) -> None:
    others = holds(AFTER, difference)

    assert any(differs(client, model, BEFORE[vertex_schema], others) for model in VERTEX)


def test_sixty_models_or_more_are_compared() -> None:
    assert min(len(GEMINI), len(VERTEX)) >= 60


@pytest.mark.parametrize("model", [model for model in EVERY if model not in GEMINI])
def test_a_model_is_refused_that_the_gemini_api_would_refuse_or_misread(model: type[BaseModel]) -> None:
    with pytest.raises(SchemaError, match="cannot be asked for"):
        gemini_schema(model)


@pytest.mark.parametrize("model", [model for model in EVERY if model not in VERTEX])
def test_a_model_is_refused_that_vertex_ai_could_not_load(model: type[BaseModel]) -> None:
    with pytest.raises(SchemaError):
        vertex_schema(model)


def assert_supported(node: Any) -> None:
    """Check every published rule, sharing no code with what is tested."""
    assert isinstance(node, dict)
    assert set(node) <= SUPPORTED_KEYWORDS, set(node) - SUPPORTED_KEYWORDS
    if "anyOf" in node:
        assert set(node) == {"anyOf"}
        assert len(node["anyOf"]) > 1
    else:
        assert node["type"] in {"STRING", "NUMBER", "INTEGER", "BOOLEAN", "ARRAY", "OBJECT", "NULL"}
    assert all(isinstance(value, str) and value for value in node.get("enum", []))
    if node.get("type") == "OBJECT":
        assert node["required"] == list(node["properties"]) != []
    if node.get("type") == "ARRAY":
        assert "items" in node
    inner = [*node.get("properties", {}).values(), *node.get("anyOf", [])]
    for schema in [*inner, *([node["items"]] if "items" in node else [])]:
        assert_supported(schema)


@pytest.mark.parametrize(("written", "model"), CASES, ids=CASE_IDS)
def test_every_accepted_model_keeps_every_published_rule(written: Written, model: type[BaseModel]) -> None:
    assert_supported(written(model))


def assert_loads(node: Any, columns: dict[str, type], path: str, level: int) -> None:
    """Load one row as BigQuery would: a column for each path, with one type, and no object without fields."""
    assert level <= 15, path
    assert node not in (None, {}, []), path
    kind = float if isinstance(node, float) else type(node)
    assert columns.setdefault(path, kind) is kind, f"{path} is {kind} here and {columns[path]} there"
    if isinstance(node, dict):
        assert len({key.casefold() for key in node}) == len(node)
        for key, value in node.items():
            assert key.isidentifier(), key
            assert key.isascii(), key
            assert_loads(value, columns, f"{path}.{key}", level + isinstance(value, dict))
    if isinstance(node, list):
        for value in node:
            assert_loads(value, columns, f"{path}[]", level + isinstance(value, dict))


@pytest.mark.parametrize("model", VERTEX, ids=lambda model: model.__name__)
def test_every_row_with_a_schema_for_vertex_ai_can_be_loaded(model: type[BaseModel]) -> None:
    row = {"request": {"generationConfig": {"responseSchema": vertex_schema(model)}}}

    assert_loads(row, {}, "row", 0)


def test_all_schemas_for_vertex_ai_agree_on_the_type_of_each_keyword() -> None:
    kinds: dict[str, set[type]] = {}

    def visit(node: Schema) -> None:
        for key, value in node.items():
            kinds.setdefault(key, set()).add(type(value))
        for schema in [*node.get("properties", {}).values(), *node.get("anyOf", [])]:
            visit(schema)
        if "items" in node:
            visit(node["items"])

    for model in VERTEX:
        visit(vertex_schema(model))

    assert {key: len(found) for key, found in kinds.items()} == dict.fromkeys(SUPPORTED_KEYWORDS, 1)
