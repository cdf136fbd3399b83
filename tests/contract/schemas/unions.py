"""Response models with unions of other models, told apart in every way that Pydantic knows."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Discriminator, Field, Tag


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: int


class Dog(BaseModel):
    kind: Literal["dog"] = "dog"
    tricks: list[str]


class PlainUnion(BaseModel):
    pet: Cat | Dog


class TaggedUnion(BaseModel):
    pet: Annotated[Cat | Dog, Field(discriminator="kind")]


class TaggedUnionList(BaseModel):
    pets: list[Annotated[Cat | Dog, Field(discriminator="kind")]]


class OptionalTaggedUnion(BaseModel):
    pet: Annotated[Cat | Dog, Field(discriminator="kind")] | None = None


def _kind(value: Any) -> str:
    return value["kind"] if isinstance(value, dict) else value.kind


class CallableTaggedUnion(BaseModel):
    pet: Annotated[
        Annotated[Cat, Tag("cat")] | Annotated[Dog, Tag("dog")],
        Discriminator(_kind),
    ]
