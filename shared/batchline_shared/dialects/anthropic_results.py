"""What a line of an Anthropic batch's results means.

`succeeded` says that the API replied, not that the reply is usable: cut and
refused answers are among them. An error lies two levels deep
(`result.error.error`), and its own `type` names the kind. Errored, cancelled and
expired requests cost nothing; they have no usage.

Source: Anthropic's Message Batches API reference; see `docs/providers.md`.
"""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from batchline_shared.dialects.answers import (
    NO_PROBLEM,
    NO_TEXT,
    REFUSED,
    as_json,
    mapping,
    named,
    text_problem,
    unfenced,
)
from batchline_shared.dialects.verdict import Verdict, shorten, token_count
from batchline_shared.outcomes import ErrorType

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batchline_shared.dialects.answers import Problem

__all__ = ["ERRORS", "FINISHED", "STOP_REASONS", "answer_text", "classify"]

ERRORS: Mapping[str, ErrorType] = MappingProxyType(
    {
        "invalid_request_error": ErrorType.INVALID_REQUEST,
        "request_too_large": ErrorType.INVALID_REQUEST,
        "not_found_error": ErrorType.INVALID_REQUEST,
        "authentication_error": ErrorType.INVALID_REQUEST,
        "permission_error": ErrorType.INVALID_REQUEST,
        "billing_error": ErrorType.QUOTA_EXHAUSTED,
        "rate_limit_error": ErrorType.RATE_LIMITED,
        "timeout_error": ErrorType.PROVIDER_ERROR,
        "api_error": ErrorType.PROVIDER_ERROR,
        "overloaded_error": ErrorType.PROVIDER_ERROR,
        "conflict_error": ErrorType.PROVIDER_ERROR,
        "memory_precondition_failed_error": ErrorType.INVALID_REQUEST,
        "memory_path_conflict_error": ErrorType.INVALID_REQUEST,
    }
)
"""Types of the inner error; a test holds them against the SDK's list."""

_SPENT: Final = re.compile(r"_spend_limit_reached$|billing_unavailable$")
"""Ends of `details.error_code` of a refusal that waiting does not lift, whatever the error's type."""

_SCHEMA: Final = re.compile(
    r"output_(?:config\.)?format\.schema|input_schema|[Gg]rammar|strict tools"
    r"|^Invalid schema|^Schemas? (?:is|contains|type)|^For '\w+' type"
)
"""Words of an invalid request that is about the response schema."""

FINISHED: Final = (None, "end_turn", "tool_use", "stop_sequence")
"""Stop reasons of an answer that the model ended by itself."""

STOP_REASONS: Mapping[str, Problem] = MappingProxyType(
    {
        "max_tokens": (ErrorType.TRUNCATED, "the answer reached its token limit (max_tokens)"),
        "model_context_window_exceeded": (
            ErrorType.TRUNCATED,
            "the answer reached the end of the model's context (model_context_window_exceeded)",
        ),
        "pause_turn": (
            ErrorType.TRUNCATED,
            "the provider paused the answer before its end, and a batch cannot resume it (pause_turn)",
        ),
        "refusal": REFUSED,
    }
)
"""Stop reasons of an answer that is not usable."""

_ENDED: Mapping[str, Problem] = MappingProxyType(
    {
        "expired": (ErrorType.EXPIRED, "the batch expired before this request was run"),
        "canceled": (ErrorType.CANCELLED, "the batch was cancelled before this request was run"),
    }
)


def classify(line: Mapping[str, Any], *, structured: bool) -> Verdict:
    """Say whether a result line holds a usable answer, and if not, why.

    Args:
        line: One parsed line of a batch's results. Any JSON value is borne.
        structured: The answer must be JSON: a tool's input, or a text of JSON. Whether
            it fits the response model is for the reader to check.

    Returns:
        The verdict, with the tokens that the line reports: a truncated or
        refused answer is billed too.
    """
    result = mapping(mapping(line).get("result"))
    kind = result.get("type")
    # Without a type, as in files that people keep, a message with content is an answer all the same.
    answered = kind == "succeeded" or (kind is None and "content" in mapping(result.get("message")))
    if not answered:
        return Verdict(*_failure(kind, result), 0, 0, 0, 0)
    message = mapping(result.get("message"))
    usage = mapping(message.get("usage"))
    cached = token_count(usage.get("cache_read_input_tokens"))
    written = token_count(usage.get("cache_creation_input_tokens"))
    hour = token_count(mapping(usage.get("cache_creation")).get("ephemeral_1h_input_tokens"))
    details = usage.get("output_tokens_details")
    return Verdict(
        *_message_problem(message, structured=structured),
        token_count(usage.get("input_tokens")) + written + cached,
        token_count(usage.get("output_tokens")),
        cached,
        token_count(mapping(details).get("thinking_tokens")) if details else 0,
        written,
        min(hour, written),
    )


def answer_text(line: Mapping[str, Any], *, structured: bool = True) -> str | None:
    """Return the text of a line's answer.

    Args:
        line: One parsed line of a batch's results. Any JSON value is borne.
        structured: The answer is JSON: the input of the tool that the model called, else
            its text, taken out of its ```json fence where it stands in one.

    Returns:
        The text; None where the line holds none. It may be cut or refused:
        ask `classify` first.
    """
    content = mapping(mapping(mapping(line).get("result")).get("message")).get("content")
    if structured and (called := _tool_input(content)) is not None:
        return as_json(called)
    text = _text(content)
    return unfenced(text) if structured and text is not None else text


def _message_problem(message: Mapping[str, Any], *, structured: bool) -> Problem:
    reason = message.get("stop_reason")
    # A cut answer may parse by chance, so the reason counts before the content.
    if reason != "end_turn" and reason not in FINISHED:
        known = STOP_REASONS.get(reason) if isinstance(reason, str) else None
        return known or (
            ErrorType.UNKNOWN,
            shorten(f"the answer ended for an unknown reason: {named(reason)}"),
        )
    content = message.get("content")
    if structured and (called := _tool_input(content)) is not None:
        return NO_TEXT if as_json(called) is None else NO_PROBLEM
    return text_problem(_text(content), structured=structured)


def _tool_input(content: Any) -> Any:
    """The input of the first call to a tool of ours; None where there is none."""
    if isinstance(content, list):
        for block in content:
            if isinstance(block, dict) and block.get("type") == "tool_use":
                called = block.get("input")
                return called if isinstance(called, dict) else None
    return None


def _text(content: Any) -> str | None:
    """The text blocks, joined; thinking, searches and calls are blocks too, and none is the answer."""
    if not isinstance(content, list):
        return None
    texts = [
        block["text"]
        for block in content
        if isinstance(block, dict) and block.get("type") == "text" and isinstance(block.get("text"), str)
    ]
    return "".join(texts) if texts else None


def _failure(kind: Any, result: Mapping[str, Any]) -> Problem:
    if isinstance(kind, str) and kind in _ENDED:
        return _ENDED[kind]
    if kind != "errored":
        if kind is None:
            return ErrorType.UNKNOWN, "the result line is of no kind that we know"
        return ErrorType.UNKNOWN, shorten(f"the result is of a type that we do not know: {named(kind)}")
    outer = result.get("error")
    inner = mapping(outer).get("error")
    # As documented, and flat, as some write it.
    error = mapping(inner) or mapping(outer)
    name = error.get("type")
    message = _words(error.get("message"), inner, outer, name)
    code = mapping(error.get("details")).get("error_code")
    if isinstance(code, str) and _SPENT.search(code):
        return ErrorType.QUOTA_EXHAUSTED, message
    if name == "invalid_request_error" and _SCHEMA.search(message):
        return ErrorType.SCHEMA_REJECTED, message
    return (ERRORS.get(name, ErrorType.UNKNOWN) if isinstance(name, str) else ErrorType.UNKNOWN), message


def _words(*places: Any) -> str:
    """The first text among the places where the words of an error may stand."""
    for words in places:
        if isinstance(words, str) and words:
            return shorten(words)
    return "the request failed and the result line does not say why"
