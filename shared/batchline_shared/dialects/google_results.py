"""What a result line of Vertex AI or of the Gemini Developer API means.

Vertex: `{custom_id, status, processed_time, request, response}`; a non-empty
`status` is the row's error, and the job has succeeded all the same. Gemini:
`{key, response}` or `{key, error}`. Both hold a GenerateContentResponse, in which
every field may be missing: a blocked prompt has no candidates, an answer whose
thoughts used up the limit has no parts, and usage is not always there.

Source: Google's batch prediction guides; see `docs/providers.md`.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from batchline_shared.dialects.answers import first, mapping, named, text_problem, unfenced
from batchline_shared.dialects.google_failures import failure
from batchline_shared.dialects.vectors import vectors_problem, vectors_text
from batchline_shared.dialects.verdict import Verdict, shorten, token_count
from batchline_shared.outcomes import ErrorType

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batchline_shared.dialects.answers import Problem

__all__ = ["FINISH_REASONS", "answer_text", "classify"]

FINISH_REASONS: Mapping[str, ErrorType] = MappingProxyType(
    {
        "MAX_TOKENS": ErrorType.TRUNCATED,
        "CONTINUATION": ErrorType.TRUNCATED,
        "SAFETY": ErrorType.CONTENT_FILTERED,
        "RECITATION": ErrorType.CONTENT_FILTERED,
        "LANGUAGE": ErrorType.CONTENT_FILTERED,
        "BLOCKLIST": ErrorType.CONTENT_FILTERED,
        "PROHIBITED_CONTENT": ErrorType.CONTENT_FILTERED,
        "SPII": ErrorType.CONTENT_FILTERED,
        "MODEL_ARMOR": ErrorType.CONTENT_FILTERED,
        "ESCALATION": ErrorType.CONTENT_FILTERED,
        "PUP_LIMITED_DISABLED": ErrorType.CONTENT_FILTERED,
        "IMAGE_SAFETY": ErrorType.CONTENT_FILTERED,
        "IMAGE_PROHIBITED_CONTENT": ErrorType.CONTENT_FILTERED,
        "IMAGE_RECITATION": ErrorType.CONTENT_FILTERED,
        "MALFORMED_FUNCTION_CALL": ErrorType.INVALID_OUTPUT,
        "MALFORMED_RESPONSE": ErrorType.INVALID_OUTPUT,
        "UNEXPECTED_TOOL_CALL": ErrorType.INVALID_OUTPUT,
        "TOO_MANY_TOOL_CALLS": ErrorType.INVALID_OUTPUT,
        "NO_IMAGE": ErrorType.INVALID_OUTPUT,
        "MISSING_THOUGHT_SIGNATURE": ErrorType.INVALID_REQUEST,
        "OTHER": ErrorType.UNKNOWN,
        "IMAGE_OTHER": ErrorType.UNKNOWN,
        "FINISH_REASON_UNSPECIFIED": ErrorType.UNKNOWN,
    }
)
"""Finish reasons of an answer that is not usable; a test holds them against the SDK's list."""

_FINISHED: Final = (None, "STOP")
"""Finish reasons of an answer that the model ended by itself; one left out says nothing against it."""

_WORDS: Mapping[ErrorType, str] = MappingProxyType(
    {
        ErrorType.TRUNCATED: "the answer reached its token limit",
        ErrorType.CONTENT_FILTERED: "a filter withheld or cut the answer",
        ErrorType.INVALID_OUTPUT: "the model's answer was malformed",
        ErrorType.INVALID_REQUEST: "the request lacks what the model needs",
        ErrorType.UNKNOWN: "the answer ended for an unknown reason",
    }
)

_NO_CANDIDATE: Final[Problem] = (
    ErrorType.CONTENT_FILTERED,
    "the reply holds no answer, as when a prompt is blocked",
)
_REPLY_FIELDS: Final = frozenset(
    {"candidates", "promptFeedback", "usageMetadata", "modelVersion", "responseId"}
)
"""What tells a reply without an answer from a line of another kind."""

_MAX_DIGITS: Final = 18
"""Longest number of which every one fits into 64 bits."""


def classify(line: Mapping[str, Any], *, structured: bool) -> Verdict:
    """Say whether a result line holds a usable answer, and if not, why.

    Args:
        line: One parsed line of a predictions or responses file. Any JSON value is borne.
        structured: The answer must be JSON, bare or in a ```json fence. Whether
            it fits the response model is for the reader to check.

    Returns:
        The verdict, with the tokens that the line reports: a truncated or
        filtered answer is billed too.
    """
    fields = mapping(line)
    response = mapping(fields.get("response"))
    if fields.get("status") or fields.get("error") or not response:
        problem = failure(fields)
    else:
        problem = _response_problem(response, structured=structured)
    usage = mapping(response.get("usageMetadata"))
    thoughts = _count(usage.get("thoughtsTokenCount"))
    return Verdict(
        *problem,
        _count(usage.get("promptTokenCount", response.get("tokenCount"))),  # the latter beside an embedding
        _count(usage.get("candidatesTokenCount")) + thoughts,
        _count(usage.get("cachedContentTokenCount")),
        thoughts,
    )


def answer_text(line: Mapping[str, Any], *, structured: bool = True) -> str | None:
    """Return the text of a line's answer.

    Args:
        line: One parsed line of a predictions or responses file. Any JSON value is borne.
        structured: The answer is JSON: take it out of its ```json fence where it stands in one.

    Returns:
        The text; for an embedding its vector as a JSON array. None where the line holds
        none. It may be cut or filtered: ask `classify` first.
    """
    response = mapping(mapping(line).get("response"))
    if "embedding" in response and "candidates" not in response:
        return vectors_text(_embedding(response))
    text = _text(first(response.get("candidates")))
    return unfenced(text) if structured and text is not None else text


def _count(value: Any) -> int:
    """Read a token count; Google's JSON writes 64-bit numbers as text."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= _MAX_DIGITS:
        value = int(value)
    return token_count(value)


def _response_problem(response: Mapping[str, Any], *, structured: bool) -> Problem:
    blocked = mapping(response.get("promptFeedback")).get("blockReason")
    if blocked:
        return ErrorType.CONTENT_FILTERED, shorten(f"the prompt was blocked (blockReason: {named(blocked)})")
    candidate = first(response.get("candidates"))
    if not candidate:
        return _no_candidate(response)
    reason = candidate.get("finishReason")
    if reason != "STOP" and reason not in _FINISHED:
        kind = FINISH_REASONS.get(reason) if isinstance(reason, str) else None
        kind = kind or ErrorType.UNKNOWN
        return kind, shorten(f"{_WORDS[kind]} (finishReason: {named(reason)})")
    return text_problem(_text(candidate), structured=structured)


def _no_candidate(response: Mapping[str, Any]) -> Problem:
    if "embedding" in response and "candidates" not in response:
        return vectors_problem(_embedding(response))
    if _REPLY_FIELDS.isdisjoint(response):
        return ErrorType.UNKNOWN, "the result line is of no kind that we know"
    return _NO_CANDIDATE


def _embedding(response: Mapping[str, Any]) -> list[Any]:
    return [mapping(response["embedding"]).get("values")]


def _text(candidate: Mapping[str, Any]) -> str | None:
    """The text parts, joined; thoughts, their signatures and calls are parts too, and none is the answer."""
    parts = mapping(candidate.get("content")).get("parts")
    if not isinstance(parts, list):
        return None
    texts = [
        part["text"]
        for part in parts
        if isinstance(part, dict) and isinstance(part.get("text"), str) and not part.get("thought")
    ]
    return "".join(texts) if texts else None
