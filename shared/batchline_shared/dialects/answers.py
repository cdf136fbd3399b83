"""The answer in a result line, judged alike for every provider.

A provider's reader finds the text, and how the answer ended; these functions
say whether the text will do. They raise nothing, whatever they are given.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import orjson

from batchline_shared.outcomes import ErrorType

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "NO_PROBLEM",
    "NO_TEXT",
    "REFUSED",
    "Problem",
    "as_json",
    "first",
    "mapping",
    "named",
    "text_id",
    "text_problem",
    "unfenced",
]

Problem = tuple[ErrorType | None, str]
"""Why an answer is not usable, and in which words; `NO_PROBLEM` where it is."""

NO_PROBLEM: Final[Problem] = (None, "")
REFUSED: Final[Problem] = (ErrorType.REFUSED, "the model declined to answer")
NO_TEXT: Final[Problem] = (ErrorType.INVALID_OUTPUT, "the answer holds no text")
_NO_JSON: Final[Problem] = (ErrorType.INVALID_OUTPUT, "the answer is no JSON")

_EMPTY: Final[dict[str, Any]] = {}


def text_id(value: Any) -> str | None:
    """Read an id that somebody else gave: text, or a number; None for anything else."""
    if type(value) is int:
        return str(value)
    return value if isinstance(value, str) and value else None


def mapping(value: Any) -> Mapping[str, Any]:
    """The value where it is a JSON object; else an empty one."""
    return value if isinstance(value, dict) else _EMPTY


def first(value: Any) -> Mapping[str, Any]:
    """The first object of a list; an empty one where there is none."""
    return mapping(value[0]) if isinstance(value, list) and value else _EMPTY


def named(value: Any) -> str:
    """Show a reason or a type in a message; the `repr` of one that is nested might not end."""
    return repr(value) if value is None or isinstance(value, str | int | float) else type(value).__name__


def as_json(value: Any) -> str | None:
    """Write a part of a line as JSON again; None where it is nested deeper than any model is."""
    try:
        return orjson.dumps(value).decode()
    except TypeError:
        return None


def text_problem(text: str | None, *, structured: bool) -> Problem:
    """Say whether an answer's text will do; `structured`: it must be JSON, bare or in a fence."""
    if text is None:
        return NO_TEXT
    if not structured:
        return NO_PROBLEM
    try:
        orjson.loads(unfenced(text))
    except orjson.JSONDecodeError:
        return _NO_JSON
    return NO_PROBLEM


def unfenced(text: str) -> str:
    """Take the answer out of a ```json fence that encloses it wholly."""
    # Nearly every structured answer starts with a brace: no search through the whole text for those.
    if text[:1] in "{[" or "```" not in text:
        return text
    stripped = text.strip()
    if stripped.startswith("```json") and stripped.endswith("```") and len(stripped) >= len("```json```"):
        return stripped[len("```json") : -len("```")].strip()
    return text
