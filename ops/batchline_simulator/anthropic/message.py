"""What the model is asked, and what it says: the `Message` of a succeeded line.

A tool is used where the request forces one or has just one to choose; the
answer's JSON is its input. Otherwise the answer is text.
"""

import json
import random
from dataclasses import replace
from typing import Any

from batchline_simulator.anthropic.objects import new_id
from batchline_simulator.anthropic.prompt_cache import PromptUsage
from batchline_simulator.responder import Answer, Question
from batchline_simulator.tokens import tokens_in

_CHARS_PER_TOKEN = 4
_REFUSAL = {"type": "refusal", "category": None, "explanation": "The request was declined."}
_THOUGHT = "The request is clear. I answer it as it was asked."
_STOP_REASONS = {
    "stop": "end_turn",
    "length": "max_tokens",
    "content_filter": "refusal",
    "refusal": "refusal",
}


def question(custom_id: str, params: dict[str, Any], raw: bytes) -> Question:
    """Put a request in the terms of responders."""
    tool = wanted_tool(params)
    wanted = (params.get("output_config") or {}).get("format") or {}
    schema = wanted.get("schema") if tool is None else tool.get("input_schema")
    system = _text(params.get("system"))
    turns = [("system", system)] if system else []
    turns += [(str(turn["role"]), _text(turn["content"])) for turn in params["messages"]]
    return Question(custom_id, params, raw, schema, tuple(turns), str(params["model"]))


def wanted_tool(params: dict[str, Any]) -> dict[str, Any] | None:
    """Return the tool that the model will use, or None where it answers in words."""
    tools = [tool for tool in params.get("tools") or () if "input_schema" in tool]
    choice = params.get("tool_choice") or {"type": "auto"}
    if choice["type"] == "tool":
        return next((tool for tool in tools if tool["name"] == choice.get("name")), None)
    if choice["type"] == "any" or (choice["type"] == "auto" and len(tools) == 1):
        return tools[0] if tools else None
    return None


def reply(params: dict[str, Any], answer: Answer, used: PromptUsage, rng: random.Random) -> dict[str, Any]:
    """Write the message, cut at `max_tokens` or a stop sequence."""
    text, stop_reason, sequence = _cut(params, answer)
    refusal = stop_reason == "refusal"
    content = [] if refusal else _content(params, replace(answer, text=text), stop_reason, rng)
    if content and content[-1]["type"] == "tool_use" and stop_reason == "end_turn":
        stop_reason = "tool_use"
    thought = _thought(params, rng)
    return {
        "id": new_id("msg", rng),
        "type": "message",
        "role": "assistant",
        "model": params["model"],
        "content": [*thought, *content],
        "stop_reason": stop_reason,
        "stop_sequence": sequence,
        "stop_details": _REFUSAL if refusal else None,
        "usage": _usage(used, tokens_in(text), tokens_in(_THOUGHT) if thought else None),
    }


def _cut(params: dict[str, Any], answer: Answer) -> tuple[str, str, str | None]:
    """Return the text that is left, the reason why it ends there and the sequence that ended it."""
    text, reason = answer.text, answer.stop_reason or _STOP_REASONS[answer.finish]
    limit = params["max_tokens"]
    if reason == "end_turn":
        for sequence in params.get("stop_sequences") or ():
            if sequence in text:
                return text[: text.index(sequence)], "stop_sequence", sequence
        if tokens_in(text) > limit:
            return text[: limit * _CHARS_PER_TOKEN], "max_tokens", None
    return text, reason, None


def _content(
    params: dict[str, Any], answer: Answer, stop_reason: str, rng: random.Random
) -> list[dict[str, Any]]:
    said = {"type": "text", "text": answer.text}
    tool = wanted_tool(params)
    if tool is None:
        return [said]
    try:
        value = json.loads(answer.text)
    except ValueError:
        # Cut short, a tool's input is what could be read of it; a model that only talks uses no tool.
        value = None if stop_reason == "end_turn" else {}
    if not isinstance(value, dict):
        return [said]
    used = {"type": "tool_use", "id": new_id("toolu", rng), "name": tool["name"], "input": value}
    return [used] if answer.commentary is None else [{"type": "text", "text": answer.commentary}, used]


def _thought(params: dict[str, Any], rng: random.Random) -> list[dict[str, Any]]:
    thinking = params.get("thinking") or {}
    if thinking.get("type") not in ("enabled", "adaptive"):
        return []
    shown = "" if thinking.get("display") == "omitted" else _THOUGHT
    return [{"type": "thinking", "thinking": shown, "signature": f"{rng.getrandbits(256):064x}"}]


def _usage(used: PromptUsage, said: int, thought: int | None) -> dict[str, Any]:
    usage: dict[str, Any] = {
        "input_tokens": used.input,
        "cache_creation_input_tokens": used.created_5m + used.created_1h,
        "cache_read_input_tokens": used.read,
        "cache_creation": {
            "ephemeral_5m_input_tokens": used.created_5m,
            "ephemeral_1h_input_tokens": used.created_1h,
        },
        "output_tokens": said + (thought or 0),
        "service_tier": "batch",
    }
    if thought is not None:
        usage["output_tokens_details"] = {"thinking_tokens": thought}
    return usage


def _text(content: Any) -> str:
    if isinstance(content, list):
        parts = [block.get("text") for block in content if isinstance(block, dict)]
        return "".join(part for part in parts if isinstance(part, str))
    return content if isinstance(content, str) else ""
