"""A `GenerateContentResponse`, in the shapes that readers stumble over.

Text may come in several parts, a part may hold only a thought signature, a
blocked prompt has no candidates, a blocked answer no content, and thoughts
count against the limit of the answer, which may leave no text at all.
"""

import base64
import random
from dataclasses import dataclass
from typing import Any

from batchline_simulator.google.generate_request import either, output_limit, prompt_tokens
from batchline_simulator.responder import Answer, Finish
from batchline_simulator.tokens import tokens_in

_THINKING = ("gemini-3", "gemini-2.5-pro")
"""Models that think unless they are told not to."""
_MOST_THOUGHTS = 64
_CHARS_PER_TOKEN = 4
_SPLIT_TEXTS = 0.1
"""Part of the answers whose text comes in two parts."""
_REASONS: dict[Finish, str] = {
    "stop": "STOP",
    "length": "MAX_TOKENS",
    "refusal": "SAFETY",
    "content_filter": "PROHIBITED_CONTENT",
}


@dataclass(frozen=True)
class Reply:
    """A response and what it cost."""

    body: dict[str, Any]
    prompt_tokens: int
    output_tokens: int
    """Thoughts included, as they are billed."""


def reply_to(request: dict[str, Any], answer: Answer, *, model: str, rng: random.Random) -> Reply:
    """Write the response to one request; the caller adds what differs between its APIs.

    `content_filter` blocks the prompt, `refusal` the answer.
    """
    asked = prompt_tokens(request)
    usage: dict[str, Any] = {"promptTokenCount": asked}
    if answer.finish == "content_filter":
        usage["totalTokenCount"] = asked
        feedback = {"blockReason": _REASONS["content_filter"]}
        blocked = {"promptFeedback": feedback, "usageMetadata": usage, "modelVersion": model}
        return Reply(blocked, asked, 0)
    thoughts = _thoughts(request, model, rng)
    text, finish = _limited(answer, output_limit(request), thoughts)
    spoken = tokens_in(text) if text else 0
    if spoken:
        usage["candidatesTokenCount"] = spoken
    usage["totalTokenCount"] = asked + spoken + thoughts
    usage["promptTokensDetails"] = [{"modality": "TEXT", "tokenCount": asked}]
    if spoken:
        usage["candidatesTokensDetails"] = [{"modality": "TEXT", "tokenCount": spoken}]
    if thoughts:
        usage["thoughtsTokenCount"] = thoughts
    candidate = _candidate(text, finish, signed=thoughts > 0, rng=rng)
    body = {
        "candidates": [candidate],
        "modelVersion": model,
        "responseId": base64.urlsafe_b64encode(rng.randbytes(16)).decode().rstrip("="),
        "usageMetadata": usage,
    }
    return Reply(body, asked, spoken + thoughts)


def _thoughts(request: dict[str, Any], model: str, rng: random.Random) -> int:
    budget = either(either(either(request, "generationConfig"), "thinkingConfig"), "thinkingBudget")
    thinks = model.startswith(_THINKING) and budget != 0
    return rng.randint(_MOST_THOUGHTS // 4, _MOST_THOUGHTS) if thinks else 0


def _limited(answer: Answer, limit: int | None, thoughts: int) -> tuple[str, Finish]:
    if answer.finish == "refusal":
        return "", "refusal"
    if limit is None or answer.finish != "stop" or tokens_in(answer.text) + thoughts <= limit:
        return answer.text, answer.finish
    return answer.text[: max(0, limit - thoughts) * _CHARS_PER_TOKEN], "length"


def _candidate(text: str, finish: Finish, *, signed: bool, rng: random.Random) -> dict[str, Any]:
    if finish == "refusal":
        rating = {"category": "HARM_CATEGORY_SEXUALLY_EXPLICIT", "probability": "HIGH", "blocked": True}
        return {"finishReason": _REASONS[finish], "safetyRatings": [rating]}
    content: dict[str, Any] = {"role": "model"}
    if text:
        cut = rng.randrange(len(text)) if rng.random() < _SPLIT_TEXTS else 0
        content["parts"] = [{"text": part} for part in (text[:cut], text[cut:]) if part]
        if signed:
            content["parts"].append({"thoughtSignature": base64.b64encode(rng.randbytes(24)).decode()})
    return {"content": content, "finishReason": _REASONS[finish]}
