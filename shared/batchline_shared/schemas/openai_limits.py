"""How large a strict schema may be.

Counted on the schema that is sent: a definition used twice counts once. OpenAI
does not say how it counts; where two readings are possible we take the wider
one, so that no schema is refused here that OpenAI would accept.

Source:
    OpenAI, "Structured model outputs", section "Supported schemas"
    (docs/providers.md; read 2026-09-26).
"""

from collections.abc import Iterator
from typing import Any

from batchline_shared.schemas.builder import MAX_PROPERTIES
from batchline_shared.schemas.problems import Problem
from batchline_shared.schemas.tree import Place, Schema, children, has_type, resolve, walk

__all__ = [
    "LARGE_ENUM_VALUES",
    "MAX_CHARS",
    "MAX_ENUM_VALUES",
    "MAX_LARGE_ENUM_CHARS",
    "MAX_LEVELS",
    "limit_problems",
]

MAX_LEVELS = 10
"""Objects inside objects, the root being the first. Recursion counts once."""

MAX_CHARS = 120_000
"""Characters of all property names, definition names, enum and const values."""

MAX_ENUM_VALUES = 1_000
"""Enum values in the whole schema."""

LARGE_ENUM_VALUES = 250
"""An enum with more values than this must keep within `MAX_LARGE_ENUM_CHARS`."""

MAX_LARGE_ENUM_CHARS = 15_000
"""Characters of all values of one large enum."""

_SMALLER = "Split the model, and send one request for each part."


def limit_problems(root: Schema, name: str) -> Iterator[Problem]:
    """Find every limit that a finished strict schema exceeds."""
    nodes = [place.node for place in walk(root, name)]
    properties = [key for node in nodes for key in node.get("properties", {})]
    values = [value for node in nodes for value in node.get("enum", [])]
    constants = [node["const"] for node in nodes if "const" in node]
    chars = _chars([*properties, *root.get("$defs", {}), *values, *constants])

    yield from _over(name, "properties", len(properties), MAX_PROPERTIES)
    yield from _over(name, "enum values", len(values), MAX_ENUM_VALUES)
    yield from _over(name, "characters of names, enum and const values", chars, MAX_CHARS)
    yield from _large_enums(root, name)
    deep = _too_deep(root, name)
    if deep is not None:
        yield Problem(
            deep, f"nested more than {MAX_LEVELS} objects deep. Flatten the models above this field."
        )


def _over(name: str, what: str, count: int, limit: int) -> Iterator[Problem]:
    if count > limit:
        yield Problem(name, f"{count:,} {what}, and the limit is {limit:,}. {_SMALLER}")


def _large_enums(root: Schema, name: str) -> Iterator[Problem]:
    for place in walk(root, name):
        values = place.node.get("enum", [])
        chars = _chars(values)
        if len(values) > LARGE_ENUM_VALUES and chars > MAX_LARGE_ENUM_CHARS:
            text = (
                f"an enum of {len(values):,} values has {chars:,} characters, and the limit is "
                f"{MAX_LARGE_ENUM_CHARS:,} for more than {LARGE_ENUM_VALUES} values. "
                "Shorten the values, or ask for a string and look it up in a validator."
            )
            yield Problem(place.path, text)


def _chars(values: list[Any]) -> int:
    return sum(len(value) for value in values if isinstance(value, str))


def _too_deep(root: Schema, name: str) -> str | None:
    """Find the first object below the deepest level allowed.

    A definition is entered again only at a deeper level than before, which
    bounds the work to `MAX_LEVELS` visits of each.
    """
    deepest: dict[str, int] = {}
    stack: list[tuple[Place, int, frozenset[str]]] = [(Place(name, root), 0, frozenset())]
    while stack:
        place, level, active = stack.pop()
        ref = place.node.get("$ref")
        if ref is not None:
            target = resolve(root, ref)
            if target is not None and ref not in active and deepest.get(ref, -1) < level:
                deepest[ref] = level
                stack.append((Place(place.path, target), level, active | {ref}))
            continue
        inner = level + has_type(place.node, "object")
        if inner > MAX_LEVELS:
            return place.path
        stack.extend((child, inner, active) for child in reversed(list(children(place))))
    return None
