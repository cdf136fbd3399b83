"""Why Google did not answer a row of a batch.

Vertex puts the error into the row's `status`, as words and then JSON:
`Bad Request: {"error": {"code": 400, …}}`. Gemini has an `error` object. The code is
an HTTP status or one of google.rpc's numbers (0 to 16): they do not overlap.

Source: google.rpc.Code, and the payloads described in `docs/providers.md`.
"""

from __future__ import annotations

import re
from http import HTTPStatus
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import orjson

from batchline_shared.dialects.answers import mapping
from batchline_shared.dialects.failures import as_status, by_status
from batchline_shared.dialects.verdict import shorten
from batchline_shared.outcomes import ErrorType

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batchline_shared.dialects.answers import Problem

__all__ = ["failure"]

_NAMES: Mapping[str, ErrorType] = MappingProxyType(
    {
        "CANCELLED": ErrorType.CANCELLED,
        "UNKNOWN": ErrorType.PROVIDER_ERROR,
        "INVALID_ARGUMENT": ErrorType.INVALID_REQUEST,
        "DEADLINE_EXCEEDED": ErrorType.PROVIDER_ERROR,
        "NOT_FOUND": ErrorType.INVALID_REQUEST,
        "ALREADY_EXISTS": ErrorType.INVALID_REQUEST,
        "PERMISSION_DENIED": ErrorType.INVALID_REQUEST,
        "RESOURCE_EXHAUSTED": ErrorType.RATE_LIMITED,
        "FAILED_PRECONDITION": ErrorType.INVALID_REQUEST,
        "ABORTED": ErrorType.PROVIDER_ERROR,
        "OUT_OF_RANGE": ErrorType.INVALID_REQUEST,
        "UNIMPLEMENTED": ErrorType.INVALID_REQUEST,
        "INTERNAL": ErrorType.PROVIDER_ERROR,
        "UNAVAILABLE": ErrorType.PROVIDER_ERROR,
        "DATA_LOSS": ErrorType.PROVIDER_ERROR,
        "UNAUTHENTICATED": ErrorType.INVALID_REQUEST,
    }
)
"""Every name of google.rpc.Code but OK, in the order of its numbers, which begin with 1."""

_NUMBERS: Mapping[int, ErrorType] = MappingProxyType(dict(enumerate(_NAMES.values(), start=1)))

_PHRASES: Mapping[str, int] = MappingProxyType({status.phrase: status.value for status in HTTPStatus})
"""The words before the JSON, for a status whose JSON is cut or missing."""

_SCHEMA: Final = re.compile(r"response_?(?:json_?)?schema|specified schema|schema produces", re.IGNORECASE)
"""Words of an invalid request that is about the response schema."""


def failure(line: Mapping[str, Any]) -> Problem:
    """Name the kind of failure by the error's code, then by its name, and keep its words.

    Args:
        line: A line with a status or an error, or one without a reply.
    """
    status, error = line.get("status"), line.get("error")
    phrase: int | None = None
    if isinstance(status, str) and status:
        error, phrase = _parsed(status)
    fields = mapping(mapping(error).get("error")) or mapping(error)
    name = fields.get("status")
    kind = _by_code(fields.get("code")) or (_NAMES.get(name) if isinstance(name, str) else None)
    kind = kind or by_status(phrase) or ErrorType.UNKNOWN
    words = _words(fields.get("message"), error, status, name)
    if kind is ErrorType.INVALID_REQUEST and _SCHEMA.search(words):
        kind = ErrorType.SCHEMA_REJECTED
    return kind, words


def _parsed(status: str) -> tuple[Any, int | None]:
    """Take a status apart: what its JSON says, and the HTTP status that its words before it mean."""
    brace = status.find("{")
    words = status if brace < 0 else status[:brace]
    try:
        error = orjson.loads(status[brace:]) if brace >= 0 else None
    except orjson.JSONDecodeError:
        error = None
    return error, _PHRASES.get(words.strip().rstrip(":"))


def _by_code(value: Any) -> ErrorType | None:
    code = as_status(value)
    if code is None or code == 0:
        return None
    return _NUMBERS.get(code) or by_status(code)


def _words(*places: Any) -> str:
    """The first text among the places where the words of an error may stand."""
    for words in places:
        if isinstance(words, str) and words:
            return shorten(words)
    return "the result line is of no kind that we know"
