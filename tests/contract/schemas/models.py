"""Response models of every shape that strict mode accepts, but unions."""

import datetime as dt
import decimal
import enum
import ipaddress
import re
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import (
    AnyUrl,
    BaseModel,
    ConfigDict,
    Field,
    Json,
    RootModel,
    SecretStr,
    StringConstraints,
    computed_field,
    create_model,
)
from pydantic.dataclasses import dataclass
from typing_extensions import TypeAliasType, TypedDict

T = TypeVar("T")


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Mixed(enum.Enum):
    ONE = 1
    WORD = "word"
    HALF = 0.5


class Plain(BaseModel):
    name: str
    age: int


class Scalars(BaseModel):
    s: str
    i: int
    f: float
    b: bool
    n: None


class Documented(BaseModel):
    """A person in a letter."""

    name: str = Field(description="As it is signed", title="Full name")
    age: int = Field(examples=[30, 40])


class Nested(BaseModel):
    plain: Plain
    plains: list[Plain]


class DescribedReference(BaseModel):
    first: Plain = Field(description="The first one")
    second: Plain


class OptionalReference(BaseModel):
    plain: Plain | None = Field(default=None, description="If there is one")


class Defaults(BaseModel):
    a: int = 5
    b: str | None = None
    c: list[int] = [1, 2]
    d: Plain = Plain(name="x", age=1)
    e: list[str] = Field(default_factory=list)
    f: float = float("inf")


class OptionalWithoutDefault(BaseModel):
    a: int | None
    b: str | int | None


class Literals(BaseModel):
    one: Literal["a"]
    some: Literal["a", "b"]
    mixed: Literal[1, "a", True, None]  # noqa: PYI061 - one enum, not a union
    maybe: Literal["a", "b"] | None


class Enums(BaseModel):
    colour: Colour
    level: Level
    mixed: Mixed
    colours: list[Colour]
    default: Colour = Colour.RED


class Lists(BaseModel):
    flat: list[str]
    deep: list[list[list[int]]]
    sequence: Sequence[float]
    variadic: tuple[int, ...]


class Node(BaseModel):
    value: int
    next: "Node | None"


class Tree(BaseModel):
    label: str
    branches: list["Tree"] = []


class DescribedTree(BaseModel):
    label: str
    left: "DescribedTree | None" = Field(default=None, description="The left one")


class Ping(BaseModel):
    pong: "Pong | None" = None


class Pong(BaseModel):
    ping: Ping | None = None


class Constrained(BaseModel):
    a: int = Field(ge=0, le=10)
    b: float = Field(gt=0, lt=1)
    c: int = Field(multiple_of=5)
    d: str = Field(min_length=1, max_length=10)
    e: str = Field(pattern=r"^[a-z]+$", description="Lower case")
    f: list[int] = Field(min_length=1, max_length=3)
    g: Annotated[str, StringConstraints(max_length=3)] | None
    h: str = Field(pattern=r"^(?:ab)+$")


class Dates(BaseModel):
    a: dt.datetime
    b: dt.date
    c: dt.time
    d: dt.timedelta


class KnownFormats(BaseModel):
    a: uuid.UUID
    b: ipaddress.IPv4Address
    c: ipaddress.IPv6Address


class OtherFormats(BaseModel):
    url: AnyUrl = Field(description="Its home page")
    raw: bytes
    path: Path
    secret: SecretStr
    net: ipaddress.IPv4Network
    pattern: re.Pattern[str]
    either: ipaddress.IPv4Address | AnyUrl


class Numbers(BaseModel):
    a: decimal.Decimal
    b: decimal.Decimal = Field(max_digits=5, decimal_places=2, ge=0)


class JsonText(BaseModel):
    payload: Json[int]


class Forbidding(BaseModel):
    model_config = ConfigDict(extra="forbid")
    a: int


class Ignoring(BaseModel):
    model_config = ConfigDict(extra="ignore", str_max_length=5)
    a: str


class Aliased(BaseModel):
    model_config = ConfigDict(populate_by_name=True)
    given: str = Field(alias="givenName")
    family: str = Field(validation_alias="familyName")


class Base(BaseModel):
    a: int


class Derived(Base):
    b: int = 2


class Box(BaseModel, Generic[T]):
    value: T


class Boxes(BaseModel):
    number: Box[int]
    nested: Box[Box[str]]


class Movie(TypedDict):
    title: str
    year: int


class HoldsTypedDict(BaseModel):
    movie: Movie


@dataclass
class Point:
    x: int
    y: int = 0


class HoldsDataclass(BaseModel):
    point: Point
    points: list[Point]


class Wrapped(RootModel[Plain]):
    pass


Words = TypeAliasType("Words", list[str])


class HoldsAlias(BaseModel):
    first: Words
    second: Words = Field(description="The others")


class ExtraDict(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [{"a": 1}], "x-team": "search"})
    a: int = Field(json_schema_extra={"readOnly": True, "x-index": [1]})


def _close(schema: dict[str, Any]) -> None:
    schema["additionalProperties"] = False


class ExtraCallable(BaseModel):
    model_config = ConfigDict(json_schema_extra=_close)
    a: int


class AllOfOne(BaseModel):
    plain: Annotated[str, Field(json_schema_extra={"allOf": [{"maxLength": 5, "pattern": "^a"}]})]


class NamedLikeKeywords(BaseModel):
    title: str
    default: int
    items: list[int]
    properties: Plain
    required: bool
    type: Literal["x"]


class Unicode(BaseModel):
    größe: int = Field(description="in Metern ≤ 3")  # noqa: PLC2401 - the point of this model
    名前: str  # noqa: PLC2401 - the same


class Computed(BaseModel):
    a: int

    @computed_field
    @property
    def double(self) -> int:
        return self.a * 2


Dynamic = create_model("Dynamic", a=(int, ...), b=(str | None, None))
