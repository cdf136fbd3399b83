"""Writes one schema by one dialect's rules.

What all dialects share happens here: a definition is written once or inlined,
an `allOf` of one and a `$ref` with siblings are merged, a tagged union becomes
a plain one, objects are closed, and every property is required whatever its
default. The last is a decision: the same answer is asked for of every
provider, a model asked for all fields leaves none out, and providers count
optional fields against budgets (24 at Anthropic) or slow down with them. Only
where a dialect spends that budget on purpose are some fields left out.
"""

from copy import deepcopy
from typing import Any, Final, cast

from batchline_shared.schemas.keywords import hint
from batchline_shared.schemas.problems import Problem, raise_for
from batchline_shared.schemas.rules import Rules
from batchline_shared.schemas.tree import Schema, has_type, merged, resolve

__all__ = ["MAX_MODELS_DEEP", "MAX_PROPERTIES", "Builder"]

MAX_PROPERTIES: Final = 5_000
"""Object properties in the whole schema. OpenAI's limit; for the others it bounds what inlining may write."""

MAX_MODELS_DEEP: Final = 60
"""Models inside models where they are inlined. No provider takes as many, and Python's stack has an end."""

_LISTS = ("prefixItems",)
_SINGLES = ("items", "propertyNames")


class Builder:
    """Writes one schema, with only those definitions that are used."""

    def __init__(self, source: Schema, name: str, rules: Rules) -> None:
        """Take a schema that has passed the lint; it is read, never written."""
        self._source = source
        self._name = name
        self._rules = rules
        self._pending: list[str] = []
        self._definitions: dict[str, Schema] = {}
        self._properties = 0
        self._spare = rules.spared

    def build(self) -> Schema:
        """Write the root, then the definitions that it turned out to need.

        Raises:
            SchemaError: The model grows beyond all limits once it is inlined.
        """
        # A root that is only a `$ref` must become an object itself.
        built = self._inline(self._source, frozenset({"#"}))
        while self._pending:
            ref = self._pending.pop(0)
            target = resolve(self._source, ref) or {}
            self._definitions[_key(ref)] = self._inline(target, frozenset({"#", ref}))
        if self._definitions:
            built["$defs"] = self._definitions
        return built

    def _node(self, node: Schema, active: frozenset[str]) -> Schema:
        """Write one schema.

        A `$ref` with siblings is inlined, as strict modes allow none beside it. In
        a recursion that would never end, so that the reference wins there and the
        siblings, which only describe, are lost.
        """
        node = merged(node)
        ref = node.get("$ref")
        if self._rules.references and isinstance(ref, str) and (ref in active or not self._siblings(node)):
            return self._reference(ref)
        return self._inline(node, active)

    def _inline(self, node: Schema, active: frozenset[str]) -> Schema:
        """Write a schema in full, with what its `$ref` points to in place of it."""
        node = merged(node)
        while isinstance(ref := node.get("$ref"), str):
            active |= {ref}
            siblings = {
                key: value for key, value in node.items() if key not in ("$ref", "$defs", "definitions")
            }
            node = merged({**(resolve(self._source, ref) or {}), **siblings})
        if len(active) > MAX_MODELS_DEEP:
            self._refuse(f"more than {MAX_MODELS_DEEP} models inside each other. Flatten them.")
        node = self._rules.prepared(node)
        built = {key: deepcopy(value) for key, value in node.items() if self._rules.kept(key, value)}
        description = hint(node, self._rules.kept)
        if description:
            built["description"] = description
        return built | self._inner(node, active)

    def _inner(self, node: Schema, active: frozenset[str]) -> Schema:
        """Write the schemas inside of one; a tagged union becomes a plain one."""
        inner: Schema = {}
        if "properties" in node:
            inner |= {"type": node.get("type", "object")} | self._object(node["properties"], active)
        if "properties" in node or (has_type(node, "object") and "additionalProperties" in node):
            inner["additionalProperties"] = self._others(node.get("additionalProperties"), active)
        inner |= {key: self._node(node[key], active) for key in _SINGLES if key in node}
        inner |= {key: [self._node(each, active) for each in node[key]] for key in _LISTS if key in node}
        if "patternProperties" in node:
            patterns = cast("dict[str, Schema]", node["patternProperties"])
            inner["patternProperties"] = {key: self._node(each, active) for key, each in patterns.items()}
        members = node.get("anyOf") or node.get("oneOf")
        if members:
            inner["anyOf"] = [self._node(member, active) for member in members]
        return inner

    def _object(self, properties: dict[str, Schema], active: frozenset[str]) -> Schema:
        """Require all of an object, in the order the model declares, but what the rules spare."""
        self._properties += len(properties)
        if self._properties > MAX_PROPERTIES:
            # Here as well as in the limits: inlining can double at each level, and
            # a model that would take minutes to write must fail before that.
            self._refuse(
                f"more than {MAX_PROPERTIES:,} properties once its references are inlined. Split the model."
            )
        written: dict[str, Schema] = {}
        required: list[str] = []
        for name, schema in properties.items():
            value = _value_or_absent(schema) if self._spare else None
            if value is None:
                required.append(name)
            else:
                self._spare -= 1
            written[name] = self._node(schema if value is None else value, active)
        return {"properties": written, "required": required}

    def _others(self, declared: Any, active: frozenset[str]) -> Any:
        """Write what keys without a name may hold: nothing, unless the dialect let the lint pass it."""
        if isinstance(declared, dict):
            return self._node(cast("Schema", declared), active)
        return declared is True

    def _reference(self, ref: str) -> Schema:
        """Refer to a definition, and see that it gets written."""
        if ref == "#":
            return {"$ref": "#"}
        if _key(ref) not in self._definitions and ref not in self._pending:
            self._pending.append(ref)
        return {"$ref": f"#/$defs/{_key(ref)}"}

    def _siblings(self, node: Schema) -> bool:
        """Tell whether anything beside `$ref` would be sent."""
        beside = {key: value for key, value in node.items() if key != "$ref"}
        structure = any(key in beside for key in ("properties", "items", "anyOf", "oneOf"))
        told = bool(hint(beside, self._rules.kept))
        return structure or told or any(self._rules.kept(key, value) for key, value in beside.items())

    def _refuse(self, text: str) -> None:
        raise_for([Problem(self._name, text)], model=self._name, dialect=self._rules.name)


def _value_or_absent(schema: Schema) -> Schema | None:
    """Take null out of `X | None = None`, or return None where that would not leave a plain X."""
    members = schema.get("anyOf", [])
    values = [member for member in members if member != {"type": "null"}]
    if len(members) != len(values) + 1 or len(values) != 1 or schema.get("default", "") is not None:
        return None
    if any(key in values[0] for key in ("anyOf", "oneOf")):
        return None
    return {**values[0], **{key: value for key, value in schema.items() if key != "anyOf"}}


def _key(ref: str) -> str:
    return ref.rsplit("/", 1)[-1]
