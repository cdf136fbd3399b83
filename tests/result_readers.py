"""Every provider's reader with lines that it reads, and what a whole result file says through it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import orjson
import pytest

from batchline_shared.dialects import anthropic_results, google_results, openai_results
from batchline_shared.dialects.jsonl import parse_line
from batchline_worker.providers.jsonl import TruncatedError, complete_lines
from result_lines import (
    Line,
    answered,
    candidate,
    chat,
    embedded,
    errored,
    gemini,
    message,
    message_item,
    refused,
    responses,
    row_failed,
    tool_use,
    vertex,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from batchline_shared.dialects.verdict import Verdict

__all__ = ["EACH", "ODD", "PROVIDERS", "Outcome", "Provider", "is_ours", "outcome", "read"]


class Provider(NamedTuple):
    """One provider's reader, and lines that it reads."""

    reader: Any
    id_field: str
    lines: list[Line]


ODD = 'caf\u00e9 \u2028 \u2029 \u0085 \U0001f600 \ufffd "quoted" \\ \t'
JSON_TEXT = orjson.dumps({"name": ODD}).decode()
GEMINI = [
    gemini(candidate(JSON_TEXT, {"thoughtSignature": "s"})),
    gemini({"embedding": {"values": [0.5]}, "tokenCount": "3"}),
    {"key": "a", "error": {"code": 8, "message": ODD}},
]
PROVIDERS = {
    "openai": Provider(
        openai_results,
        "custom_id",
        [
            chat(JSON_TEXT, refusal=None),
            chat(ODD, "length"),
            chat(None, refusal=ODD),
            responses(message_item(JSON_TEXT), usage={"input_tokens": 7, "output_tokens": 5}),
            responses(status="incomplete", incomplete_details={"reason": "max_output_tokens"}),
            embedded({"index": 0, "embedding": [0.5, -1.0]}, {"index": 1, "embedding": "AAAAPw=="}),
            refused(429, message=ODD, code="rate_limit_exceeded"),
            answered(orjson.dumps({"choices": []}).decode(), "200"),
            {"custom_id": "a", "response": None, "error": {"code": "batch_expired", "message": ODD}},
        ],
    ),
    "anthropic": Provider(
        anthropic_results,
        "custom_id",
        [
            message(
                {"type": "thinking", "thinking": ODD}, JSON_TEXT, output_tokens_details={"thinking_tokens": 2}
            ),
            message(tool_use({"name": ODD}), stop_reason="tool_use", cache_read_input_tokens=3),
            message(ODD, stop_reason="max_tokens"),
            message(stop_reason="refusal"),
            errored({"type": "overloaded_error", "message": ODD}),
            {"custom_id": "a", "result": {"type": "expired"}},
        ],
    ),
    "vertex": Provider(
        google_results,
        "custom_id",
        [
            vertex(candidate(JSON_TEXT)),
            vertex(candidate({"text": ODD, "thought": True}, ODD, reason="MAX_TOKENS")),
            vertex({"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"promptTokenCount": 3}}),
            row_failed('Bad Request: {"error": {"code": 400, "message": "caf\u00e9\u2028"}}'),
        ],
    ),
    "gemini": Provider(google_results, "key", GEMINI),
}

EACH = pytest.mark.parametrize("provider", PROVIDERS.values(), ids=PROVIDERS)


class Outcome(NamedTuple):
    """What one line says: the verdict and the text of a structured job, and those of another."""

    wire_id: str
    structured: tuple[Verdict, str | None]
    free: tuple[Verdict, str | None]


def outcome(provider: Provider, line: Line) -> Outcome:
    """What a line says that stands alone."""
    said = [
        (
            provider.reader.classify(line, structured=structured),
            provider.reader.answer_text(line, structured=structured),
        )
        for structured in (True, False)
    ]
    return Outcome(line[provider.id_field], *said)


def is_ours(provider: Provider, value: Any) -> bool:
    """Whether a line bears an id of ours, as the worker's own check does it."""
    wire_id = value.get(provider.id_field) if isinstance(value, dict) else None
    return isinstance(wire_id, str) and wire_id.startswith("our-")


def read(provider: Provider, pieces: Iterable[bytes]) -> tuple[list[Outcome], bool]:
    """Read a file as collecting does: what its lines of ours say, and whether it broke off."""
    found = []
    try:
        for raw in complete_lines(pieces):
            try:
                value, kept = parse_line(raw)
            except ValueError:
                continue
            if is_ours(provider, value):
                assert orjson.loads(kept) == value
                found.append(outcome(provider, value))
    except TruncatedError:
        return found, True
    return found, False
