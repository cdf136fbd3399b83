import enum
from typing import Annotated, Any, Literal

import pytest
from pydantic import AnyUrl, BaseModel, ConfigDict, Field, RootModel, SecretStr, create_model

from batchline_shared.errors import SchemaError
from batchline_shared.schemas import anthropic_schema


class Plain(BaseModel):
    a: int


class Open(BaseModel):
    model_config = ConfigDict(extra="allow")
    a: int


class Node(BaseModel):
    children: list["Node"] = []


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


CLOSED_PLAIN = {
    "type": "object",
    "properties": {"a": {"type": "integer"}},
    "required": ["a"],
    "additionalProperties": False,
}


def field_schema(annotation: Any, default: Any = ...) -> dict[str, Any]:
    """Build a model of one field and return what its schema says of the field."""
    model = create_model("M", x=(annotation, default))
    schema = anthropic_schema(model)
    assert schema["required"] == ["x"]
    return schema["properties"]["x"]


@pytest.mark.parametrize(
    ("annotation", "default", "expected"),
    [
        pytest.param(int, 5, {"type": "integer"}, id="default"),
        pytest.param(
            int | None, None, {"anyOf": [{"type": "integer"}, {"type": "null"}]}, id="optional-none"
        ),
        pytest.param(Literal["a", "b"], ..., {"enum": ["a", "b"]}, id="literal"),
        pytest.param(Literal["a"], ..., {"const": "a"}, id="constant"),
        pytest.param(Literal[1, "a"], ..., {"enum": [1, "a"]}, id="mixed-literal"),
        pytest.param(
            Annotated[int, Field(ge=1)], ..., {"type": "integer", "description": "{minimum: 1}"}, id="ge"
        ),
        pytest.param(
            Annotated[float, Field(gt=0, lt=1)],
            ...,
            {"type": "number", "description": "{exclusiveMinimum: 0, exclusiveMaximum: 1}"},
            id="gt-lt",
        ),
        pytest.param(
            Annotated[int, Field(multiple_of=2)],
            ...,
            {"type": "integer", "description": "{multipleOf: 2}"},
            id="multiple",
        ),
        pytest.param(
            Annotated[str, Field(max_length=5, description="A code")],
            ...,
            {"type": "string", "description": "A code\n\n{maxLength: 5}"},
            id="length",
        ),
        pytest.param(
            Annotated[str, Field(pattern="^a+$")],
            ...,
            {"type": "string", "description": "{pattern: ^a+$}"},
            id="pattern",
        ),
        pytest.param(
            Annotated[list[int], Field(min_length=1)],
            ...,
            {"type": "array", "items": {"type": "integer"}, "minItems": 1},
            id="at-least-one",
        ),
        pytest.param(
            Annotated[list[int], Field(min_length=2, max_length=3)],
            ...,
            {"type": "array", "items": {"type": "integer"}, "description": "{minItems: 2, maxItems: 3}"},
            id="list-bounds",
        ),
        pytest.param(
            set[int],
            ...,
            {"type": "array", "items": {"type": "integer"}, "description": "{uniqueItems: true}"},
            id="set",
        ),
        pytest.param(
            AnyUrl,
            ...,
            {"type": "string", "format": "uri", "description": "{minLength: 1}"},
            id="known-format",
        ),
        pytest.param(SecretStr, ..., {"type": "string"}, id="secret"),
        pytest.param(bytes, ..., {"type": "string"}, id="bytes"),
    ],
)
def test_a_field_is_written_as_anthropic_takes_it(
    annotation: Any, default: Any, expected: dict[str, Any]
) -> None:
    assert field_schema(annotation, default) == expected


def test_an_integer_enum_is_listed_without_its_type() -> None:
    schema = anthropic_schema(create_model("M", x=(Level, ...)))

    assert schema["$defs"] == {"Level": {"enum": [1, 2]}}


def test_a_definition_is_referred_to_and_a_described_one_written_out() -> None:
    schema = anthropic_schema(create_model("M", a=(Plain, ...), b=(Plain, Field(description="It"))))

    assert schema["properties"] == {
        "a": {"$ref": "#/$defs/Plain"},
        "b": {"description": "It", **CLOSED_PLAIN},
    }
    assert schema["$defs"] == {"Plain": CLOSED_PLAIN}


def test_a_tagged_union_becomes_a_plain_one() -> None:
    class Cat(BaseModel):
        kind: Literal["cat"] = "cat"

    class Dog(BaseModel):
        kind: Literal["dog"] = "dog"

    assert field_schema(Annotated[Cat | Dog, Field(discriminator="kind")]) == {
        "anyOf": [{"$ref": "#/$defs/Cat"}, {"$ref": "#/$defs/Dog"}]
    }


def test_the_root_may_be_a_list() -> None:
    assert anthropic_schema(RootModel[list[int]]) == {"type": "array", "items": {"type": "integer"}}


@pytest.mark.parametrize(
    ("annotation", "path", "remedy"),
    [
        pytest.param(dict[str, int], "Order.x", "list of models", id="dict"),
        pytest.param(Open, "Order.x", "name the fields", id="extra-allow"),
        pytest.param(Any, "Order.x", "Declare a type", id="any"),
        pytest.param(tuple[int, str], "Order.x", "one field per position", id="tuple"),
        pytest.param(Node, "Order.x.children[]", "a parent's id", id="recursion"),
    ],
)
def test_what_anthropic_would_refuse_or_always_leave_empty_is_refused(
    annotation: Any, path: str, remedy: str
) -> None:
    with pytest.raises(
        SchemaError, match=f"Anthropic's output format does not accept Order:\n.*{remedy}"
    ) as caught:
        anthropic_schema(create_model("Order", x=(annotation, ...)))
    assert caught.value.path == path


def nullable(count: int, name: str = "M", default: Any = None) -> type[BaseModel]:
    return create_model(name, **{f"f{index}": (int | None, default) for index in range(count)})  # type: ignore[call-overload, no-any-return]


NULLABLE = {"anyOf": [{"type": "integer"}, {"type": "null"}]}


def test_sixteen_unions_are_asked_for_as_they_are() -> None:
    schema = anthropic_schema(nullable(16))

    assert list(schema["properties"].values()) == [NULLABLE] * 16
    assert len(schema["required"]) == 16


def test_beyond_sixteen_as_many_as_needed_may_be_absent_instead_of_null() -> None:
    model = nullable(18)
    schema = anthropic_schema(model)

    assert list(schema["properties"].values()) == [{"type": "integer"}] * 2 + [NULLABLE] * 16
    assert schema["required"] == [f"f{index}" for index in range(2, 18)]
    assert model.model_validate(dict.fromkeys(schema["required"])) == model()


def test_forty_unions_that_default_to_none_are_allowed_and_one_more_is_not() -> None:
    assert len(anthropic_schema(nullable(40))["required"]) == 16

    with pytest.raises(SchemaError, match=r"41 fields may hold more than one type.*limit is 16") as caught:
        anthropic_schema(nullable(41))
    assert caught.value.path == "M.f40"


@pytest.mark.parametrize(
    ("annotation", "default"),
    [
        pytest.param(int | None, ..., id="no-default"),
        pytest.param(int | None, 1, id="another-default"),
        pytest.param(int | str, 1, id="without-null"),
        pytest.param(
            Annotated[str, Field(json_schema_extra={"type": ["string", "null"]})], None, id="list-of-types"
        ),
        pytest.param(int | str | None, None, id="two-types-beside-null"),
    ],
)
def test_a_seventeenth_union_that_could_not_be_absent_is_refused(annotation: Any, default: Any) -> None:
    model = create_model("M", **{f"f{index}": (annotation, default) for index in range(17)})  # type: ignore[call-overload]

    with pytest.raises(SchemaError, match="17 fields may hold more than one type") as caught:
        anthropic_schema(model)
    assert caught.value.path == "M.f16"


def test_the_words_about_a_field_that_may_be_absent_are_kept() -> None:
    described = create_model(
        "Outer", first=(Plain | None, Field(None, description="d")), rest=(nullable(16), ...)
    )
    schema = anthropic_schema(described)

    assert schema["properties"]["first"] == {"description": "d", **CLOSED_PLAIN}
    assert schema["required"] == ["rest"]


def test_unions_count_across_models_and_behind_references() -> None:
    outer = create_model(
        "Outer",
        a=(nullable(9, "A", ...), ...),
        b=(list[nullable(8, "B", ...)], ...),  # type: ignore[misc]
    )

    with pytest.raises(SchemaError, match="17 fields") as caught:
        anthropic_schema(outer)
    assert caught.value.path == "Outer.b[].f7"


def test_fields_with_a_default_use_up_no_budget() -> None:
    model = create_model("M", **{f"f{index}": (int, index) for index in range(100)})  # type: ignore[call-overload]

    assert len(anthropic_schema(model)["required"]) == 100
