import enum
from collections.abc import Callable
from typing import Any, Generic, Literal, NamedTuple, TypeVar

import pytest
from pydantic import BaseModel, ConfigDict, Field, RootModel, create_model

from batchline_shared.errors import InvalidInputError, SchemaError
from batchline_shared.schemas import strict_schema

T = TypeVar("T")


class Plain(BaseModel):
    a: int


class Open(BaseModel):
    model_config = ConfigDict(extra="allow")
    a: int


class Pair(NamedTuple):
    a: int
    b: str


class Item(BaseModel):
    tags: dict[str, str]


class Endless(enum.Enum):
    ALL = float("inf")


class Cat(BaseModel):
    meta: dict[str, str]


class Dog(BaseModel):
    meta: Any


class Family(BaseModel):
    name: str
    children: list["Family"] = []
    extra: set[str]


def refusal(model: Any) -> SchemaError:
    with pytest.raises(SchemaError) as caught:
        strict_schema(model)
    return caught.value


def extra(**keywords: Any) -> Any:
    return (int, Field(json_schema_extra=keywords))


@pytest.mark.parametrize(
    ("field", "path", "text"),
    [
        pytest.param((dict[str, int], ...), "Order.x", "free keys", id="dict"),
        pytest.param((dict, ...), "Order.x", "free keys", id="bare-dict"),
        pytest.param((dict[Literal["a"], int], ...), "Order.x", "keys are free", id="dict-of-literals"),
        pytest.param((Open, ...), "Order.x", "extra='allow'", id="extra-allow"),
        pytest.param((Any, ...), "Order.x", "any type", id="any"),
        pytest.param((object, ...), "Order.x", "any type", id="object"),
        pytest.param((list, ...), "Order.x[]", "any type", id="bare-list"),
        pytest.param((list[Any], ...), "Order.x[]", "any type", id="list-of-any"),
        pytest.param((tuple[int, str], ...), "Order.x", "tuple", id="tuple"),
        pytest.param((Pair, ...), "Order.x", "tuple", id="named-tuple"),
        pytest.param((tuple[int, Any], ...), "Order.x", "tuple", id="tuple-of-any"),
        pytest.param((set[int], ...), "Order.x", "a set", id="set"),
        pytest.param((frozenset[int], ...), "Order.x", "a set", id="frozenset"),
        pytest.param((list[Item], ...), "Order.x[].tags", "free keys", id="inside-a-list"),
        pytest.param((Item | None, None), "Order.x.tags", "free keys", id="inside-an-optional"),
        pytest.param((list[list[Item]], ...), "Order.x[][].tags", "free keys", id="inside-lists"),
        pytest.param((Cat | Plain, ...), "Order.x<Cat>.meta", "free keys", id="inside-a-union"),
        pytest.param((Family, ...), "Order.x.extra", "a set", id="inside-a-recursion"),
        pytest.param((Endless, ...), "Order.x", "infinity", id="infinite-enum"),
        pytest.param(extra(**{"not": {"const": 1}}), "Order.x", "`not`", id="not"),
        pytest.param(extra(**{"if": {"const": 1}}), "Order.x", "`if`", id="if"),
        pytest.param(extra(then={"const": 1}), "Order.x", "`then`", id="then"),
        pytest.param(extra(**{"else": {"const": 1}}), "Order.x", "`else`", id="else"),
        pytest.param(extra(dependentRequired={"a": ["b"]}), "Order.x", "`dependentRequired`", id="required"),
        pytest.param(extra(dependentSchemas={"a": {}}), "Order.x", "`dependentSchemas`", id="schemas"),
        pytest.param(extra(allOf=[{"minimum": 1}, {"maximum": 2}]), "Order.x", "`allOf`", id="all-of"),
        pytest.param(extra(anyOf=[{"type": "integer"}], oneOf=[]), "Order.x", "beside", id="any-and-one"),
    ],
)
def test_a_construct_that_would_change_meaning_is_refused_by_its_path(
    field: Any, path: str, text: str
) -> None:
    error = refusal(create_model("Order", first=(int, ...), x=field))

    assert error.path == path
    assert text in str(error).splitlines()[1]
    assert str(error).splitlines()[1].startswith(f"{path}: ")


@pytest.mark.parametrize(
    "model",
    [
        pytest.param(RootModel[list[int]], id="list"),
        pytest.param(RootModel[Plain | Item], id="union"),
        pytest.param(RootModel[int], id="value"),
        pytest.param(RootModel[Plain | None], id="optional"),
    ],
)
def test_a_root_that_is_no_object_is_refused_with_a_field_as_remedy(model: type[BaseModel]) -> None:
    error = refusal(model)

    assert error.path == model.__name__
    assert "class Result(BaseModel)" in str(error)


def test_an_open_root_is_refused_at_the_model_itself() -> None:
    assert refusal(Open).path == "Open"


def test_all_problems_are_told_at_once_in_the_order_of_the_fields() -> None:
    error = refusal(
        create_model("Order", a=(set[int], ...), b=(list[Item], ...), c=(Any, ...), d=(Item, ...))
    )

    assert [line.split(":")[0] for line in str(error).splitlines()[1:]] == [
        "Order.a",
        "Order.b[].tags",
        "Order.c",
    ]
    assert error.path == "Order.a"


def test_both_members_of_a_union_are_told_apart() -> None:
    error = refusal(create_model("Order", pet=(Cat | Dog, ...)))

    assert "\nOrder.pet<Cat>.meta: " in str(error)
    assert "\nOrder.pet<Dog>.meta: " in str(error)


def test_an_unbound_generic_is_refused_as_untyped() -> None:
    class Box(BaseModel, Generic[T]):
        value: T

    assert refusal(Box).path == "Box.value"


def test_a_field_that_json_cannot_hold_is_refused() -> None:
    model = create_model("Order", call=(Callable[[], int], ...))

    assert "Pydantic can write no JSON schema" in str(refusal(model))


def test_a_schema_override_that_returns_no_dict_is_refused() -> None:
    class Custom(BaseModel):
        @classmethod
        def model_json_schema(cls) -> Any:  # type: ignore[override]
            return []

    assert refusal(Custom).path == "Custom"


@pytest.mark.parametrize(
    "definition",
    [
        pytest.param({"$ref": "#/$defs/A"}, id="itself"),
        pytest.param({"allOf": [{"$ref": "#/$defs/A"}]}, id="itself-by-all-of"),
        pytest.param({"$ref": "#/$defs/Missing"}, id="missing"),
        pytest.param({"$ref": "https://example.org/a.json"}, id="remote"),
    ],
)
def test_a_reference_that_leads_to_no_schema_is_refused(definition: dict[str, Any]) -> None:
    class Custom(BaseModel):
        @classmethod
        def model_json_schema(cls) -> Any:  # type: ignore[override]
            properties = {"x": {"$ref": "#/$defs/A", "description": "d"}}
            return {"type": "object", "properties": properties, "$defs": {"A": definition}}

    assert "leads nowhere" in str(refusal(Custom))


@pytest.mark.parametrize("keyword", ["uniqueItems", "additionalProperties"])
def test_a_keyword_that_is_switched_off_is_no_problem(keyword: str) -> None:
    model = create_model("M", x=(list[int], Field(json_schema_extra={keyword: False})))

    assert strict_schema(model)["properties"]["x"] == {"type": "array", "items": {"type": "integer"}}


class NoModel:
    """Not Pydantic's."""


@pytest.mark.parametrize(
    ("candidate", "remedy"),
    [
        pytest.param(list[Plain], "Pass a subclass of BaseModel", id="list-of-models"),
        pytest.param(Plain | None, "Pass a subclass of BaseModel", id="union"),
        pytest.param(int, "int is no Pydantic model", id="int"),
        pytest.param(NoModel, "NoModel is no Pydantic model", id="class"),
        pytest.param(Plain(a=1), "Pass the class: response_model=Plain", id="instance"),
        pytest.param(BaseModel, "has no fields", id="base-model"),
        pytest.param(None, "Pass a subclass of BaseModel", id="none"),
        pytest.param({"type": "object"}, "Pass a subclass of BaseModel", id="raw-schema"),
    ],
)
def test_anything_but_a_model_class_is_refused_with_what_to_pass(candidate: Any, remedy: str) -> None:
    error = refusal(candidate)

    assert error.path == "response_model"
    assert remedy in str(error)
    assert isinstance(error, InvalidInputError)
