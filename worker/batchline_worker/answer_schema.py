"""Whether an answer breaks the JSON schema of its job's response model, and where.

The reader's Pydantic model has the last word, and takes more than its schema
says: `"28"` for a number. What it might take is no misfit here: asking again
for an answer that would do costs money.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import islice
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NamedTuple, NoReturn

import jsonschema_rs
import orjson
import structlog

from batchline_shared.schema_words import schema_words

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["AnswerSchema", "Misfit", "answer_schema", "lenient"]

_log = structlog.get_logger("batchline.answers")

_MOST: Final = 10
"""Problems of one answer that are told."""

_ALSO: Final[Mapping[str, dict[str, Any]]] = MappingProxyType(
    {
        "integer": {"type": ["boolean", "string"], "pattern": "[0-9]"},
        "number": {"type": ["boolean", "string"], "pattern": "[0-9]|inf|Inf|INF|nan|NaN|NAN"},
        "boolean": {"type": ["number", "string"]},
    }
)
"""Type → what Pydantic may read as one."""

_TIMES: Final = frozenset({"date", "date-time", "time", "duration"})
"""Formats of texts for which Pydantic takes a number too."""

_MAPS: Final = frozenset({"properties", "patternProperties", "$defs", "definitions", "dependentSchemas"})
_LISTS: Final = frozenset({"anyOf", "allOf", "oneOf", "prefixItems"})
_SCHEMAS: Final = frozenset({"items", "additionalProperties", "unevaluatedProperties", "contains"})
"""Keywords whose values are schemas; what else there is (`not`, `if`) would turn laxity into its opposite."""


class Misfit(NamedTuple):
    """What is wrong with an answer."""

    told: list[str]
    """For the model: it quotes the answer."""
    message: str
    """For people and logs: it does not."""


class AnswerSchema:
    """The schema of one job's answers."""

    def __init__(self, schema: dict[str, Any]) -> None:
        """Compile it.

        Raises:
            ValueError: It is no JSON schema, or points to another document.
        """
        self._decides = jsonschema_rs.validator_for(lenient(schema), retriever=_no_document)
        self._explains = jsonschema_rs.validator_for(schema, retriever=_no_document)
        self._words = schema_words(schema)

    def misfit(self, value: Any) -> Misfit | None:
        """Say what is wrong with an answer; None where the model may take it."""
        if self._decides.is_valid(value):
            return None
        found = list(islice(_leaves(self._explains.iter_errors(value)), _MOST))
        told = [f"{_place(error) or 'answer'}: {error.message}" for error in found]
        shown = "; ".join(f"{self._named_place(error)}: {error.kind.name}" for error in found[:5])
        return Misfit(told, f"the answer breaks the response model's JSON schema: {shown}")

    def _named_place(self, error: jsonschema_rs.ValidationError) -> str:
        """A place, without words that only the answer has."""
        parts = (
            str(part) if isinstance(part, int) or part in self._words else "*" for part in error.instance_path
        )
        return ".".join(parts) or "answer"


@lru_cache(maxsize=32)
def answer_schema(encoded: bytes) -> AnswerSchema | None:
    """The schema that a job's record holds; None where it has none, or none that can be used."""
    if not encoded:
        return None
    try:
        return AnswerSchema(orjson.loads(encoded))
    except ValueError as error:
        _log.warning("answer_schema_unusable", reason=type(error).__name__)
        return None


def lenient(schema: Any) -> Any:
    """A schema that takes whatever the model itself may take, in Pydantic's lax mode, and then some."""
    if not isinstance(schema, dict):
        return schema
    made = {name: _within(name, value) for name, value in schema.items()}
    if "oneOf" in made:
        # A discriminator decides, not that the others do not fit.
        made = {name: value for name, value in made.items() if name != "oneOf"} | {
            "allOf": [*made.get("allOf", []), {"anyOf": made["oneOf"]}]
        }
    if made.get("uniqueItems"):
        # A set is built of a list with doubles, and is shorter then.
        made = {name: value for name, value in made.items() if name not in ("uniqueItems", "maxItems")}
    kind = made.get("type")
    also = _ALSO.get(kind) if isinstance(kind, str) else None
    if kind == "string" and made.get("format") in _TIMES:
        also = {"type": "number"}
    return made if also is None else {"anyOf": [made, also]}


def _within(name: str, value: Any) -> Any:
    if name in _MAPS and isinstance(value, dict):
        return {key: lenient(held) for key, held in value.items()}
    if name in _LISTS and isinstance(value, list):
        return [lenient(held) for held in value]
    return lenient(value) if name in _SCHEMAS else value


def _leaves(errors: Iterator[jsonschema_rs.ValidationError]) -> Iterator[jsonschema_rs.ValidationError]:
    """Go into a choice of schemas where the answer is plainly meant for one of them."""
    for error in errors:
        branches = getattr(error.kind, "context", None) or []
        here = list(error.instance_path)
        meant = [branch for branch in branches if not any(_is_other_kind(one, here) for one in branch)]
        if len(meant) == 1:
            yield from _leaves(iter(meant[0]))
        else:
            yield error


def _is_other_kind(error: jsonschema_rs.ValidationError, here: list[Any]) -> bool:
    return (
        error.kind.name in ("type", "const")
        and list(error.instance_path)[: len(here)] == here
        and (error.kind.name == "const" or len(error.instance_path) == len(here))
    )


def _place(error: jsonschema_rs.ValidationError) -> str:
    return ".".join(map(str, error.instance_path))


def _no_document(uri: str) -> NoReturn:
    raise ValueError(f"the schema points to another document: {uri}")
