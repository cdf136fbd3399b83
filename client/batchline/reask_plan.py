"""How often a job sends answers back that do not fit, and what its workers know of the response model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import orjson

from batchline_shared.errors import InvalidInputError
from batchline_shared.schemas.source import model_schema, require_model

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic import BaseModel

__all__ = ["NEVER", "ReaskPlan", "reask_plan"]

_MOST: Final = 10

_MAX_SCHEMA_BYTES: Final = 64 * 1024
"""It lies in the job's record, which is read as a whole."""

_RUNS_FIRST: Final = frozenset({"function-before", "function-wrap", "function-plain"})
"""Validators that may mend what they are given, so that an answer fits which breaks the schema."""

_MENDS: Final = frozenset(
    {
        "coerce_numbers_to_str",
        "populate_by_name",
        "validate_by_name",
        "strip_whitespace",
        "to_lower",
        "to_upper",
        "str_strip_whitespace",
        "str_to_lower",
        "str_to_upper",
    }
)
"""Settings of a model or field that do the same."""


@dataclass(frozen=True)
class ReaskPlan:
    """What a job's record says of sending answers back."""

    rounds: int = 0
    """How often an answer of one request is sent back at most; 0: never."""
    schema: bytes = b""
    """JSON schema that an answer must fit; empty: only the model itself can tell."""

    def fields(self) -> dict[str, str | int | bytes]:
        """As the job's record holds it."""
        return {"reask": self.rounds, "answer_schema": self.schema} if self.rounds else {}


NEVER: Final = ReaskPlan()


def reask_plan(rounds: int, response_model: type[BaseModel] | None) -> ReaskPlan:
    """Check what a job asks for.

    Raises:
        InvalidInputError: It is no number from 0 to 10, there is no response model that an answer could fail
            to fit, or the model's schema is too large.
        SchemaError: The model has no JSON schema.
    """
    if type(rounds) is not int or not 0 <= rounds <= _MOST:
        raise InvalidInputError(f"reask must be a whole number, 0 (never) to {_MOST}")
    if not rounds:
        return NEVER
    if response_model is None:
        raise InvalidInputError(
            "reask needs a response model: a text or an embedding cannot fail to fit; leave reask out"
        )
    model = require_model(response_model)
    if _mends(model.__pydantic_core_schema__):
        return ReaskPlan(rounds)
    try:
        schema = orjson.dumps(model_schema(model))
    except TypeError:  # a user's own schema with what JSON does not have
        return ReaskPlan(rounds)
    if len(schema) > _MAX_SCHEMA_BYTES:
        raise InvalidInputError(
            f"the response model's JSON schema has {len(schema)} bytes; "
            f"reask takes at most {_MAX_SCHEMA_BYTES}"
        )
    return ReaskPlan(rounds, schema)


def _mends(core_schema: Any) -> bool:
    """Whether a model may take an answer that breaks its JSON schema, but for Pydantic's usual laxity."""
    return any(
        any(node.get(name) is True for name in _MENDS)
        or (node.get("type") in _RUNS_FIRST and _is_users(node.get("function")))
        or (node.get("type") == "model-field" and isinstance(node.get("validation_alias"), list))
        for node in _nodes(core_schema)
    )


def _is_users(function: Any) -> bool:
    """Whether a validator is none of Pydantic's own, such as those of URLs; a serializer is no validator."""
    if not isinstance(function, dict):
        return False
    module = getattr(function.get("function"), "__module__", None)
    return str(module).partition(".")[0] != "pydantic"


def _nodes(value: Any) -> Iterator[dict[Any, Any]]:
    """Every object of a core schema; definitions are named in it, so it has an end."""
    pending = [value]
    while pending:
        node = pending.pop()
        if isinstance(node, dict):
            yield node
            pending += node.values()
        elif isinstance(node, list | tuple):
            pending += node
