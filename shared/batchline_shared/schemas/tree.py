"""Where in a JSON schema another schema can sit, and what to call that place.

A place is named as its user thinks of it: `Order.items[].tags`, not
`#/$defs/Item/properties/tags`. Nothing here knows a provider.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

__all__ = [
    "COMPOSITIONS",
    "Place",
    "Schema",
    "children",
    "followed",
    "has_type",
    "merged",
    "recursions",
    "resolve",
    "walk",
]

Schema = dict[str, Any]
"""One JSON schema object, as Pydantic writes it."""

COMPOSITIONS = ("anyOf", "oneOf", "allOf")
"""Keywords whose members describe the same value, and so share its path."""


@dataclass(frozen=True, slots=True)
class Place:
    """One schema, and the path that a user would call it by."""

    path: str
    """`Model.field`, `[]` for a list's items, `{}` for a dict's values, `<Name>` for a union's member."""

    node: Any
    """The schema. Not always a dict: JSON schema also knows `true` and `false`."""


def resolve(root: Schema, ref: object) -> Schema | None:
    """Find what a `$ref` points to, or None where it points outside of `root`."""
    if ref == "#":
        return root
    if not isinstance(ref, str) or not ref.startswith("#/"):
        return None
    node: Any = root
    for step in ref[2:].split("/"):
        if not isinstance(node, dict):
            return None
        node = cast("Schema", node).get(step)
    return cast("Schema", node) if isinstance(node, dict) else None


def children(place: Place) -> Iterator[Place]:
    """List the schemas directly inside one schema, in the order they are written.

    Definitions are no children: they count from where they are referred to.
    """
    node, path = place.node, place.path
    for name, schema in _mapping(node.get("properties")).items():
        yield Place(f"{path}.{name}", schema)
    if "items" in node:
        yield Place(f"{path}[]", node["items"])
    for index, schema in enumerate(_members(node, "prefixItems")):
        yield Place(f"{path}[{index}]", schema)
    if isinstance(node.get("additionalProperties"), dict):
        yield Place(f"{path}{{}}", node["additionalProperties"])
    for keyword in COMPOSITIONS:
        yield from _alternatives(place, keyword)


def walk(root: Schema, name: str) -> Iterator[Place]:
    """Visit every schema reachable from the root, each definition once.

    A definition used in several places is visited under the first one's path,
    and an `allOf` of one member together with the schema around it.
    The stack is our own, so that a deep model cannot exhaust Python's.
    """
    seen: set[str] = set()
    stack = [Place(name, root)]
    while stack:
        place = stack.pop()
        if not isinstance(place.node, dict):
            yield place
            continue
        node = merged(cast("Schema", place.node))
        place = Place(place.path, node)
        yield place
        following = list(children(place))
        ref = node.get("$ref")
        target = resolve(root, ref)
        if target is not None and str(ref) not in seen:
            seen.add(str(ref))
            following.insert(0, Place(place.path, target))
        stack.extend(reversed(following))


def recursions(root: Schema, name: str) -> Iterator[str]:
    """Yield the path of each field that leads back to a schema it is part of.

    A depth-first search that enters each definition once, from the place where it
    is first met; every recursion has at least one field that closes it.
    """
    entered: set[str] = set()
    stack: list[tuple[Place, frozenset[str]]] = [(Place(name, root), frozenset({"#"}))]
    while stack:
        place, active = stack.pop()
        if not isinstance(place.node, dict):
            continue
        node = merged(cast("Schema", place.node))
        following = [(child, active) for child in children(Place(place.path, node))]
        ref = node.get("$ref")
        target = resolve(root, ref)
        if isinstance(ref, str) and ref in active:
            yield place.path
        elif target is not None and str(ref) not in entered:
            entered.add(str(ref))
            following.insert(0, (Place(place.path, target), active | {str(ref)}))
        stack.extend(reversed(following))


def merged(node: Schema) -> Schema:
    """Lift the only member of an `allOf` into the schema around it, which wins."""
    while len(_members(node, "allOf")) == 1:
        outer = {key: value for key, value in node.items() if key != "allOf"}
        node = {**node["allOf"][0], **outer}
    return node


def followed(root: Schema, node: Schema) -> Schema | None:
    """Find the schema at the end of a chain of `$ref`s, or None where it has no end."""
    seen: set[str] = set()
    node = merged(node)
    while (ref := node.get("$ref")) is not None:
        target = resolve(root, ref)
        if target is None or ref in seen:
            return None
        seen.add(ref)
        node = merged(target)
    return node


def has_type(node: Schema, name: str) -> bool:
    """Tell whether `type` names this type, alone or in a list."""
    declared = node.get("type")
    return declared == name or (isinstance(declared, list) and name in declared)


def _alternatives(place: Place, keyword: str) -> Iterator[Place]:
    """Name a union's members only where there is more than one to tell apart."""
    members = _members(place.node, keyword)
    refs = [member.get("$ref") if isinstance(member, dict) else None for member in members]
    several = sum(ref is not None for ref in refs) > 1
    for member, ref in zip(members, refs, strict=True):
        label = f"<{str(ref).rsplit('/', 1)[-1]}>" if several and ref else ""
        yield Place(f"{place.path}{label}", member)


def _mapping(value: object) -> dict[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _members(node: Schema, keyword: str) -> list[Any]:
    value = node.get(keyword)
    return value if isinstance(value, list) else []
