"""`/v1/responses` in batches, read with the official SDK's own types."""

import json
from typing import Any

import jsonschema
import pytest
from openai.types.responses import Response

from recordings import recorded


def answered(bench: Any, row: dict[str, Any]) -> Response:
    """Run one request and read its reply, which must be valid for the SDK's type."""
    (line,) = bench.lines(bench.run([row]).output_file_id)
    return Response.model_validate(line["response"]["body"])


def refused(bench: Any, row: dict[str, Any]) -> dict[str, Any]:
    (line,) = bench.lines(bench.run([row]).error_file_id)
    return dict(line["response"]["body"]["error"])


def test_answer_fits_the_schema_that_the_text_format_names(bench: Any) -> None:
    row = bench.response_row("r")
    reply = answered(bench, row)

    assert (reply.status, reply.incomplete_details, reply.model) == ("completed", None, "gpt-4o-mini")
    jsonschema.validate(json.loads(reply.output_text), row["body"]["text"]["format"]["schema"])


def test_reply_has_what_the_recorded_one_has(bench: Any) -> None:
    (ours,) = bench.lines(bench.run([bench.response_row("r")]).output_file_id)
    (theirs,) = recorded("openai_output_responses_structured_2026.jsonl")
    body, recorded_body = ours["response"]["body"], theirs["response"]["body"]

    assert set(recorded_body) <= set(body)
    assert list(body["output"][0]) == list(recorded_body["output"][0])
    assert list(body["output"][0]["content"][0]) == list(recorded_body["output"][0]["content"][0])
    assert set(recorded_body["usage"]) <= set(body["usage"])


@pytest.mark.parametrize(
    ("text", "more", "tokens"),
    [
        ("12345678", {}, 2),
        ("12345678", {"instructions": "1234"}, 3),
        ([{"role": "user", "content": "12345678"}, {"role": "assistant", "content": "1234"}], {}, 3),
        ([{"role": "user", "content": [{"type": "input_text", "text": "1234"}]}], {}, 1),
    ],
    ids=["text", "instructions", "messages", "parts"],
)
def test_every_form_of_input_is_answered_and_counted(
    bench: Any, text: Any, more: dict[str, Any], tokens: int
) -> None:
    reply = answered(bench, bench.response_row("r", text, **more))

    assert reply.usage is not None
    assert reply.usage.input_tokens == tokens
    assert reply.usage.total_tokens == tokens + reply.usage.output_tokens


def test_reasoning_comes_before_the_message_and_is_counted(bench: Any) -> None:
    reply = answered(bench, bench.response_row("r", reasoning={"effort": "medium"}))

    assert [item.type for item in reply.output] == ["reasoning", "message"]
    assert reply.usage is not None
    assert 0 < reply.usage.output_tokens_details.reasoning_tokens < reply.usage.output_tokens


def test_thoughts_that_use_up_the_limit_leave_no_message(bench: Any) -> None:
    row = bench.response_row("r", reasoning={"effort": "high"}, max_output_tokens=100)
    reply = answered(bench, row)

    assert [item.type for item in reply.output] == ["reasoning"]
    assert (reply.status, reply.incomplete_details.reason) == ("incomplete", "max_output_tokens")  # type: ignore[union-attr]
    assert reply.usage is not None
    assert reply.usage.output_tokens == 100


@pytest.mark.parametrize(
    ("text", "more", "reason"),
    [
        ("Name a film.", {"text": None, "max_output_tokens": 16}, "max_output_tokens"),
        ("[[fault:length]]", {}, "max_output_tokens"),
        ("[[fault:content_filter]]", {}, "content_filter"),
    ],
    ids=["limit", "cut", "filtered"],
)
def test_answer_that_was_cut_is_incomplete(bench: Any, text: str, more: dict[str, Any], reason: str) -> None:
    reply = answered(bench, bench.response_row("r", text, **more))

    assert reply.incomplete_details is not None
    assert (reply.status, reply.incomplete_details.reason) == ("incomplete", reason)
    assert all(item.status == "incomplete" for item in reply.output if item.type == "message")


def test_refusal_is_a_part_of_the_message(bench: Any) -> None:
    reply = answered(bench, bench.response_row("r", "[[fault:refusal]]"))

    assert [part.type for part in reply.output[0].content] == ["refusal"]  # type: ignore[union-attr]
    assert (reply.status, reply.output_text) == ("completed", "")


def test_commentary_is_a_message_of_its_own_phase(bench: Any) -> None:
    reply = answered(bench, bench.response_row("r", "[[fault:commentary]]"))

    assert [item.phase for item in reply.output] == ["commentary", "final_answer"]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("change", "param", "code"),
    [
        ({"input": None}, "input", "missing_required_parameter"),
        ({"input": 7}, "input", "invalid_type"),
        ({"input": ["text"]}, "input[0]", "invalid_type"),
        ({"input": [{"type": "wish"}]}, "input[0]", "invalid_value"),
        ({"input": [{"role": "wizard", "content": "x"}]}, "input[0]", "invalid_value"),
        ({"input": [{"role": "user"}]}, "input[0].content", "missing_required_parameter"),
        (
            {"input": [{"role": "user", "content": [{"type": "text", "text": "x"}]}]},
            "input[0].content[0]",
            "invalid_value",
        ),
        ({"max_output_tokens": 10}, "max_output_tokens", "integer_below_min_value"),
        ({"max_tokens": 100}, "max_tokens", "unsupported_parameter"),
        ({"response_format": {}}, "response_format", "unsupported_parameter"),
        ({"text": {"format": {"type": "json_schema"}}}, "text.format.name", "missing_required_parameter"),
        (
            {"text": {"format": {"type": "json_schema", "name": "a b", "schema": {}}}},
            "text.format.name",
            "invalid_value",
        ),
        (
            {
                "text": {
                    "format": {
                        "type": "json_schema",
                        "name": "X",
                        "schema": {"type": "object"},
                        "strict": True,
                    }
                }
            },
            "text.format.schema",
            "invalid_json_schema",
        ),
    ],
    ids=[
        "no input",
        "input of a wrong type",
        "item of a wrong type",
        "unknown item",
        "unknown role",
        "no content",
        "part of chat",
        "limit below 16",
        "limit of chat",
        "format of chat",
        "format without name",
        "name with a space",
        "schema outside strict mode",
    ],
)
def test_bad_request_fails_its_own_line(bench: Any, change: dict[str, Any], param: str, code: str) -> None:
    error = refused(bench, bench.response_row("r", **change))

    assert (error["param"], error["code"]) == (param, code)


def test_limit_below_the_minimum_reads_as_recorded(bench: Any) -> None:
    (theirs,) = recorded("openai_error_line_400_integer_below_min_value.jsonl")

    assert (
        refused(bench, bench.response_row("r", max_output_tokens=10)) == theirs["response"]["body"]["error"]
    )


def test_streaming_fails_the_batch(bench: Any) -> None:
    batch = bench.run([bench.response_row("r", stream=True)])

    assert [(found.code, found.param) for found in batch.errors.data] == [
        ("streaming_unsupported", "body.stream")
    ]
