from typing import Generic, TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, create_model

from batchline_shared.errors import SchemaError
from batchline_shared.schemas import schema_name

T = TypeVar("T")


class Plain(BaseModel):
    a: int


class Box(BaseModel, Generic[T]):
    value: T


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        pytest.param(Plain, "Plain", id="plain"),
        pytest.param(Box[int], "Box_int", id="generic"),
        pytest.param(Box[list[Plain]], "Box_list_Plain", id="nested-generic"),
        pytest.param(create_model("A" * 64), "A" * 64, id="longest"),
    ],
)
def test_a_class_name_becomes_a_name_that_openai_allows(model: type[BaseModel], expected: str) -> None:
    assert schema_name(model) == expected


IDENTIFIERS = st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=80)


@given(first=IDENTIFIERS, second=IDENTIFIERS)
@settings(max_examples=60)
def test_names_that_lose_letters_stay_apart_and_stable(first: str, second: str) -> None:
    cut = [schema_name(type("X" * 60 + name, (Plain,), {})) for name in (f"é{first}", f"é{second}")]

    assert (cut[0] == cut[1]) == (first == second)
    assert all(len(name) <= 64 and name.isascii() for name in cut)


def test_the_name_of_something_else_than_a_model_is_refused() -> None:
    with pytest.raises(SchemaError, match="int is no Pydantic model"):
        schema_name(int)  # type: ignore[arg-type]
