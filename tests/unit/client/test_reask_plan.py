"""What workers are told of a response model: its schema, unless the model may take what breaks it."""

from __future__ import annotations

from typing import Annotated, Any

import orjson
import pytest
from pydantic import (
    AfterValidator,
    AliasChoices,
    AnyUrl,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    StringConstraints,
    WrapValidator,
    field_validator,
    model_validator,
)

from batchline.reask_plan import NEVER, reask_plan
from batchline_shared.errors import InvalidInputError, SchemaError


class Inner(BaseModel):
    url: AnyUrl | None = None
    size: int = Field(ge=1)


class Plain(BaseModel):
    inner: list[Inner]
    size: Annotated[int, AfterValidator(abs)]
    again: Plain | None = None

    @field_validator("size")
    @classmethod
    def fits(cls, value: int) -> int:
        return value


class Trimmed(BaseModel):
    name: Annotated[str, StringConstraints(strip_whitespace=True, max_length=3)]


class TrimmedAll(BaseModel):
    model_config = ConfigDict(str_strip_whitespace=True)
    name: str


class ByName(BaseModel):
    model_config = ConfigDict(populate_by_name=True)
    name: str = Field(alias="fullName")


class OneOf(BaseModel):
    name: str = Field(validation_alias=AliasChoices("a", "b"))


class Before(BaseModel):
    names: list[Annotated[str, BeforeValidator(str.strip)]]


class Wrapped(BaseModel):
    inner: Annotated[int, WrapValidator(lambda value, handler: handler(value))]


class PlainValidated(BaseModel):
    size: Annotated[int, PlainValidator(int)]


class Mended(BaseModel):
    name: str

    @model_validator(mode="before")
    @classmethod
    def mend(cls, value: Any) -> Any:
        return value


class Outer(BaseModel):
    mended: dict[str, Mended] = {}


@pytest.mark.parametrize("model", [Inner, Plain], ids=lambda model: model.__name__)
def test_workers_get_the_schema_with_all_its_bounds(model: type[BaseModel]) -> None:
    plan = reask_plan(2, model)

    assert orjson.loads(plan.schema) == model.model_json_schema()
    assert plan.fields() == {"reask": 2, "answer_schema": plan.schema}


@pytest.mark.parametrize(
    "model",
    [Trimmed, TrimmedAll, ByName, OneOf, Before, Wrapped, PlainValidated, Mended, Outer],
    ids=lambda model: model.__name__,
)
def test_a_model_that_may_mend_an_answer_is_judged_by_its_reader_alone(model: type[BaseModel]) -> None:
    plan = reask_plan(2, model)

    assert (plan.rounds, plan.schema) == (2, b"")


def test_a_job_that_sends_nothing_back_tells_workers_nothing() -> None:
    assert reask_plan(0, Plain) is NEVER
    assert NEVER.fields() == {}


def test_a_schema_that_would_swell_the_jobs_record_is_refused() -> None:
    class Large(BaseModel):
        name: str = Field(description="x" * 70_000)

    with pytest.raises(InvalidInputError, match=r"has \d+ bytes; reask takes at most 65536"):
        reask_plan(1, Large)


def test_what_is_no_model_is_refused() -> None:
    with pytest.raises(SchemaError):
        reask_plan(1, dict)  # type: ignore[arg-type]
