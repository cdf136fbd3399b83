"""Result lines of every provider, as small as they may be, for tests to change."""

from __future__ import annotations

from typing import Any

__all__ = [
    "Line",
    "answered",
    "candidate",
    "chat",
    "embedded",
    "errored",
    "gemini",
    "message",
    "message_item",
    "refused",
    "responses",
    "row_failed",
    "tool_use",
    "vertex",
]

Line = dict[str, Any]


def answered(body: Any, status: Any = 200) -> Line:
    """A line of OpenAI with this body."""
    return {"custom_id": "a", "response": {"status_code": status, "body": body}, "error": None}


def chat(content: Any = "hello", finish_reason: Any = "stop", **fields: Any) -> Line:
    """A chat completion of OpenAI; `fields` go into its message."""
    choice = {"message": {"content": content, **fields}, "finish_reason": finish_reason}
    usage = {"prompt_tokens": 7, "completion_tokens": 5}
    return answered({"choices": [choice], "usage": usage})


def message_item(text: str, **fields: Any) -> Line:
    """An output item of OpenAI's responses."""
    return {"type": "message", "content": [{"type": "output_text", "text": text}], **fields}


def responses(*items: Any, **fields: Any) -> Line:
    """A response of OpenAI's other endpoint; `fields` go into its body."""
    return answered({"object": "response", "status": "completed", "output": list(items), **fields})


def embedded(*entries: Any) -> Line:
    """Embeddings of OpenAI."""
    return answered(
        {"object": "list", "data": list(entries), "usage": {"prompt_tokens": 7, "total_tokens": 7}}
    )


def refused(status: Any, **error: Any) -> Line:
    """A request that OpenAI refused, with the fields of its error."""
    return answered({"error": error}, status)


def message(*content: Any, stop_reason: Any = "end_turn", **usage: Any) -> Line:
    """An answer of Anthropic: blocks, or texts for blocks of text; `usage` adds to its counts."""
    blocks = [{"type": "text", "text": block} if isinstance(block, str) else block for block in content]
    counts = {"input_tokens": 7, "output_tokens": 5, **usage}
    reply = {"type": "message", "content": blocks, "stop_reason": stop_reason, "usage": counts}
    return {"custom_id": "a", "result": {"type": "succeeded", "message": reply}}


def tool_use(given: Any) -> Line:
    """A block of Anthropic that calls a tool."""
    return {"type": "tool_use", "id": "toolu_1", "name": "Answer", "input": given}


def errored(error: Any) -> Line:
    """A request that failed at Anthropic, with the inner error."""
    return {"custom_id": "a", "result": {"type": "errored", "error": {"type": "error", "error": error}}}


def candidate(*parts: Any, reason: Any = "STOP") -> Line:
    """A reply of Google: parts, or texts for parts of text."""
    content = {
        "role": "model",
        "parts": [{"text": part} if isinstance(part, str) else part for part in parts],
    }
    usage = {"promptTokenCount": 7, "candidatesTokenCount": 5}
    return {"candidates": [{"content": content, "finishReason": reason}], "usageMetadata": usage}


def vertex(response: Any, status: Any = "") -> Line:
    """A row of Vertex AI."""
    return {"custom_id": "a", "status": status, "request": {"contents": []}, "response": response}


def gemini(response: Any) -> Line:
    """A line of the Gemini Developer API."""
    return {"key": "a", "response": response}


def row_failed(status: Any) -> Line:
    """A row that failed at Vertex AI, with its status."""
    return {"custom_id": "a", "status": status, "request": {"contents": []}}
