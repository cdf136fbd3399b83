"""Response models that put models, lists and unions into each other."""

from typing import Generic, NotRequired, TypeVar

from pydantic import BaseModel, Field
from typing_extensions import TypedDict

from contract.schemas.models import Plain
from contract.schemas.unions import Cat, Dog

K = TypeVar("K")
V = TypeVar("V")


class Street(BaseModel):
    """Where a house stands."""

    name: str


class Town(BaseModel):
    streets: list[Street]
    main: Street | None = Field(default=None, description="The longest one")


class Country(BaseModel):
    towns: list[Town]
    capital: Town


class SharedTwice(BaseModel):
    one: Plain
    some: list[Plain]
    maybe: Plain | None
    either: Plain | Street


class DescribedUnion(BaseModel):
    value: int | str = Field(description="A number, or a word for it")
    values: list[int | str] = Field(description="Several")


class DeepUnion(BaseModel):
    value: int | list[str] | Plain | None


class BoolOrInt(BaseModel):
    value: bool | int


class ListOfOptional(BaseModel):
    values: list[int | None]
    pets: list[Cat | None]


class OptionalList(BaseModel):
    values: list[str] | None = Field(default=None, description="If there are any")


class Entry(BaseModel, Generic[K, V]):
    key: K
    value: V


class Entries(BaseModel):
    entries: list[Entry[str, Plain]]
    pets: list[Entry[str, Cat | Dog]]


class Partial(TypedDict):
    title: str
    year: NotRequired[int]


class HoldsPartial(BaseModel):
    film: Partial


class Empty(BaseModel):
    """Says nothing."""


class HoldsEmpty(BaseModel):
    nothing: Empty


class SpacedAlias(BaseModel):
    given: str = Field(alias="given name")


class DottedAlias(BaseModel):
    given: str = Field(alias="given.name")


class DigitAlias(BaseModel):
    first: str = Field(alias="1st")


class Twins(BaseModel):
    name: str
    other: str = Field(alias="Name")
