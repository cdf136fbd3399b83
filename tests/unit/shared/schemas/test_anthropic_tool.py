from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, RootModel, create_model

from batchline_shared.errors import SchemaError
from batchline_shared.schemas import anthropic_tool_schema


class Plain(BaseModel):
    a: int


class Open(BaseModel):
    model_config = ConfigDict(extra="allow")
    a: int


class Node(BaseModel):
    children: list["Node"] = []


CLOSED_PLAIN = {
    "type": "object",
    "properties": {"a": {"type": "integer"}},
    "required": ["a"],
    "additionalProperties": False,
}


def field_schema(annotation: Any) -> dict[str, Any]:
    return anthropic_tool_schema(create_model("M", x=(annotation, ...)))["properties"]["x"]


@pytest.mark.parametrize(
    ("annotation", "expected"),
    [
        pytest.param(Any, {}, id="any"),
        pytest.param(
            dict[str, int], {"type": "object", "additionalProperties": {"type": "integer"}}, id="dict"
        ),
        pytest.param(dict[str, Any], {"type": "object", "additionalProperties": True}, id="bare-dict"),
        pytest.param(
            dict[Literal["a", "b"], int],
            {
                "type": "object",
                "propertyNames": {"enum": ["a", "b"]},
                "additionalProperties": {"type": "integer"},
            },
            id="dict-of-literals",
        ),
        pytest.param(
            dict[Annotated[str, Field(pattern="^a+$")], Plain],
            {"type": "object", "patternProperties": {"^a+$": {"$ref": "#/$defs/Plain"}}},
            id="dict-of-patterns",
        ),
        pytest.param(
            tuple[int, str],
            {
                "type": "array",
                "prefixItems": [{"type": "integer"}, {"type": "string"}],
                "minItems": 2,
                "maxItems": 2,
            },
            id="tuple",
        ),
        pytest.param(
            set[int], {"type": "array", "items": {"type": "integer"}, "uniqueItems": True}, id="set"
        ),
        pytest.param(
            Annotated[int, Field(gt=0, multiple_of=2)],
            {"type": "integer", "exclusiveMinimum": 0, "multipleOf": 2},
            id="bounds",
        ),
        pytest.param(
            Annotated[str, Field(max_length=5, pattern="^a", examples=["ab"])],
            {"type": "string", "maxLength": 5, "pattern": "^a", "examples": ["ab"]},
            id="text",
        ),
        pytest.param(bytes, {"type": "string"}, id="bytes"),
    ],
)
def test_a_plain_tool_takes_nearly_all_of_json_schema(annotation: Any, expected: dict[str, Any]) -> None:
    assert field_schema(annotation) == expected


def test_an_open_model_stays_open_and_a_plain_one_is_closed() -> None:
    assert anthropic_tool_schema(Open) == {**CLOSED_PLAIN, "additionalProperties": True}
    assert anthropic_tool_schema(Plain) == CLOSED_PLAIN


def test_a_recursion_stays_a_reference_below_an_object() -> None:
    schema = anthropic_tool_schema(Node)

    assert schema["properties"] == {"children": {"type": "array", "items": {"$ref": "#/$defs/Node"}}}
    assert schema["type"] == schema["$defs"]["Node"]["type"] == "object"


@pytest.mark.parametrize("name", ["given name", "größe", "a/b", "x" * 65, ""])
def test_a_field_name_that_anthropic_refuses_is_refused_with_a_remedy(name: str) -> None:
    model = create_model("Order", x=(list[create_model("Item", y=(int, Field(alias=name)))], ...))  # type: ignore[misc]

    with pytest.raises(SchemaError, match="give it an alias") as caught:
        anthropic_tool_schema(model)
    assert caught.value.path == f"Order.x[].{name}"


def test_names_of_digits_dots_and_dashes_are_fine() -> None:
    model = create_model("M", a=(int, Field(alias="1.st-x_" + "y" * 57)))

    assert anthropic_tool_schema(model)["required"] == ["1.st-x_" + "y" * 57]


@pytest.mark.parametrize("root", [RootModel[list[int]], RootModel[Plain | Node], RootModel[int]])
def test_a_root_that_is_no_object_is_refused(root: type[BaseModel]) -> None:
    with pytest.raises(SchemaError, match="must be an object"):
        anthropic_tool_schema(root)


def test_a_condition_that_only_a_validator_can_check_is_refused() -> None:
    model = create_model("M", x=(int, Field(json_schema_extra={"not": {"const": 1}})))

    with pytest.raises(SchemaError, match="check it in a validator"):
        anthropic_tool_schema(model)
