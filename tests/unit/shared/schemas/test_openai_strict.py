import copy
import enum
import json
from decimal import Decimal
from typing import Annotated, Any, Literal

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import AnyUrl, BaseModel, ConfigDict, Field, RootModel, SecretStr, create_model

from batchline_shared.errors import SchemaError
from batchline_shared.schemas import strict_schema


class Plain(BaseModel):
    a: int


def field_schema(annotation: Any, default: Any = ...) -> dict[str, Any]:
    """Build a model of one field and return what its schema says of the field."""
    model = create_model("M", x=(annotation, default))
    return strict_schema(model)["properties"]["x"]


def test_every_object_is_closed_and_requires_all_its_properties_in_order() -> None:
    class Outer(BaseModel):
        z: Plain
        y: list[Plain] = []
        a: int = 1

    schema = strict_schema(Outer)

    assert schema == {
        "type": "object",
        "properties": {
            "z": {"$ref": "#/$defs/Plain"},
            "y": {"type": "array", "items": {"$ref": "#/$defs/Plain"}},
            "a": {"type": "integer"},
        },
        "required": ["z", "y", "a"],
        "additionalProperties": False,
        "$defs": {
            "Plain": {
                "type": "object",
                "properties": {"a": {"type": "integer"}},
                "required": ["a"],
                "additionalProperties": False,
            }
        },
    }
    assert list(schema["properties"]) == schema["required"]


@pytest.mark.parametrize(
    ("annotation", "default", "expected"),
    [
        pytest.param(int, 5, {"type": "integer"}, id="default"),
        pytest.param(
            int | None, None, {"anyOf": [{"type": "integer"}, {"type": "null"}]}, id="optional-none"
        ),
        pytest.param(Plain, Plain(a=1), {"$ref": "#/$defs/Plain"}, id="model-default"),
        pytest.param(float, float("inf"), {"type": "number"}, id="infinite-default"),
        pytest.param(Literal["a", "b"], "a", {"type": "string", "enum": ["a", "b"]}, id="literal"),
        pytest.param(Literal["a"], "a", {"type": "string", "const": "a"}, id="constant"),
        pytest.param(
            Literal[1, "a", True, None],  # noqa: PYI061 - one enum, not a union
            1,
            {"type": ["integer", "string", "boolean", "null"], "enum": [1, "a", True, None]},
            id="mixed-literal",
        ),
        pytest.param(list[str], ..., {"type": "array", "items": {"type": "string"}}, id="list"),
        pytest.param(
            tuple[int, ...], ..., {"type": "array", "items": {"type": "integer"}}, id="variadic-tuple"
        ),
        pytest.param(Decimal, ..., {"anyOf": [{"type": "number"}, {"type": "string"}]}, id="decimal"),
        pytest.param(bytes, ..., {"type": "string"}, id="bytes"),
        pytest.param(SecretStr, ..., {"type": "string"}, id="secret"),
        pytest.param(AnyUrl, ..., {"type": "string", "description": "{minLength: 1, format: uri}"}, id="url"),
        pytest.param(
            Annotated[int, Field(ge=1, lt=9, multiple_of=2)],
            ...,
            {"type": "integer", "minimum": 1, "exclusiveMaximum": 9, "multipleOf": 2},
            id="number-bounds",
        ),
        pytest.param(
            Annotated[list[int], Field(min_length=1, max_length=2)],
            ...,
            {"type": "array", "items": {"type": "integer"}, "minItems": 1, "maxItems": 2},
            id="list-bounds",
        ),
        pytest.param(
            Annotated[str, Field(pattern="^a+$")], ..., {"type": "string", "pattern": "^a+$"}, id="pattern"
        ),
    ],
)
def test_a_field_is_written_as_strict_mode_takes_it(
    annotation: Any, default: Any, expected: dict[str, Any]
) -> None:
    assert field_schema(annotation, default) == expected


def test_a_length_becomes_words_after_the_users_own() -> None:
    schema = field_schema(Annotated[str, Field(min_length=1, max_length=5, description="A code")])

    assert schema == {"type": "string", "description": "A code\n\n{minLength: 1, maxLength: 5}"}


@pytest.mark.parametrize("pattern", [r"^(?!x)a", r"(?<=a)b", r"(?P<n>a)", r"(a)\1", "(?i)a"])
def test_a_pattern_beyond_plain_regular_expressions_becomes_words(pattern: str) -> None:
    schema = field_schema(Annotated[str, Field(json_schema_extra={"pattern": pattern})])

    assert schema == {"type": "string", "description": f"{{pattern: {pattern}}}"}


def test_examples_are_still_told_to_the_model() -> None:
    assert field_schema(Annotated[int, Field(examples=[1, 2])])["description"] == "{examples: [1, 2]}"


def test_an_infinite_bound_is_left_out() -> None:
    extra: dict[str, Any] = {"minimum": float("-inf")}

    assert field_schema(Annotated[float, Field(json_schema_extra=extra)]) == {"type": "number"}


def test_a_reference_with_a_description_is_inlined_and_its_definition_dropped() -> None:
    schema = strict_schema(create_model("M", x=(Plain, Field(description="It"))))

    assert "$defs" not in schema
    assert schema["properties"]["x"] == {
        "description": "It",
        "type": "object",
        "properties": {"a": {"type": "integer"}},
        "required": ["a"],
        "additionalProperties": False,
    }


def test_a_tagged_union_becomes_a_plain_one() -> None:
    class Cat(BaseModel):
        kind: Literal["cat"] = "cat"

    class Dog(BaseModel):
        kind: Literal["dog"] = "dog"

    schema = strict_schema(create_model("M", pet=(Annotated[Cat | Dog, Field(discriminator="kind")], ...)))

    assert schema["properties"]["pet"] == {"anyOf": [{"$ref": "#/$defs/Cat"}, {"$ref": "#/$defs/Dog"}]}


class Node(BaseModel):
    value: int
    left: "Node | None" = None
    right: "Node" = Field(description="Ends somewhere")


def test_a_recursion_stays_a_reference_below_an_object_root() -> None:
    schema = strict_schema(Node)

    assert schema["type"] == "object"
    assert schema["properties"]["left"]["anyOf"][0] == {"$ref": "#/$defs/Node"}
    assert schema["$defs"]["Node"]["properties"]["right"] == {"$ref": "#/$defs/Node"}


def test_a_root_model_of_a_model_is_the_model() -> None:
    wrapped = RootModel[Plain]

    assert strict_schema(wrapped) == strict_schema(Plain)


def test_a_single_all_of_is_merged_into_the_schema_around_it() -> None:
    class Custom(BaseModel):
        @classmethod
        def model_json_schema(cls) -> dict[str, Any]:  # type: ignore[override]
            inner = {"allOf": [{"type": "integer", "minimum": 1}], "maximum": 2}
            return {"type": "object", "properties": {"x": inner}}

    assert strict_schema(Custom)["properties"]["x"] == {"type": "integer", "minimum": 1, "maximum": 2}


SHARED: dict[str, Any] = {
    "type": "object",
    "properties": {"x": {"enum": ["a"], "type": "string"}, "y": {"$ref": "#/definitions/Y"}},
    "definitions": {"Y": {"type": "array", "items": {"$ref": "#"}, "default": []}},
}


class SharesItsSchema(BaseModel):
    @classmethod
    def model_json_schema(cls, **_: Any) -> dict[str, Any]:
        return SHARED


def test_a_schema_that_the_user_keeps_is_neither_changed_nor_shared() -> None:
    before = copy.deepcopy(SHARED)
    schema = strict_schema(SharesItsSchema)
    schema["properties"]["x"]["enum"].append("mine")
    schema["$defs"].clear()

    assert before == SHARED


def test_older_definitions_and_a_reference_to_the_root_are_understood() -> None:
    schema = strict_schema(SharesItsSchema)

    assert schema["properties"]["y"] == {"$ref": "#/$defs/Y"}
    assert schema["$defs"] == {"Y": {"type": "array", "items": {"$ref": "#"}}}


def test_extensions_of_the_user_are_left_out() -> None:
    class Extended(BaseModel):
        model_config = ConfigDict(json_schema_extra={"x-team": "a", "$comment": "b"})
        a: int = Field(deprecated=True, json_schema_extra={"readOnly": True})

    assert strict_schema(Extended) == strict_schema(Plain)


def test_fields_named_like_keywords_are_fields() -> None:
    model = create_model("M", title=(int, 1), default=(str, "x"), properties=(Plain, ...))

    assert strict_schema(model)["required"] == ["title", "default", "properties"]


def test_inlining_that_doubles_at_each_level_ends_early() -> None:
    inner: type[BaseModel] = Plain
    for index in range(20):
        field = (inner, Field(description="d"))
        inner = create_model(f"L{index}", a=field, b=field, c=field)

    with pytest.raises(SchemaError, match=r"more than 5,000 properties"):
        strict_schema(inner)


LEAVES: list[tuple[Any, st.SearchStrategy[Any]]] = [
    (int, st.integers()),
    (str, st.text(max_size=5)),
    (bool, st.booleans()),
    (float, st.floats(allow_nan=False, allow_infinity=False)),
    (Literal["a", "b"], st.sampled_from(["a", "b"])),
    (enum.Enum("Size", {"S": "s", "L": "l"}), st.sampled_from(["s", "l"])),
]
Shape = tuple[Any, st.SearchStrategy[Any]]


def _record(shapes: list[Shape]) -> Shape:
    model = create_model(f"R{len(shapes)}", **{f"f{i}": (kind, ...) for i, (kind, _) in enumerate(shapes)})
    return model, st.fixed_dictionaries({f"f{i}": values for i, (_, values) in enumerate(shapes)})


def _grown(inner: st.SearchStrategy[Shape]) -> st.SearchStrategy[Shape]:
    lists = inner.map(lambda shape: (list[shape[0]], st.lists(shape[1], max_size=2)))
    optional = inner.map(lambda shape: (shape[0] | None, st.none() | shape[1]))
    return lists | optional | st.lists(inner, min_size=1, max_size=3).map(_record)


@settings(max_examples=40)
@given(data=st.data())
def test_any_answer_of_any_generated_model_satisfies_its_schema(data: st.DataObject) -> None:
    shapes = st.recursive(st.sampled_from(LEAVES), _grown, max_leaves=5)
    model, answers = _record(data.draw(st.lists(shapes, min_size=1, max_size=3)))
    answer = data.draw(answers)
    schema = strict_schema(model)

    jsonschema.Draft202012Validator(schema).validate(answer)
    model.model_validate_json(json.dumps(answer))
