"""What holds in every dialect, whichever the rules."""

from typing import Any

import pytest
from pydantic import BaseModel, Field, create_model

from batchline_shared.errors import SchemaError
from batchline_shared.schemas import (
    anthropic_schema,
    anthropic_tool_schema,
    gemini_schema,
    strict_schema,
    vertex_schema,
)

WRITERS = [strict_schema, anthropic_schema, anthropic_tool_schema, gemini_schema, vertex_schema]

pytestmark = pytest.mark.parametrize("write", WRITERS, ids=lambda write: write.__name__)


class Plain(BaseModel):
    a: int


def test_inlining_that_triples_at_each_level_ends_early(write: Any) -> None:
    inner: type[BaseModel] = Plain
    for index in range(20):
        field = (inner, Field(description="d"))
        inner = create_model(f"L{index}", a=field, b=field, c=field)

    with pytest.raises(SchemaError, match=r"more than 5,000 properties"):
        write(inner)


def test_described_models_hundreds_deep_are_refused_without_exhausting_the_stack(write: Any) -> None:
    definitions: dict[str, Any] = {"D0": {"type": "object", "properties": {"x": {"type": "integer"}}}}
    for level in range(1, 2000):
        reference = {"$ref": f"#/$defs/D{level - 1}", "description": "d"}
        definitions[f"D{level}"] = {"type": "object", "properties": {"x": reference}}

    class Custom(BaseModel):
        @classmethod
        def model_json_schema(cls) -> Any:  # type: ignore[override]
            return {**definitions["D1999"], "$defs": definitions}

    with pytest.raises(SchemaError, match="models inside each other"):
        write(Custom)


def test_a_choice_of_lists_is_refused(write: Any) -> None:
    model = create_model("M", x=(list[int], Field(json_schema_extra={"enum": [[1], [2]]})))

    with pytest.raises(SchemaError, match="choice of lists") as caught:
        write(model)
    assert caught.value.path == "M.x"


def test_choices_that_are_no_list_are_refused(write: Any) -> None:
    model = create_model("M", x=(str, Field(json_schema_extra={"enum": None})))

    with pytest.raises(SchemaError, match="no list") as caught:
        write(model)
    assert caught.value.path == "M.x"


def test_a_reference_that_leads_nowhere_is_refused(write: Any) -> None:
    class Custom(BaseModel):
        @classmethod
        def model_json_schema(cls) -> Any:  # type: ignore[override]
            return {"type": "object", "properties": {"x": {"$ref": "#/$defs/Missing"}}}

    with pytest.raises(SchemaError, match="leads nowhere") as caught:
        write(Custom)
    assert caught.value.path == "Custom.x"


def test_what_is_written_shares_nothing_with_what_the_user_keeps(write: Any) -> None:
    kept = {"type": "object", "properties": {"x": {"enum": ["a"], "type": "string"}}}

    class Custom(BaseModel):
        @classmethod
        def model_json_schema(cls) -> Any:  # type: ignore[override]
            return kept

    write(Custom)["properties"]["x"]["enum"].append("mine")

    assert kept == {"type": "object", "properties": {"x": {"enum": ["a"], "type": "string"}}}


@pytest.mark.parametrize("candidate", [int, None, {"type": "object"}, list[Plain]])
def test_anything_but_a_model_class_is_refused(write: Any, candidate: Any) -> None:
    with pytest.raises(SchemaError) as caught:
        write(candidate)
    assert caught.value.path == "response_model"
