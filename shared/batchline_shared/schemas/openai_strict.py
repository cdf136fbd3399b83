"""The JSON schema that OpenAI's strict mode accepts for a Pydantic model.

Every property is required, whatever the model's defaults: OpenAI has no
optional fields, and a field that may be absent is written as `X | None`.
"""

import hashlib
import re
from copy import deepcopy
from typing import Any

from pydantic import BaseModel

from batchline_shared.schemas.openai_keywords import hint, kept, value_types
from batchline_shared.schemas.openai_limits import MAX_PROPERTIES, limit_problems
from batchline_shared.schemas.openai_lint import lint
from batchline_shared.schemas.problems import Problem, raise_for
from batchline_shared.schemas.source import model_schema, require_model
from batchline_shared.schemas.tree import Schema, merged, resolve

__all__ = ["schema_name", "strict_schema"]

_DIALECT = "OpenAI strict mode"
_MAX_NAME = 64
_HASH_CHARS = 8


def strict_schema(model: type[BaseModel]) -> dict[str, Any]:
    """Build the schema to send as `json_schema.schema` with `strict: true`.

    `title` and `default` are left out: the first repeats the property's name and
    is paid for with every request, the second has no meaning where every field is
    required. A constraint that strict mode does not know (a string's length, a
    URL's format) goes into the description, and is checked when the answer is
    validated with the model.

    Args:
        model: A subclass of `BaseModel`. Neither it nor what it caches is changed.

    Returns:
        A new dict that shares nothing with the model.

    Raises:
        SchemaError: OpenAI would refuse the schema. Names every field at fault.
    """
    name = require_model(model).__name__
    source = model_schema(model)
    raise_for(lint(source, name), model=name, dialect=_DIALECT)
    built = _Builder(source, name).build()
    raise_for(limit_problems(built, name), model=name, dialect=_DIALECT)
    return built


def schema_name(model: type[BaseModel]) -> str:
    """Name the schema as OpenAI allows it: `[a-zA-Z0-9_-]{1,64}`.

    The same class always gets the same name. Where the class name had to be cut
    or lost letters, a hash of it keeps two such names apart.

    Raises:
        SchemaError: The argument is no subclass of `BaseModel`.
    """
    name = require_model(model).__name__
    plain = re.sub(r"[^a-zA-Z0-9_-]+", "_", name).rstrip("_")
    if name.isascii() and 0 < len(plain) <= _MAX_NAME:
        return plain
    digest = hashlib.sha256(name.encode()).hexdigest()[:_HASH_CHARS]
    return f"{plain[: _MAX_NAME - _HASH_CHARS - 1]}_{digest}"


class _Builder:
    """Writes one strict schema, with only those definitions that are used."""

    def __init__(self, source: Schema, name: str) -> None:
        """Take a schema that has passed the lint; it is read, never written."""
        self._source = source
        self._name = name
        self._pending: list[str] = []
        self._definitions: dict[str, Schema] = {}
        self._properties = 0

    def build(self) -> Schema:
        """Write the root, then the definitions that it turned out to need."""
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

        A `$ref` with siblings is inlined, as strict mode allows none beside it. In
        a recursion that would never end, so that the reference wins there and the
        siblings, which only describe, are lost.
        """
        node = merged(node)
        ref = node.get("$ref")
        if isinstance(ref, str) and (ref in active or not _siblings(node)):
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
        built = {key: deepcopy(value) for key, value in node.items() if kept(key, value)}
        built |= value_types(node)
        description = hint(node)
        if description:
            built["description"] = description
        return built | self._inner(node, active)

    def _inner(self, node: Schema, active: frozenset[str]) -> Schema:
        """Write the schemas inside of one; a tagged union becomes a plain one."""
        inner: Schema = {}
        if "properties" in node:
            inner |= {"type": node.get("type", "object")} | self._object(node["properties"], active)
        if "items" in node:
            inner["items"] = self._node(node["items"], active)
        members = node.get("anyOf") or node.get("oneOf")
        if members:
            inner["anyOf"] = [self._node(member, active) for member in members]
        return inner

    def _object(self, properties: dict[str, Schema], active: frozenset[str]) -> Schema:
        """Close an object and require all of it, in the order the model declares."""
        self._properties += len(properties)
        if self._properties > MAX_PROPERTIES:
            # Here as well as in the limits: inlining can double at each level, and
            # a model that would take minutes to write must fail before that.
            text = f"more than {MAX_PROPERTIES:,} properties once its described references are inlined."
            raise_for([Problem(self._name, f"{text} Split the model.")], model=self._name, dialect=_DIALECT)
        return {
            "properties": {name: self._node(schema, active) for name, schema in properties.items()},
            "required": list(properties),
            "additionalProperties": False,
        }

    def _reference(self, ref: str) -> Schema:
        """Refer to a definition, and see that it gets written."""
        if ref == "#":
            return {"$ref": "#"}
        if _key(ref) not in self._definitions and ref not in self._pending:
            self._pending.append(ref)
        return {"$ref": f"#/$defs/{_key(ref)}"}


def _key(ref: str) -> str:
    return ref.rsplit("/", 1)[-1]


def _siblings(node: Schema) -> bool:
    """Tell whether anything beside `$ref` would be sent."""
    beside = {key: value for key, value in node.items() if key != "$ref"}
    structure = any(key in beside for key in ("properties", "items", "anyOf", "oneOf"))
    return structure or bool(hint(beside)) or any(kept(key, value) for key, value in beside.items())
