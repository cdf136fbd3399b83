"""The `response` that a request to `/v1/responses` gets, with every key that the SDK's type names."""

import random
from typing import Any

from batchline_simulator.openai.endpoint import Body
from batchline_simulator.openai.objects import Usage
from batchline_simulator.openai.parameters import cut_to
from batchline_simulator.responder import Answer
from batchline_simulator.tokens import tokens_in

_REASONING_TOKENS = {"low": 16, "medium": 64, "high": 256, "xhigh": 1024, "max": 4096}
"""Invented tokens by effort; an effort that is not listed thinks for none."""
_ID_DIGITS = 50

Item = dict[str, Any]


def response_object(
    body: Body, answer: Answer, *, prompt: int, now: int, rng: random.Random
) -> tuple[Body, Usage]:
    """Write the reply to one request.

    Args:
        body: Of the request.
        answer: What the model says.
        prompt: Tokens of the request.
        now: Unix seconds.
        rng: Where the ids come from.
    """
    reasoning, limit = _reasoning_tokens(body), body.get("max_output_tokens")
    room = None if limit is None else max(0, limit - reasoning)
    text, reason = answer.text, {"length": "max_output_tokens"}.get(answer.finish)
    if answer.finish == "content_filter":
        reason = "content_filter"
    elif room is not None and tokens_in(text) > room:
        text, reason = cut_to(text, room), "max_output_tokens"
    output = _reasoning(reasoning, rng) + _commentary(answer, rng)
    if text:
        output.append(_message(text, answer, complete=reason is None, rng=rng))
    completion = min(reasoning, limit or reasoning) + (tokens_in(text) if text else 0)
    usage = _usage(prompt, completion, min(reasoning, completion))
    return _object(body, output, reason, usage, now=now, rng=rng), (prompt, completion)


def _object(
    body: Body, output: list[Item], reason: str | None, usage: Item, *, now: int, rng: random.Random
) -> Body:
    return {
        "id": _id("resp", rng),
        "object": "response",
        "created_at": now,
        "status": "incomplete" if reason else "completed",
        "background": False,
        "completed_at": None if reason else now,
        "error": None,
        "incomplete_details": {"reason": reason} if reason else None,
        "instructions": body.get("instructions"),
        "max_output_tokens": body.get("max_output_tokens"),
        "max_tool_calls": body.get("max_tool_calls"),
        "model": body["model"],
        "output": output,
        "parallel_tool_calls": body.get("parallel_tool_calls", True),
        "previous_response_id": body.get("previous_response_id"),
        "prompt_cache_key": body.get("prompt_cache_key"),
        "reasoning": {"effort": None, "summary": None} | _part(body, "reasoning"),
        "safety_identifier": body.get("safety_identifier"),
        "service_tier": "default",
        "store": body.get("store", True),
        "temperature": body.get("temperature", 1.0),
        "text": {"format": {"type": "text"}, "verbosity": "medium"} | _part(body, "text"),
        "tool_choice": body.get("tool_choice", "auto"),
        "tools": body.get("tools", []),
        "top_logprobs": body.get("top_logprobs", 0),
        "top_p": body.get("top_p", 1.0),
        "truncation": body.get("truncation", "disabled"),
        "usage": usage,
        "user": body.get("user"),
        "metadata": body.get("metadata") or {},
    }


def _reasoning_tokens(body: Body) -> int:
    return _REASONING_TOKENS.get(str(_part(body, "reasoning").get("effort")), 0)


def _part(body: Body, name: str) -> Item:
    part = body.get(name)
    return part if isinstance(part, dict) else {}


def _reasoning(tokens: int, rng: random.Random) -> list[Item]:
    """Write the item that says that there were thoughts, though not which."""
    return [{"id": _id("rs", rng), "type": "reasoning", "summary": []}] if tokens else []


def _commentary(answer: Answer, rng: random.Random) -> list[Item]:
    """Write what the model said before its answer, which is no part of it."""
    if answer.commentary is None:
        return []
    part = {"type": "output_text", "annotations": [], "logprobs": [], "text": answer.commentary}
    return [_item([part], "completed", rng) | {"phase": "commentary"}]


def _message(text: str, answer: Answer, *, complete: bool, rng: random.Random) -> Item:
    part = (
        {"type": "refusal", "refusal": text}
        if answer.finish == "refusal"
        else {"type": "output_text", "annotations": [], "logprobs": [], "text": text}
    )
    message = _item([part], "completed" if complete else "incomplete", rng)
    # A model names phases only where it has more than one of them.
    return message if answer.commentary is None else message | {"phase": "final_answer"}


def _item(content: list[Item], status: str, rng: random.Random) -> Item:
    return {
        "id": _id("msg", rng),
        "type": "message",
        "status": status,
        "content": content,
        "role": "assistant",
    }


def _usage(prompt: int, completion: int, reasoning: int) -> Item:
    return {
        "input_tokens": prompt,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": completion,
        "output_tokens_details": {"reasoning_tokens": reasoning},
        "total_tokens": prompt + completion,
    }


def _id(prefix: str, rng: random.Random) -> str:
    return f"{prefix}_{rng.getrandbits(4 * _ID_DIGITS):0{_ID_DIGITS}x}"
