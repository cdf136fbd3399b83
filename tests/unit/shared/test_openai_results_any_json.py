"""Tests that no JSON value, however odd, breaks the verdict on an OpenAI result line."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from batchline_shared.dialects.openai_results import answer_text, classify
from batchline_shared.dialects.verdict import MESSAGE_LIMIT

WORDS = st.sampled_from(
    [
        *("response", "body", "error", "choices", "output", "message", "content", "finish_reason"),
        *("status", "status_code", "usage", "code", "type", "text", "refusal", "phase"),
        *("incomplete", "failed", "output_text", "incomplete_details", "input_tokens", "prompt_tokens"),
    ]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | WORDS | st.just(200),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(WORDS | st.text(max_size=4), inner, max_size=6)
    ),
    max_leaves=25,
)


def lines_with(value: Any) -> list[Any]:
    """Put a value into every place of a line that is read."""
    bodies = [
        value,
        {"choices": value},
        {"choices": [value]},
        {"choices": [{"message": value, "finish_reason": "stop"}], "usage": value},
        {"choices": [{"message": {"content": value}, "finish_reason": value}]},
        {"output": value},
        {"output": [value], "usage": value},
        {"output": [{"type": "message", "content": [value]}], "status": value},
    ]
    answers = [{"response": {"status_code": 200, "body": body}, "error": None} for body in bodies]
    failures = [
        {"response": value, "error": value},
        {"response": {"status_code": value, "body": {"error": value}}},
    ]
    return [value, *answers, *failures]


@given(value=JSON, structured=st.booleans())
def test_any_json_value_gets_a_verdict(value: Any, *, structured: bool) -> None:
    for line in lines_with(value):
        verdict = classify(line, structured=structured)

        assert (verdict.error_type is None) == (verdict.message == "")
        assert len(verdict.message) <= MESSAGE_LIMIT


@given(value=JSON)
def test_a_usable_answer_has_a_text(value: Any) -> None:
    for line in lines_with(value):
        text = answer_text(line)

        assert text is None or isinstance(text, str)
        assert text is not None or classify(line, structured=False).error_type is not None
