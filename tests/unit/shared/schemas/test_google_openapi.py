import datetime as dt
import enum
from typing import Annotated, Any, Literal

import pytest
from pydantic import AnyUrl, BaseModel, ConfigDict, Field, RootModel, create_model

from batchline_shared.errors import SchemaError
from batchline_shared.schemas import gemini_schema, vertex_schema


class Plain(BaseModel):
    """A thing."""

    a: int


class Open(BaseModel):
    model_config = ConfigDict(extra="allow")
    a: int


class Empty(BaseModel):
    pass


class Node(BaseModel):
    children: list["Node"] = []


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Cat(BaseModel):
    kind: Literal["cat"] = "cat"


class Dog(BaseModel):
    kind: Literal["dog"] = "dog"


def spoken(kind: str) -> dict[str, Any]:
    return {
        "type": "OBJECT",
        "properties": {"kind": {"type": "STRING", "enum": [kind]}},
        "required": ["kind"],
    }


PLAIN = {"type": "OBJECT", "properties": {"a": {"type": "INTEGER"}}, "required": ["a"]}


def field_schema(annotation: Any, default: Any = ...) -> dict[str, Any]:
    """Build a model of one field and return what its schema says of the field, to both of Google's APIs."""
    model = create_model("M", x=(annotation, default))
    schema = gemini_schema(model)
    assert schema == vertex_schema(model)
    assert schema["required"] == ["x"]
    return schema["properties"]["x"]


@pytest.mark.parametrize(
    ("annotation", "default", "expected"),
    [
        pytest.param(int, 5, {"type": "INTEGER"}, id="default"),
        pytest.param(int | None, None, {"type": "INTEGER", "nullable": True}, id="optional"),
        pytest.param(None, ..., {"type": "NULL"}, id="null"),
        pytest.param(Literal["a", "b"], ..., {"type": "STRING", "enum": ["a", "b"]}, id="literal"),
        pytest.param(Literal["a"], ..., {"type": "STRING", "enum": ["a"]}, id="constant"),
        pytest.param(
            Level,
            ...,
            {"type": "INTEGER", "minimum": 1.0, "maximum": 2.0, "description": "{enum: [1, 2]}"},
            id="int-enum",
        ),
        pytest.param(
            Literal["", "a"], ..., {"type": "STRING", "description": '{enum: ["", "a"]}'}, id="empty-choice"
        ),
        pytest.param(
            Literal["a"] | None,
            ...,
            {"type": "STRING", "enum": ["a"], "nullable": True},
            id="optional-choice",
        ),
        pytest.param(
            list[int | None],
            ...,
            {"type": "ARRAY", "items": {"type": "INTEGER", "nullable": True}},
            id="list-of-optional",
        ),
        pytest.param(
            set[int],
            ...,
            {"type": "ARRAY", "items": {"type": "INTEGER"}, "description": "{uniqueItems: true}"},
            id="set",
        ),
        pytest.param(
            Annotated[list[int], Field(min_length=1, max_length=2)],
            ...,
            {"type": "ARRAY", "items": {"type": "INTEGER"}, "minItems": 1, "maxItems": 2},
            id="list-bounds",
        ),
        pytest.param(
            Annotated[str, Field(min_length=1, max_length=9, pattern="^a+$")],
            ...,
            {"type": "STRING", "minLength": 1, "maxLength": 9, "pattern": "^a+$"},
            id="text",
        ),
        pytest.param(
            Annotated[int, Field(gt=0, multiple_of=2)],
            ...,
            {"type": "INTEGER", "minimum": 1.0, "description": "{multipleOf: 2}"},
            id="gt-and-multiple",
        ),
        pytest.param(dt.datetime, ..., {"type": "STRING", "format": "date-time"}, id="date-time"),
        pytest.param(
            AnyUrl,
            ...,
            {"type": "STRING", "minLength": 1, "description": "{format: uri}"},
            id="unknown-format",
        ),
        pytest.param(bytes, ..., {"type": "STRING"}, id="bytes"),
        pytest.param(
            Annotated[int, Field(examples=[1])],
            ...,
            {"type": "INTEGER", "description": "{examples: [1]}"},
            id="examples",
        ),
        pytest.param(
            Annotated[Cat | Dog, Field(discriminator="kind")],
            ...,
            {"anyOf": [spoken("cat"), spoken("dog")]},
            id="tagged",
        ),
        pytest.param(
            Annotated[int | str | None, Field(description="d")],
            None,
            {
                "anyOf": [
                    {"type": "INTEGER", "description": "d", "nullable": True},
                    {"type": "STRING", "description": "d", "nullable": True},
                ]
            },
            id="a-union-stands-alone",
        ),
        pytest.param(
            Annotated[Cat | Dog, Field(discriminator="kind")] | int | None,
            ...,
            {
                "anyOf": [
                    spoken("cat") | {"nullable": True},
                    spoken("dog") | {"nullable": True},
                    {"type": "INTEGER", "nullable": True},
                ]
            },
            id="unions-are-flat",
        ),
    ],
)
def test_a_field_is_written_as_google_takes_it(
    annotation: Any, default: Any, expected: dict[str, Any]
) -> None:
    assert field_schema(annotation, default) == expected


def test_definitions_are_written_out_in_each_place() -> None:
    schema = gemini_schema(create_model("M", a=(Plain, ...), b=(list[Plain], ...)))

    described = PLAIN | {"description": "A thing."}
    assert schema["properties"] == {"a": described, "b": {"type": "ARRAY", "items": described}}


def test_the_words_of_an_optional_field_come_before_its_models_own() -> None:
    schema = field_schema(Plain | None, Field(default=None, description="If there is one"))

    assert schema["description"] == "If there is one\n\nA thing."


def test_the_order_of_the_fields_is_told_where_there_is_more_than_one() -> None:
    assert gemini_schema(create_model("M", b=(int, ...), a=(int, 1)))["propertyOrdering"] == ["b", "a"]
    assert "propertyOrdering" not in gemini_schema(Plain)


def test_the_root_may_be_a_list() -> None:
    assert gemini_schema(RootModel[list[int]]) == {"type": "ARRAY", "items": {"type": "INTEGER"}}


def test_the_gemini_api_is_sent_no_other_format_than_a_moment() -> None:
    model = create_model("M", x=(dt.date, ...))

    assert gemini_schema(model)["properties"]["x"] == {"type": "STRING", "description": "{format: date}"}
    assert vertex_schema(model)["properties"]["x"] == {"type": "STRING", "format": "date"}


@pytest.mark.parametrize("write", [gemini_schema, vertex_schema], ids=["gemini", "vertex"])
@pytest.mark.parametrize(
    ("annotation", "path", "remedy"),
    [
        pytest.param(dict[str, int], "Order.x", "list of models", id="dict"),
        pytest.param(Open, "Order.x", "name the fields", id="extra-allow"),
        pytest.param(Any, "Order.x", "Declare a type", id="any"),
        pytest.param(tuple[int, str], "Order.x", "one field per position", id="tuple"),
        pytest.param(Node, "Order.x.children[]", "a parent's id", id="recursion"),
        pytest.param(list[Empty], "Order.x[]", "Give it a field", id="empty"),
        pytest.param(
            Annotated[
                int, Field(json_schema_extra={"anyOf": [{"type": "integer"}], "items": {"type": "null"}})
            ],
            "Order.x",
            "one or the other",
            id="crowded-union",
        ),
    ],
)
def test_what_google_would_refuse_or_misread_is_refused(
    write: Any, annotation: Any, path: str, remedy: str
) -> None:
    with pytest.raises(SchemaError, match=remedy) as caught:
        write(create_model("Order", x=(annotation, ...)))
    assert caught.value.path == path
