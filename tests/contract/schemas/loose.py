"""Response models that OpenAI's strict mode refuses, and some other dialect takes."""

from typing import Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, RootModel

from contract.schemas.models import Colour, Plain
from contract.schemas.unions import Cat, Dog


class Pair(NamedTuple):
    a: int
    b: str


class Sets(BaseModel):
    one: set[int]
    other: frozenset[str]


class Tuples(BaseModel):
    two: tuple[int, str]
    named: Pair


class Dicts(BaseModel):
    counts: dict[str, int]
    nested: dict[str, Plain]
    bare: dict  # type: ignore[type-arg]
    by_colour: dict[Colour, int]
    by_word: dict[Literal["a", "b"], int]


class Open(BaseModel):
    model_config = ConfigDict(extra="allow")
    a: int


class Anything(BaseModel):
    a: Any
    b: list[Any]


class RootList(RootModel[list[Plain]]):
    pass


class RootUnion(RootModel[Cat | Dog]):
    pass


class Deep(BaseModel):
    class A(BaseModel):
        class B(BaseModel):
            class C(BaseModel):
                class D(BaseModel):
                    class E(BaseModel):
                        class F(BaseModel):
                            leaf: int

                        f: F

                    e: E

                d: D

            c: C

        b: B

    a: A
