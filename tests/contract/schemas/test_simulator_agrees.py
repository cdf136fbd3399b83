"""The simulator, which shares no code with the schemas, refuses none that we write."""

from typing import Any

import orjson
import pytest
from pydantic import BaseModel, create_model

from batchline_shared.errors import SchemaError
from batchline_shared.schemas import anthropic_schema, gemini_schema, strict_schema, vertex_schema
from batchline_simulator.anthropic.output_schema import budget_problem, schema_problem
from batchline_simulator.google.schema_check import GEMINI_KEYWORDS, VERTEX_KEYWORDS, unknown_field
from batchline_simulator.google.vertex.importer import Importer, ImportRefusedError
from batchline_simulator.openai.strict_schema import strict_violation
from contract.schemas.answers import ANSWERS, LOOSE_ANSWERS


def with_unions(count: int) -> type[BaseModel]:
    fields: dict[str, Any] = {f"f{index}": (int | None, None) for index in range(count)}
    return create_model(f"Unions{count}", **fields)


def anthropics_complaint(schema: dict[str, Any]) -> object:
    return schema_problem(schema) or budget_problem([schema])


def vertex_complaint(schema: dict[str, Any]) -> object:
    row: dict[str, Any] = {
        "custom_id": "r-1",
        "request": {"generationConfig": {"responseSchema": schema}},
    }
    try:
        Importer().add(orjson.dumps(row))
    except ImportRefusedError as refusal:
        return refusal
    return unknown_field(row["request"], VERTEX_KEYWORDS)


def geminis_complaint(schema: dict[str, Any]) -> object:
    return unknown_field({"generationConfig": {"responseSchema": schema}}, GEMINI_KEYWORDS)


def openais_complaint(schema: dict[str, Any]) -> object:
    return strict_violation("X", schema)


JUDGES: list[tuple[Any, Any]] = [
    (strict_schema, openais_complaint),
    (anthropic_schema, anthropics_complaint),
    (gemini_schema, geminis_complaint),
    (vertex_schema, vertex_complaint),
]


def _cases() -> list[Any]:
    cases = []
    for write, complaint in JUDGES:
        for model in (*ANSWERS, *LOOSE_ANSWERS, with_unions(16), with_unions(40)):
            try:
                schema = write(model)
            except SchemaError:
                continue  # which ones, and why, each dialect's own contract says
            cases.append(pytest.param(complaint, schema, id=f"{write.__name__}-{model.__name__}"))
    return cases


@pytest.mark.parametrize(("complaint", "schema"), _cases())
def test_the_simulator_takes_each_schema_that_we_send(complaint: Any, schema: dict[str, Any]) -> None:
    assert complaint(schema) is None


@pytest.mark.parametrize(
    ("complaint", "schema"),
    [
        pytest.param(openais_complaint, {"type": "object", "properties": {}}, id="openai-open"),
        pytest.param(anthropics_complaint, {"type": "integer", "minimum": 1}, id="anthropic-bound"),
        pytest.param(geminis_complaint, {"type": "INTEGER", "multipleOf": 1}, id="gemini-keyword"),
        pytest.param(
            vertex_complaint, {"type": "OBJECT", "properties": {"a b": {"type": "STRING"}}}, id="vertex-name"
        ),
        pytest.param(vertex_complaint, {"type": "INTEGER", "multipleOf": 1}, id="vertex-keyword"),
    ],
)
def test_the_simulator_does_refuse_what_the_provider_would(complaint: Any, schema: dict[str, Any]) -> None:
    assert complaint(schema) is not None
