"""Response models whose fields are bounded or chosen from a list, in every way that strict mode takes."""

import datetime as dt
import enum
from typing import Annotated, Literal, NewType

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, HttpUrl, PastDate, StringConstraints

from contract.schemas.models import Colour, Plain

Score = Annotated[int, Field(ge=0, le=5)]
UserId = NewType("UserId", int)


class Ratio(enum.Enum):
    """How much of it."""

    HALF = 0.5
    THIRD = 0.25


class Switch(enum.Enum):
    ON = True
    OFF = False


class IntLiterals(BaseModel):
    one: Literal[1]
    some: Literal[3, 1, 2]
    maybe: Literal[1, 2] | None


class BoolLiterals(BaseModel):
    yes: Literal[True]
    either: Literal[True, False]


class NumberEnums(BaseModel):
    ratio: Ratio
    ratios: list[Ratio]
    switch: Switch


class NullLiteral(BaseModel):
    nothing: Literal[None]  # noqa: PYI061 - the point of this model
    either: Literal["a", None]  # noqa: PYI061 - one enum, not a union


class NullableChoice(BaseModel):
    colour: Colour | None
    other: Colour | None = Field(default=None, description="A second one")


class EmptyChoice(BaseModel):
    answer: Literal["", "yes"]


class NumericText(BaseModel):
    digits: Literal["1", "2"]
    day: Literal["2026-01-01"]
    mixed: Literal["1", "one"]
    truth: Literal["true", "false"]


class Exclusive(BaseModel):
    a: int = Field(gt=0, lt=10)
    b: float = Field(gt=0, lt=1)
    c: int = Field(gt=0, le=3)


class TwoBounds(BaseModel):
    a: int = Field(ge=1, gt=3)
    b: float = Field(le=5, lt=9)


class LargeBounds(BaseModel):
    a: int = Field(le=2**53 + 1)
    b: int = Field(ge=-(2**53))


class Multiples(BaseModel):
    a: int = Field(multiple_of=3, ge=3)
    b: float = Field(multiple_of=0.5)


class Scores(BaseModel):
    one: Score
    several: list[Score]
    maybe: Score | None = None


class ListBounds(BaseModel):
    two: list[int] = Field(min_length=2)
    few: list[str] = Field(min_length=1, max_length=3)
    none: list[str] = Field(max_length=0)


class TextBounds(BaseModel):
    code: Annotated[str, StringConstraints(min_length=2, max_length=4)]
    codes: list[Annotated[str, StringConstraints(max_length=3)]]


class Lookaround(BaseModel):
    model_config = ConfigDict(regex_engine="python-re")
    word: str = Field(pattern=r"^(?!x)[a-z]+$")


class Moments(BaseModel):
    a: AwareDatetime
    b: PastDate
    c: list[dt.date]
    d: dt.datetime | None = None


class WebPage(BaseModel):
    url: HttpUrl


class NewTypes(BaseModel):
    user: UserId


class Strict(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True)
    a: int
    b: bool


class ManyExamples(BaseModel):
    tag: str = Field(examples=["a", "b"], description="One word")
    plain: Plain = Field(examples=[{"name": "Ann", "age": 3}])
