"""How an SDK's own converter may differ from ours: one stated reason for each change, shared by the suites.

A difference changes one schema at a time, of what the SDK is given or of what
it returns. Whatever is left unequal after all of them was not intended.
"""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

Schema = dict[str, Any]


@dataclass(frozen=True)
class Difference:
    reason: str
    change: Callable[[Schema, Schema], Schema]
    """Takes one schema and the root it stands in; returns what it becomes."""


def applied(differences: Iterable[Difference], root: Schema) -> Schema:
    for difference in differences:
        root = everywhere(root, root, difference.change)
    return root


def everywhere(node: Any, root: Schema, change: Callable[[Schema, Schema], Schema]) -> Any:
    if not isinstance(node, dict):
        return node
    out = dict(change(node, root))
    for key in ("properties", "$defs"):
        if key in out:
            out[key] = {name: everywhere(each, root, change) for name, each in out[key].items()}
    for key in ("items", "additionalProperties"):
        if key in out:
            out[key] = everywhere(out[key], root, change)
    for key in ("anyOf", "oneOf", "allOf"):
        if key in out:
            out[key] = [everywhere(each, root, change) for each in out[key]]
    return out


def expanded(node: Schema, root: Schema, depth: int = 4) -> Schema:
    """Write definitions out, to a depth that ends recursions, as both sides share them differently."""
    if "$ref" in node:
        if depth == 0:
            return {"cut": True}
        target = root if node["$ref"] == "#" else root["$defs"][node["$ref"].removeprefix("#/$defs/")]
        return expanded({**target, **without(node, "$ref", "$defs")}, root, depth - 1)
    out = without(node, "$defs")
    if "properties" in out:
        out["properties"] = {key: expanded(each, root, depth) for key, each in out["properties"].items()}
    if "items" in out:
        out["items"] = expanded(out["items"], root, depth)
    for key in ("anyOf", "oneOf"):
        if key in out:
            out[key] = [expanded(each, root, depth) for each in out[key]]
    return out


def without(node: Schema, *keys: str) -> Schema:
    return {key: value for key, value in node.items() if key not in keys}


ORDER = (
    *("enum", "const", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
    *("minLength", "maxLength", "pattern", "format", "minItems", "maxItems", "uniqueItems"),
    *("minProperties", "maxProperties", "contentEncoding", "contentMediaType", "examples"),
)
"""In which order the words about a value are told."""


def text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def tell(unable: Callable[[Schema, str], bool]) -> Callable[[Schema, Schema], Schema]:
    """Build the change that puts into words what a provider is unable to hold an answer to."""

    def change(node: Schema, _root: Schema) -> Schema:
        told = [key for key in ORDER if key in node and unable(node, key)]
        if not told:
            return node
        words = "{" + ", ".join(f"{key}: {text(node[key])}" for key in told) + "}"
        parts = [node.get("description"), words]
        return {**without(node, *told), "description": "\n\n".join(part for part in parts if part)}

    return change


_ANNOTATIONS = ("title", "default", "discriminator", "readOnly", "writeOnly", "contentSchema")

ANNOTATIONS = Difference(
    "titles, defaults and other annotations are paid for with every request and hold an answer to nothing",
    lambda node, _: {k: v for k, v in without(node, *_ANNOTATIONS).items() if not k.startswith("x-")},
)

PLAIN_UNION = Difference(
    "`oneOf`, which no strict mode takes, becomes `anyOf`",
    lambda node, _: {"anyOf" if key == "oneOf" else key: value for key, value in node.items()},
)

SILENT_FORMATS = Difference(
    "`bytes` and `SecretStr` take plain text, and the words binary and password would mislead",
    lambda node, _: without(node, "format") if node.get("format") in {"binary", "password"} else node,
)

ALL_REQUIRED = Difference(
    "every field is asked for, whatever its default: the same answer from every provider, no budget spent",
    lambda node, _: {**node, "required": list(node["properties"])} if "properties" in node else node,
)


def _merged(node: Schema, _root: Schema) -> Schema:
    return {**node["allOf"][0], **without(node, "allOf")} if len(node.get("allOf", [])) == 1 else node


MERGED_ALL_OF = Difference("an `allOf` of one schema is merged into the one around it", _merged)


def target(node: Schema, root: Schema) -> Schema:
    """Follow a schema's references."""
    while "$ref" in node:
        node = {**root["$defs"][node["$ref"].removeprefix("#/$defs/")], **without(node, "$ref", "$defs")}
    return node


INLINED_SIBLINGS = Difference(
    "what is said beside a reference is kept, the model's own words giving way",
    lambda node, root: target(node, root) if set(node) - {"$ref", "$defs"} else node,
)


def holds(differences: Iterable[Difference], left_out: Difference) -> list[Difference]:
    return [each for each in differences if each is not left_out]
