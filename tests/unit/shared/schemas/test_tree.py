from typing import Any

import pytest
from pydantic import BaseModel, create_model

from batchline_shared.schemas.tree import recursions


class Node(BaseModel):
    value: int
    next: "Node | None" = None


class Ping(BaseModel):
    pong: "Pong"


class Pong(BaseModel):
    pings: list["Ping"]


class Leaf(BaseModel):
    a: int


class Diamond(BaseModel):
    left: Leaf
    right: list[Leaf]


def paths(model: type[BaseModel]) -> list[str]:
    return list(recursions(model.model_json_schema(), "M"))


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        pytest.param(Node, ["M.next"], id="itself"),
        pytest.param(create_model("M", x=(list[Node], ...)), ["M.x[].next"], id="inside"),
        pytest.param(Ping, ["M.pong.pings[]"], id="through-another"),
        pytest.param(
            create_model("M", a=(Pong, ...), b=(Ping, ...)), ["M.a.pings[].pong"], id="entered-twice"
        ),
        pytest.param(Diamond, [], id="shared-is-no-recursion"),
        pytest.param(Leaf, [], id="none"),
    ],
)
def test_a_recursion_is_named_by_the_field_that_closes_it(
    model: type[BaseModel], expected: list[str]
) -> None:
    assert paths(model) == expected


def test_a_recursion_is_found_whichever_of_two_ways_is_walked_first() -> None:
    definitions: dict[str, Any] = {
        "A": {"anyOf": [{"$ref": "#/$defs/B"}, {"$ref": "#/$defs/C"}]},
        "B": {"properties": {"c": {"$ref": "#/$defs/C"}}},
        "C": {"properties": {"b": {"$ref": "#/$defs/B"}}},
    }

    found = list(recursions({"$ref": "#/$defs/A", "$defs": definitions}, "M"))

    assert found == ["M<B>.c.b"]


def test_a_reference_to_the_root_is_a_recursion() -> None:
    assert list(recursions({"properties": {"x": {"items": {"$ref": "#"}}}}, "M")) == ["M.x[]"]


def test_a_chain_of_thousands_does_not_exhaust_the_stack() -> None:
    definitions = {f"D{n}": {"properties": {"x": {"$ref": f"#/$defs/D{n + 1}"}}} for n in range(3000)}

    assert list(recursions({"$ref": "#/$defs/D0", "$defs": definitions}, "M")) == []
