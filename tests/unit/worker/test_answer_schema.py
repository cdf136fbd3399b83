"""What breaks a response model's schema for sure, what only the model can tell, and what is said of it."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import IntEnum
from typing import Annotated, Any, Literal
from uuid import UUID

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import AnyUrl, BaseModel, Discriminator, Field, Tag, ValidationError

from batchline_worker.answer_schema import AnswerSchema, answer_schema


class Level(IntEnum):
    LOW = 1
    HIGH = 2


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: int = Field(ge=0, le=9)


class Dog(BaseModel):
    kind: Literal["dog"]
    name: str = Field(max_length=5)


class Wide(BaseModel):
    count: int = Field(default=1, ge=0, le=10)
    share: float = Field(default=0.5, gt=0)
    sure: bool = True
    price: Decimal = Decimal(1)
    on: date | None = None
    at: datetime | None = None
    lasts: timedelta | None = None
    key: UUID | None = None
    url: AnyUrl | None = None
    level: Level = Level.LOW
    names: set[str] = Field(default=set(), max_length=2)
    pair: tuple[int, str] | None = None
    by_name: dict[str, int] = {}
    pet: Annotated[Cat | Dog, Field(discriminator="kind")] | None = None
    some: Annotated[
        Annotated[int, Tag("a")] | Annotated[float, Tag("b")],
        Discriminator(lambda value: "a" if isinstance(value, int) else "b"),
    ] = 1


SCHEMA = AnswerSchema(Wide.model_json_schema())

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-3, 12)
    | st.floats(-2, 12, allow_nan=False)
    | st.sampled_from(
        ["", "1", "1.0", " 2 ", "1e3", "1_0", "inf", "-3", "true", "off", "x", "2020-01-01", "P1D", "a" * 40]
    )
    | st.sampled_from(["2020-01-01T00:00:00Z", "http://x.y", "12345678-1234-5678-1234-567812345678"])
)
pets = st.fixed_dictionaries(
    {"kind": st.sampled_from(["cat", "dog"])}, optional={"lives": scalars, "name": scalars}
)
values = scalars | st.lists(scalars, max_size=3) | st.dictionaries(st.sampled_from("ab"), scalars) | pets


@given(st.dictionaries(st.sampled_from([*Wide.model_fields, "other"]), values))
def test_nothing_that_the_model_takes_is_a_misfit(answer: dict[str, Any]) -> None:
    text = orjson.dumps(answer)
    try:
        Wide.model_validate_json(text)
    except ValidationError:
        return
    assert SCHEMA.misfit(orjson.loads(text)) is None


@pytest.mark.parametrize(
    ("answer", "told", "message"),
    [
        ({"count": 11}, "count: 11 is greater than the maximum of 10", "count: maximum"),
        ({"count": "many"}, 'count: "many" is not of type "integer"', "count: type"),
        ([], 'answer: [] is not of type "object"', "answer: type"),
        (
            {"pet": {"kind": "cat", "lives": 10}},
            "pet.lives: 10 is greater than the maximum of 9",
            "pet.lives: maximum",
        ),
        ({"by_name": {"secret": None}}, 'by_name.secret: null is not of type "integer"', "by_name.*: type"),
    ],
    ids=["bound", "type", "shape", "choice", "key"],
)
def test_what_is_wrong_is_told_to_the_model_in_full_and_to_people_without_the_answer(
    answer: Any, told: str, message: str
) -> None:
    misfit = SCHEMA.misfit(answer)

    assert misfit is not None
    assert misfit.told == [told]
    assert misfit.message == f"the answer breaks the response model's JSON schema: {message}"


def test_a_missing_field_is_named() -> None:
    misfit = AnswerSchema(Cat.model_json_schema()).misfit({"kind": "cat"})

    assert misfit is not None
    assert misfit.told == ['answer: "lives" is a required property']


def test_few_of_many_problems_are_told() -> None:
    misfit = SCHEMA.misfit({"by_name": {str(number): None for number in range(10_000)}})

    assert misfit is not None
    assert len(misfit.told) == 10
    assert len(misfit.message) < 500


@pytest.mark.parametrize(
    "schema",
    [b"", b"not json", b'{"type":"nonsense"}', b'{"$ref":"http://127.0.0.1:1/x"}', b'{"pattern":"("}'],
    ids=["none", "no JSON", "no schema", "elsewhere", "no pattern"],
)
def test_a_schema_that_cannot_be_used_judges_nothing(schema: bytes) -> None:
    assert answer_schema(schema) is None
