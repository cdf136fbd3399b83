"""The table in docs/schemas.md says of each construct what the code does with it."""

import datetime as dt
import decimal
import enum
import uuid
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import AnyUrl, BaseModel, Field, RootModel, create_model

from batchline_shared.errors import SchemaError
from batchline_shared.schemas import (
    anthropic_schema,
    anthropic_tool_schema,
    gemini_schema,
    strict_schema,
    vertex_schema,
)
from contract.schemas.loose import Deep, Open
from contract.schemas.models import Colour, Forbidding, Level, Node, Plain
from contract.schemas.shapes import Empty, SpacedAlias, Twins
from contract.schemas.unions import Cat, Dog

PAGE = Path(__file__).parents[3] / "docs" / "schemas.md"

WRITERS: dict[str, Any] = {
    "OpenAI strict": strict_schema,
    "Anthropic output": anthropic_schema,
    "Anthropic tool": anthropic_tool_schema,
    "Vertex AI batch": vertex_schema,
    "Gemini API": gemini_schema,
}


class Half(enum.Enum):
    HALF = 0.5


def holding(annotation: Any, **about: Any) -> type[BaseModel]:
    return create_model("M", x=(annotation, Field(**about)))


def many(count: int, default: Any) -> type[BaseModel]:
    return create_model("M", **{f"f{i}": (int | None, default) for i in range(count)})  # type: ignore[call-overload, no-any-return]


CONSTRUCTS: dict[str, type[BaseModel]] = {
    "a model, and one inside of it": holding(Plain),
    "a list, `tuple[X, ...]`": holding(tuple[int, ...]),
    "a default: left out, the field is asked for": holding(int, default=5),
    "`X | None`": holding(int | None, default=None),
    "17 fields of `X | None`": many(17, ...),
    "17 to 40 fields of `X | None = None`": many(40, None),
    "41 of them": many(41, None),
    "a union, with or without a discriminator": holding(Annotated[Cat | Dog, Field(discriminator="kind")]),
    "`Literal` and `Enum` of strings": holding(Colour),
    "… that look like numbers, dates or truth values": holding(Literal["1", "2"]),
    "… of which one is empty": holding(Literal["", "a"]),
    "`Literal` and `Enum` of whole numbers": holding(Level),
    "`Literal` and `Enum` of fractions or truth values": holding(Half),
    "`Literal` and `Enum` of several types": holding(Literal[1, "a"]),
    "a description beside a model": holding(Plain, description="d"),
    "`examples`": holding(int, examples=[1]),
    "`ge`, `le`": holding(int, ge=0, le=9),
    "`gt`, `lt` of an integer": holding(int, gt=0, lt=9),
    "`gt`, `lt` of a float": holding(float, gt=0, lt=9),
    "`multiple_of`": holding(int, multiple_of=2),
    "`min_length`, `max_length` of text": holding(str, min_length=1, max_length=9),
    "`pattern`": holding(str, pattern="^a+$"),
    "`pattern` with a lookaround or a flag": holding(str, json_schema_extra={"pattern": "^(?!x)a"}),
    "at least 0 or 1 in a list": holding(list[int], min_length=1),
    "other lengths of a list": holding(list[int], min_length=2, max_length=9),
    "a set": holding(set[int]),
    "`datetime`": holding(dt.datetime),
    "`date`": holding(dt.date),
    "`time`, `timedelta`, `UUID`, IP addresses": holding(uuid.UUID),
    "a URL": holding(AnyUrl),
    "`bytes`, `SecretStr`": holding(bytes),
    "`Decimal`": holding(decimal.Decimal),
    '`extra="forbid"` and `"ignore"`': Forbidding,
    '`extra="allow"`': Open,
    "a dict": holding(dict[str, int]),
    "`Any`": holding(Any),
    "a tuple of fixed positions": holding(tuple[int, str]),
    "a recursion": Node,
    "a model without fields": holding(Empty),
    "a root that is a list or a union": RootModel[list[int]],
    "an alias with a space or other letters": SpacedAlias,
    "names that differ only in capitals": Twins,
    "a field named like a keyword": create_model("M", type=(str, ...), items=(int, ...)),
    "seven models inside each other": Deep,
    "`not`, `if`, several `allOf` from `json_schema_extra`": holding(
        int, json_schema_extra={"not": {"const": 1}}
    ),
}


def table() -> dict[str, dict[str, str]]:
    """Read the page's table: construct → dialect → verdict."""
    rows = [
        [cell.strip() for cell in line.strip().strip("|").split(" | ")]
        for line in PAGE.read_text(encoding="utf-8").partition("\n## ")[0].splitlines()
        if line.startswith("| ")
    ]
    head, *body = rows
    return {row[0].replace("\\|", "|"): dict(zip(head[1:], row[1:], strict=True)) for row in body}


def verdict(write: Any, model: type[BaseModel]) -> str:
    try:
        schema = write(model)
    except SchemaError:
        return "refused"
    return "words" if any("{" in text for text in _descriptions(schema)) else "kept"


def _descriptions(node: Any) -> list[str]:
    if isinstance(node, list):
        return [text for each in node for text in _descriptions(each)]
    if not isinstance(node, dict):
        return []
    own = [node["description"]] if isinstance(node.get("description"), str) else []
    return own + [text for each in node.values() for text in _descriptions(each)]


def test_the_page_lists_every_construct_that_is_tried_here() -> None:
    assert list(table()) == list(CONSTRUCTS)


@pytest.mark.parametrize("construct", CONSTRUCTS)
def test_the_page_says_what_the_code_does(construct: str) -> None:
    found = {name: verdict(write, CONSTRUCTS[construct]) for name, write in WRITERS.items()}

    assert table()[construct] == found
