"""What a line of an OpenAI batch's output or error file means.

A line in the output file counts as `completed` at OpenAI and may still be no
usable answer: truncated, filtered and refused ones are there. Both shapes of a
failed line may stand in either file, so one function reads them all. It is
called once for each of up to 50,000 lines and raises nothing, whatever it reads.

Source: OpenAI's batch guide and the payloads described in `docs/providers.md`.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import orjson

from batchline_shared.dialects.openai_plain import plain_answer, plain_verdict
from batchline_shared.dialects.verdict import Verdict, shorten, token_count
from batchline_shared.outcomes import ErrorType

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["answer_text", "classify"]

_CODES: Mapping[str, ErrorType] = MappingProxyType(
    {
        "insufficient_quota": ErrorType.QUOTA_EXHAUSTED,
        "billing_hard_limit_reached": ErrorType.QUOTA_EXHAUSTED,
        "billing_not_active": ErrorType.QUOTA_EXHAUSTED,
        "rate_limit_exceeded": ErrorType.RATE_LIMITED,
        "invalid_json_schema": ErrorType.SCHEMA_REJECTED,
        "batch_expired": ErrorType.EXPIRED,
        "batch_cancelled": ErrorType.CANCELLED,
        "batch_canceled": ErrorType.CANCELLED,
        "content_filter": ErrorType.CONTENT_FILTERED,
        "content_policy_violation": ErrorType.CONTENT_FILTERED,
        "request_timeout": ErrorType.PROVIDER_ERROR,
        "server_error": ErrorType.PROVIDER_ERROR,
        "invalid_prompt": ErrorType.INVALID_REQUEST,
    }
)
"""Error codes, and types where there is no code, that say more than their HTTP status."""

_STATUSES: Mapping[int, ErrorType] = MappingProxyType(
    {
        0: ErrorType.PROVIDER_ERROR,  # the request never got an answer inside OpenAI
        402: ErrorType.QUOTA_EXHAUSTED,
        408: ErrorType.PROVIDER_ERROR,
        409: ErrorType.PROVIDER_ERROR,
        429: ErrorType.RATE_LIMITED,
    }
)

_FINISH_REASONS: Mapping[str, tuple[ErrorType, str]] = MappingProxyType(
    {
        "length": (ErrorType.TRUNCATED, "the answer reached its token limit (finish_reason: length)"),
        "content_filter": (
            ErrorType.CONTENT_FILTERED,
            "a filter cut the answer (finish_reason: content_filter)",
        ),
    }
)

_INCOMPLETE_REASONS: Mapping[str, tuple[ErrorType, str]] = MappingProxyType(
    {
        "max_output_tokens": (ErrorType.TRUNCATED, "the answer reached its token limit (max_output_tokens)"),
        "content_filter": (ErrorType.CONTENT_FILTERED, "a filter cut the answer (content_filter)"),
    }
)

_ANSWERED = (200, None)
"""Statuses of a line that holds an answer; None where a server alike leaves it out."""

_FINISHED = (None, "stop", "tool_calls", "function_call")
"""Finish reasons of an answer that the model ended by itself; servers alike may send none."""

_FINAL_PHASES = (None, "final_answer")
"""Phases of an output message that is the answer; `commentary` is none."""

_REFUSED = (ErrorType.REFUSED, "the model declined to answer")
_NO_TEXT = (ErrorType.INVALID_OUTPUT, "the answer holds no text")
_NO_JSON = (ErrorType.INVALID_OUTPUT, "the answer is no JSON")
_NO_PROBLEM = (None, "")

_Problem = tuple[ErrorType | None, str]
_EMPTY: dict[str, Any] = {}


def classify(line: Mapping[str, Any], *, structured: bool) -> Verdict:
    """Say whether a result line holds a usable answer, and if not, why.

    Args:
        line: One parsed line of an output or error file. Any JSON value is borne.
        structured: The answer must be JSON, bare or in a ```json fence. Whether
            it fits the response model is for the reader to check.

    Returns:
        The verdict, with the tokens that the line reports: a truncated or
        invalid answer is billed too.
    """
    if (plain := plain_answer(line)) is not None:
        return _verdict(_text_problem(plain[0], structured=structured), plain[1])
    response = _mapping(_mapping(line).get("response"))
    body = _body(response)
    status = response.get("status_code")
    answered = status in _ANSWERED
    if answered and "choices" in body:
        problem = _chat_problem(body, structured=structured)
    elif answered and "output" in body:
        problem = _responses_problem(body, structured=structured)
    else:
        problem = _failure(_mapping(line), status, body)
    return _verdict(problem, body.get("usage"))


def answer_text(line: Mapping[str, Any], *, structured: bool = True) -> str | None:
    """Return the text of a line's answer.

    Args:
        line: One parsed line of an output file. Any JSON value is borne.
        structured: The answer is JSON: take it out of its ```json fence where it stands in one.

    Returns:
        The text; None where the line holds none. It may be cut or refused:
        ask `classify` first.
    """
    if (plain := plain_answer(line)) is not None:
        return _unfenced(plain[0]) if structured else plain[0]
    body = _body(_mapping(_mapping(line).get("response")))
    if "choices" in body:
        text = _chat_text(_mapping(_first(body["choices"]).get("message")))
    else:
        text, _ = _responses_answer(body.get("output"))
    return _unfenced(text) if structured and text is not None else text


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else _EMPTY


def _first(value: Any) -> Mapping[str, Any]:
    return _mapping(value[0]) if isinstance(value, list) and value else _EMPTY


def _body(response: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the endpoint's own answer; some gateways put it in as a JSON string."""
    body = response.get("body")
    if isinstance(body, str):
        try:
            body = orjson.loads(body)
        except orjson.JSONDecodeError:
            return _EMPTY
    return _mapping(body)


def _chat_text(message: Mapping[str, Any]) -> str | None:
    content = message.get("content")
    if isinstance(content, str) or not isinstance(content, list):
        return content if isinstance(content, str) else None
    # Servers alike may answer in content parts, as requests may ask in them.
    texts = [part["text"] for part in content if isinstance(part, dict) and isinstance(part.get("text"), str)]
    return "".join(texts) if texts else None


def _chat_problem(body: Mapping[str, Any], *, structured: bool) -> _Problem:
    choice = _first(body["choices"])
    message = _mapping(choice.get("message"))
    reason = choice.get("finish_reason")
    if reason != "stop":
        # A cut answer may parse by chance, so the reason counts before the text.
        known = _FINISH_REASONS.get(reason) if isinstance(reason, str) else None
        if known is not None:
            return known
        if reason not in _FINISHED:
            return ErrorType.UNKNOWN, shorten(f"the answer ended for an unknown reason: {reason!r}")
    if message.get("refusal"):
        return _REFUSED
    return _text_problem(_chat_text(message), structured=structured)


def _responses_problem(body: Mapping[str, Any], *, structured: bool) -> _Problem:
    status = body.get("status", "completed")
    if status == "incomplete":
        reason = _mapping(body.get("incomplete_details")).get("reason")
        known = _INCOMPLETE_REASONS.get(reason) if isinstance(reason, str) else None
        return known or (ErrorType.UNKNOWN, shorten(f"the answer is incomplete: {reason!r}"))
    if status == "cancelled":
        return ErrorType.CANCELLED, "the response was cancelled"
    if status != "completed":
        return _failure(_EMPTY, None, body)
    text, refused = _responses_answer(body["output"])
    return _REFUSED if refused else _text_problem(text, structured=structured)


def _responses_answer(output: Any) -> tuple[str | None, bool]:
    """Return the text of the final messages, and whether one of them is a refusal.

    Reasoning, tool calls and commentary are output items too; none is the answer.
    """
    texts: list[str] = []
    refused = False
    for item in output if isinstance(output, list) else ():
        if not isinstance(item, dict) or item.get("type") != "message":
            continue
        content = item.get("content")
        if item.get("phase") not in _FINAL_PHASES or not isinstance(content, list):
            continue
        for part in content:
            if not isinstance(part, dict):
                continue
            text = part.get("text")
            if part.get("type") == "output_text" and isinstance(text, str):
                texts.append(text)
            elif part.get("type") == "refusal":
                refused = True
    return ("".join(texts) if texts else None), refused


def _text_problem(text: str | None, *, structured: bool) -> _Problem:
    if text is None:
        return _NO_TEXT
    if not structured:
        return _NO_PROBLEM
    try:
        orjson.loads(_unfenced(text))
    except orjson.JSONDecodeError:
        return _NO_JSON
    return _NO_PROBLEM


def _unfenced(text: str) -> str:
    """Take the answer out of a ```json fence that encloses it wholly."""
    # Nearly every structured answer starts with a brace: no search through the whole text for those.
    if text[:1] in "{[" or "```" not in text:
        return text
    stripped = text.strip()
    if stripped.startswith("```json") and stripped.endswith("```") and len(stripped) >= len("```json```"):
        return stripped[len("```json") : -len("```")].strip()
    return text


def _failure(line: Mapping[str, Any], status: Any, body: Mapping[str, Any]) -> _Problem:
    """Name the kind of failure by code, then by message, then by HTTP status."""
    error = body.get("error") or line.get("error")
    fields = _mapping(error)
    message = fields.get("message") if fields else error
    words = shorten(message) if isinstance(message, str) and message else _described(status, fields)
    for key in (fields.get("code"), fields.get("type")):
        if isinstance(key, str) and key in _CODES:
            return _CODES[key], words
    if "Invalid schema for response_format" in words:
        return ErrorType.SCHEMA_REJECTED, words
    return _by_status(status, fields.get("type")), words


def _described(status: Any, fields: Mapping[str, Any]) -> str:
    """Describe a failure for which the provider has no words."""
    code = fields.get("code")
    if isinstance(code, str) and code:
        return shorten(code)
    if status is None:
        return "the result line is of no kind that we know"
    return shorten(f"the result line bears the status {status!r} and no error message")


def _by_status(status: Any, kind: Any) -> ErrorType:
    if type(status) is int:
        if status in _STATUSES:
            return _STATUSES[status]
        if 400 <= status < 500:  # noqa: PLR2004 - HTTP's own numbers
            return ErrorType.INVALID_REQUEST
        if 500 <= status < 600:  # noqa: PLR2004
            return ErrorType.PROVIDER_ERROR
    return ErrorType.INVALID_REQUEST if kind == "invalid_request_error" else ErrorType.UNKNOWN


def _verdict(problem: _Problem, usage: Any) -> Verdict:
    if (plain := plain_verdict(problem, usage)) is not None:
        return plain
    if not isinstance(usage, dict):
        return Verdict(*problem, 0, 0, 0, 0)
    if "prompt_tokens" in usage:
        given, spent = "prompt_tokens", "completion_tokens"
        read, thought = "prompt_tokens_details", "completion_tokens_details"
    else:
        given, spent = "input_tokens", "output_tokens"
        read, thought = "input_tokens_details", "output_tokens_details"
    return Verdict(
        *problem,
        token_count(usage.get(given)),
        token_count(usage.get(spent)),
        token_count(_mapping(usage.get(read)).get("cached_tokens")),
        token_count(_mapping(usage.get(thought)).get("reasoning_tokens")),
    )
