"""The answer in the body of an OpenAI reply: chat completions, responses, embeddings.

How an answer ended counts before what it says: a cut one may parse by chance.

Source: OpenAI's batch guide and the payloads described in `docs/providers.md`.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from batchline_shared.dialects.answers import REFUSED, first, mapping, named, text_problem
from batchline_shared.dialects.vectors import vectors_problem, vectors_text
from batchline_shared.dialects.verdict import shorten
from batchline_shared.outcomes import ErrorType

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batchline_shared.dialects.answers import Problem

__all__ = ["body_problem", "body_text"]

_CUT = (ErrorType.TRUNCATED, "the answer reached its token limit (finish_reason: length)")
_FILTERED = (ErrorType.CONTENT_FILTERED, "a filter cut the answer (finish_reason: content_filter)")

_FINISH_REASONS: Mapping[str, Problem] = MappingProxyType({"length": _CUT, "content_filter": _FILTERED})

_INCOMPLETE_REASONS: Mapping[str, Problem] = MappingProxyType(
    {
        "max_output_tokens": (ErrorType.TRUNCATED, "the answer reached its token limit (max_output_tokens)"),
        "content_filter": (ErrorType.CONTENT_FILTERED, "a filter cut the answer (content_filter)"),
    }
)

_FINISHED = (None, "stop", "tool_calls", "function_call")
"""Finish reasons of an answer that the model ended by itself; servers alike may send none."""

_FINAL_PHASES = (None, "final_answer")
"""Phases of an output message that is the answer; `commentary` is none."""


def body_problem(body: Mapping[str, Any], *, structured: bool) -> Problem | None:
    """Say whether a body holds a usable answer; None where it is no answer at all."""
    if "choices" in body:
        return None if _empty("choices", body) else _chat_problem(body, structured=structured)
    if "output" in body:
        return _responses_problem(body, structured=structured)
    if "data" in body:
        return None if _empty("data", body) else vectors_problem(_embeddings(body["data"]))
    return None


def body_text(body: Mapping[str, Any]) -> str | None:
    """The text of a body's answer, embeddings as JSON; None where it holds none."""
    if "choices" in body:
        return _chat_text(mapping(first(body["choices"]).get("message")))
    if "output" in body:
        return _responses_answer(body["output"])[0]
    return vectors_text(_embeddings(body.get("data")))


def _empty(field: str, body: Mapping[str, Any]) -> bool:
    """Whether this is an error in the frame of an answer, as some gateways send it."""
    return bool(body.get("error")) and not body[field]


def _chat_text(message: Mapping[str, Any]) -> str | None:
    content = message.get("content")
    if isinstance(content, str) or not isinstance(content, list):
        return content if isinstance(content, str) else None
    # Servers alike may answer in content parts, as requests may ask in them.
    texts = [part["text"] for part in content if isinstance(part, dict) and isinstance(part.get("text"), str)]
    return "".join(texts) if texts else None


def _chat_problem(body: Mapping[str, Any], *, structured: bool) -> Problem:
    choice = first(body["choices"])
    message = mapping(choice.get("message"))
    reason = choice.get("finish_reason")
    if reason != "stop":
        known = _FINISH_REASONS.get(reason) if isinstance(reason, str) else None
        if known is not None:
            return known
        if reason not in _FINISHED:
            return ErrorType.UNKNOWN, shorten(f"the answer ended for an unknown reason: {named(reason)}")
    if message.get("refusal"):
        return REFUSED
    return text_problem(_chat_text(message), structured=structured)


def _responses_problem(body: Mapping[str, Any], *, structured: bool) -> Problem | None:
    status = body.get("status", "completed")
    if status == "incomplete":
        reason = mapping(body.get("incomplete_details")).get("reason")
        known = _INCOMPLETE_REASONS.get(reason) if isinstance(reason, str) else None
        return known or (ErrorType.UNKNOWN, shorten(f"the answer is incomplete: {named(reason)}"))
    if status == "cancelled":
        return ErrorType.CANCELLED, "the response was cancelled"
    if status != "completed":
        return None
    text, refused = _responses_answer(body["output"])
    return REFUSED if refused else text_problem(text, structured=structured)


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


def _embeddings(data: Any) -> list[Any]:
    """The embeddings of a body in the order of the request's inputs; one of another shape is None."""
    if not isinstance(data, list):
        return []
    entries = [mapping(entry) for entry in data]
    if all(type(entry.get("index")) is int for entry in entries):
        entries.sort(key=lambda entry: entry["index"])
    return [entry.get("embedding") for entry in entries]
