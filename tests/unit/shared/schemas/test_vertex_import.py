from typing import Any, Literal

import pytest
from pydantic import BaseModel, Field, create_model

from batchline_shared.errors import SchemaError
from batchline_shared.schemas import gemini_schema, vertex_schema


def named(*names: str) -> type[BaseModel]:
    fields: dict[str, Any] = {f"f{index}": (int, Field(alias=name)) for index, name in enumerate(names)}
    return create_model("Item", **fields)


@pytest.mark.parametrize("name", ["given name", "given.name", "1st", "größe", "a-b", "$ref", "x" * 301, ""])
def test_a_name_that_no_column_can_have_is_refused_by_its_path(name: str) -> None:
    model = create_model("Order", items=(list[named("ok", name)], ...))  # type: ignore[misc]

    with pytest.raises(SchemaError, match=r"Field\(alias=") as caught:
        vertex_schema(model)
    assert caught.value.path == f"Order.items[].{name}"
    gemini_schema(model)


@pytest.mark.parametrize("name", ["a", "_a", "A9_", "x" * 300])
def test_a_columns_name_is_kept(name: str) -> None:
    assert vertex_schema(named(name))["required"] == [name]


def test_names_that_differ_only_in_capitals_are_refused_within_a_model_and_not_across() -> None:
    with pytest.raises(SchemaError, match=r"Item.Name: .*only in capitals.*\nItem.NAME: ") as caught:
        vertex_schema(named("Name", "other", "NAME"))
    assert caught.value.path == "Item.Name"

    vertex_schema(create_model("Order", name=(create_model("Sub", Name=(int, ...)), ...)))


def test_fields_named_like_keywords_are_fields() -> None:
    keywords = ["type", "items", "required", "properties", "enum", "format", "anyOf"]

    assert vertex_schema(named(*keywords))["required"] == keywords


@pytest.mark.parametrize(
    "choices",
    [
        pytest.param(("1", "2"), id="integers"),
        pytest.param(("1.5", "-2e3"), id="numbers"),
        pytest.param(("true", "False"), id="truth"),
        pytest.param(("2026-01-01",), id="date"),
        pytest.param(("2026-01-01T10:00:00Z", "2026-01-01 10:00:00 UTC"), id="moment"),
        pytest.param(("10:30",), id="time"),
        pytest.param(("nan", "inf"), id="no-numbers"),
    ],
)
def test_choices_that_would_be_loaded_as_something_else_become_words(choices: tuple[str, ...]) -> None:
    model = create_model("M", x=(Literal[choices], ...))  # type: ignore[valid-type]
    field = vertex_schema(model)["properties"]["x"]

    assert "enum" not in field
    assert all(f'"{choice}"' in field["description"] for choice in choices)
    assert gemini_schema(model)["properties"]["x"]["enum"] == list(choices)


@pytest.mark.parametrize("choices", [("1", "one"), ("1st",), ("A1",), ("yes", "no"), ("Dec",), ("e",)])
def test_choices_that_are_loaded_as_text_stay_choices(choices: tuple[str, ...]) -> None:
    model = create_model("M", x=(Literal[choices], ...))  # type: ignore[valid-type]

    assert vertex_schema(model)["properties"]["x"]["enum"] == list(choices)


def nested(levels: int, kind: Any = int) -> type[BaseModel]:
    """Put models into each other; the field of the innermost holds `kind`."""
    model = create_model("L1", x=(kind, ...))
    for level in range(2, levels + 1):
        model = create_model(f"L{level}", x=(model, ...))
    return model


@pytest.mark.parametrize(
    ("levels", "kind"),
    [
        # A row's three levels, then two for each field: 3 + 6 * 2 = 15.
        pytest.param(6, int, id="models"),
        pytest.param(5, list[int], id="list"),
        pytest.param(5, list[list[int]], id="list-of-lists"),
        pytest.param(5, int | str, id="union"),
        pytest.param(6, int | None, id="optional-costs-nothing"),
    ],
)
def test_fifteen_levels_are_allowed(levels: int, kind: Any) -> None:
    vertex_schema(nested(levels, kind))


@pytest.mark.parametrize(
    ("levels", "kind", "path"),
    [
        pytest.param(7, int, "L7.x.x.x.x.x.x.x", id="models"),
        pytest.param(6, list[int], "L6.x.x.x.x.x.x[]", id="list"),
        pytest.param(5, list[list[list[int]]], "L5.x.x.x.x.x[][][]", id="list-of-lists"),
        pytest.param(6, int | str, "L6.x.x.x.x.x.x", id="union"),
    ],
)
def test_one_level_more_is_refused_by_its_path(levels: int, kind: Any, path: str) -> None:
    with pytest.raises(
        SchemaError, match="levels deep in the row that is sent, and the limit is 15"
    ) as caught:
        vertex_schema(nested(levels, kind))
    assert caught.value.path == path


def test_bounds_are_floats_and_lengths_integers() -> None:
    model = create_model("M", a=(int, Field(ge=1, le=2)), b=(str, Field(min_length=1)))
    properties = vertex_schema(model)["properties"]

    assert [type(properties["a"][key]) for key in ("minimum", "maximum")] == [float, float]
    assert type(properties["b"]["minLength"]) is int
