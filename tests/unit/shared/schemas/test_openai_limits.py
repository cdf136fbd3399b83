from typing import Any, Literal

import pytest
from pydantic import BaseModel, create_model

from batchline_shared.errors import SchemaError
from batchline_shared.schemas import strict_schema
from batchline_shared.schemas.openai_limits import limit_problems


def nested(levels: int, *, through_lists: bool = False) -> type[BaseModel]:
    model = create_model("L1", leaf=(int, ...))
    for level in range(2, levels + 1):
        model = create_model(f"L{level}", x=(list[model] if through_lists else model, ...))  # type: ignore[valid-type]
    return model


def enum_model(*counts: int, width: int = 4) -> type[BaseModel]:
    """Build one enum field for each count; every value has exactly `width` characters."""
    fields: dict[str, Any] = {
        f"e{index}": (Literal[tuple(f"{value:0{width}}" for value in range(count))], ...)
        for index, count in enumerate(counts)
    }
    return create_model("M", **fields)


def flat(properties: int, *, name_chars: int = 6) -> dict[str, Any]:
    names = {f"{index:0{name_chars}}": {"type": "integer"} for index in range(properties)}
    return {"type": "object", "properties": names}


@pytest.mark.parametrize("through_lists", [False, True])
def test_ten_levels_of_objects_are_allowed_and_eleven_are_not(through_lists: bool) -> None:  # noqa: FBT001 - a test parameter
    strict_schema(nested(10, through_lists=through_lists))

    with pytest.raises(SchemaError, match="more than 10 objects deep") as caught:
        strict_schema(nested(11, through_lists=through_lists))
    assert caught.value.path.count(".x") == 10


def test_the_longer_way_to_a_shared_model_is_the_one_that_counts() -> None:
    shared = nested(9)
    between = create_model("Between", y=(shared, ...))

    with pytest.raises(SchemaError) as caught:
        strict_schema(
            create_model("Root", short=(shared, ...), long=(create_model("Far", z=(between, ...)), ...))
        )
    assert caught.value.path.startswith("Root.long.z.y.x")


def test_a_model_hundreds_of_levels_deep_is_refused_without_exhausting_the_stack() -> None:
    schema: dict[str, Any] = {"$defs": {"D0": flat(1)}}
    for level in range(1, 3000):
        schema["$defs"][f"D{level}"] = {
            "type": "object",
            "properties": {"x": {"$ref": f"#/$defs/D{level - 1}"}},
        }
    schema |= {"type": "object", "properties": {"x": {"$ref": "#/$defs/D2999"}}}

    assert any("objects deep" in problem.text for problem in limit_problems(schema, "M"))


class Ring(BaseModel):
    next: "Ring | None"


def test_a_recursion_has_no_depth_of_its_own() -> None:
    assert strict_schema(Ring)["type"] == "object"


def test_five_thousand_properties_are_allowed_and_one_more_is_not() -> None:
    assert list(limit_problems(flat(5000), "M")) == []
    assert "5,001 properties" in next(limit_problems(flat(5001), "M")).text


def test_names_values_and_constants_count_towards_the_characters() -> None:
    schema = flat(1000, name_chars=119)
    schema["properties"]["x" * 400] = {"const": "y" * 300}
    schema["properties"]["z" * 100] = {"enum": ["v" * 200]}

    assert list(limit_problems(schema, "M")) == []
    problems = limit_problems(schema | {"$defs": {"d": {"type": "null"}}}, "M")
    assert "120,001 characters" in next(problems).text


def test_a_thousand_enum_values_are_allowed_and_one_more_is_not() -> None:
    strict_schema(enum_model(500, 500))

    with pytest.raises(SchemaError, match="1,001 enum values"):
        strict_schema(enum_model(500, 501))


def test_a_large_enum_has_a_limit_of_characters_and_a_small_one_has_none() -> None:
    strict_schema(enum_model(250, width=400))
    strict_schema(enum_model(300, width=50))

    with pytest.raises(SchemaError, match="300 values has 15,300 characters") as caught:
        strict_schema(enum_model(1, 300, width=51))
    assert caught.value.path == "M.e1"
