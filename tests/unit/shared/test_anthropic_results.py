"""Tests of the verdict on a line of an Anthropic batch's results."""

from __future__ import annotations

from typing import Any, get_args

import orjson
import pytest
from anthropic.types import StopReason
from anthropic.types.shared import ErrorType as WireErrorType

from batchline_shared.dialects.anthropic_results import ERRORS, FINISHED, STOP_REASONS, answer_text, classify
from batchline_shared.dialects.verdict import MESSAGE_LIMIT
from batchline_shared.outcomes import ErrorType
from recordings import recorded
from result_lines import Line, errored, message, tool_use

THINKING = {"type": "thinking", "thinking": "{", "signature": "s"}
NO_LINES: list[Any] = [None, [], "x", {}, {"result": None}, {"result": {"type": ["succeeded"]}}]


def kind(line: Any, *, structured: bool = True) -> ErrorType | None:
    return classify(line, structured=structured).error_type


def test_a_recorded_answer_is_its_text_without_the_thinking() -> None:
    for line in recorded("anthropic_results_thinking_2.jsonl"):
        blocks = line["result"]["message"]["content"]

        assert [block["type"] for block in blocks] == ["thinking", "text"]
        assert answer_text(line, structured=False) == blocks[1]["text"]
        assert kind(line, structured=False) is None


def test_a_recorded_error_keeps_the_provider_s_words() -> None:
    [line] = recorded("anthropic_results_errored_max_tokens.jsonl")
    verdict = classify(line, structured=True)

    assert verdict.error_type is ErrorType.INVALID_REQUEST
    assert verdict.message == line["result"]["error"]["error"]["message"]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        pytest.param(message("{}"), None, id="text"),
        pytest.param(message("{", "}"), None, id="several texts"),
        pytest.param(message("```json\n{}\n```"), None, id="fenced"),
        pytest.param(message("Sure! {}"), ErrorType.INVALID_OUTPUT, id="prose around"),
        pytest.param(message(THINKING, "{}"), None, id="thinking first"),
        pytest.param(message(THINKING), ErrorType.INVALID_OUTPUT, id="thinking alone"),
        pytest.param(message(), ErrorType.INVALID_OUTPUT, id="no block"),
        pytest.param(message("{}", stop_reason="stop_sequence"), None, id="stop sequence"),
        pytest.param(message("{}", stop_reason=None), None, id="no stop reason"),
        pytest.param(message(tool_use({"a": 1}), stop_reason="tool_use"), None, id="tool"),
        pytest.param(
            message("Here:", tool_use({}), stop_reason="tool_use"),
            None,
            id="tool after a text that is no JSON",
        ),
        pytest.param(message(tool_use(None)), ErrorType.INVALID_OUTPUT, id="tool without an input"),
        pytest.param(
            message({"type": "server_tool_use", "input": {}}),
            ErrorType.INVALID_OUTPUT,
            id="the server's tool",
        ),
        pytest.param(
            message(tool_use({}), stop_reason="max_tokens"), ErrorType.TRUNCATED, id="tool call cut"
        ),
        pytest.param(
            message("{}", stop_reason="max_tokens"), ErrorType.TRUNCATED, id="cut, though it parses"
        ),
        pytest.param(
            message("{}", stop_reason="model_context_window_exceeded"), ErrorType.TRUNCATED, id="context full"
        ),
        pytest.param(message("{}", stop_reason="pause_turn"), ErrorType.TRUNCATED, id="paused"),
        pytest.param(message("{}", stop_reason="refusal"), ErrorType.REFUSED, id="refused"),
        pytest.param(message("{}", stop_reason="on_fire"), ErrorType.UNKNOWN, id="unknown stop reason"),
        pytest.param(message("{}", stop_reason=["end_turn"]), ErrorType.UNKNOWN, id="reason of another type"),
    ],
)
def test_an_answer_is_judged_by_how_it_ended_before_what_it_says(
    line: Line, expected: ErrorType | None
) -> None:
    assert kind(line) is expected


@pytest.mark.parametrize("text", ["", "plain words", "{"])
def test_free_text_need_not_be_json(text: str) -> None:
    assert kind(message(text), structured=False) is None
    assert answer_text(message(text), structured=False) == text


def test_a_tool_s_input_is_the_answer_of_a_structured_job_alone() -> None:
    line = message("Here you are:", tool_use({"name": "Zoë", "n": [1, 2.5]}))

    assert answer_text(line) == '{"name":"Zoë","n":[1,2.5]}'
    assert answer_text(line, structured=False) == "Here you are:"


def test_the_first_of_several_calls_is_the_answer() -> None:
    assert answer_text(message(tool_use({"n": 1}), tool_use({"n": 2}))) == '{"n":1}'


def test_an_input_too_deep_to_be_written_is_no_answer() -> None:
    deep = orjson.loads('{"a":' * 400 + "1" + "}" * 400)

    assert kind(message(tool_use(deep))) is ErrorType.INVALID_OUTPUT
    assert answer_text(message(tool_use(deep))) is None


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        ({"type": "invalid_request_error", "message": "no"}, ErrorType.INVALID_REQUEST),
        ({"type": "authentication_error", "message": "no"}, ErrorType.INVALID_REQUEST),
        ({"type": "permission_error", "message": "no"}, ErrorType.INVALID_REQUEST),
        ({"type": "not_found_error", "message": "model: x"}, ErrorType.INVALID_REQUEST),
        ({"type": "billing_error", "message": "no"}, ErrorType.QUOTA_EXHAUSTED),
        ({"type": "rate_limit_error", "message": "no"}, ErrorType.RATE_LIMITED),
        (
            {"type": "rate_limit_error", "details": {"error_code": "ramp_limit_exceeded"}},
            ErrorType.RATE_LIMITED,
        ),
        (
            {"type": "rate_limit_error", "details": {"error_code": "enforced_spend_limit_reached"}},
            ErrorType.QUOTA_EXHAUSTED,
        ),
        ({"type": "timeout_error", "message": "no"}, ErrorType.PROVIDER_ERROR),
        ({"type": "api_error", "message": "no"}, ErrorType.PROVIDER_ERROR),
        ({"type": "overloaded_error", "message": "no"}, ErrorType.PROVIDER_ERROR),
        ({"type": "brand_new_error", "message": "no"}, ErrorType.UNKNOWN),
        ({"type": ["api_error"]}, ErrorType.UNKNOWN),
        ({}, ErrorType.UNKNOWN),
        ("words", ErrorType.UNKNOWN),
        (None, ErrorType.UNKNOWN),
    ],
    ids=repr,
)
def test_a_failed_request_is_named_by_the_inner_error_or_a_flat_one(error: Any, expected: ErrorType) -> None:
    for line in (errored(error), {"result": {"type": "errored", "error": error}}):
        verdict = classify(line, structured=True)

        assert verdict.error_type is expected
        assert verdict.message


@pytest.mark.parametrize(
    "words",
    [
        "output_config.format.schema: For 'object' type, 'additionalProperties' must be set to false",
        "For 'array' type, property 'maxItems' is not supported",
        "tools.0.custom.input_schema: JSON schema is invalid",
        "Schema type 'oneOf' is not supported",
        "Schema is too complex for compilation",
        "The compiled grammar is too large",
        "Grammar compilation timed out.",
        "Too many strict tools (22). The maximum number of strict tools supported is 20.",
        "Invalid schema: Enum value 'face' does not match declared type",
    ],
)
def test_words_about_the_schema_make_a_rejected_schema(words: str) -> None:
    assert kind(errored({"type": "invalid_request_error", "message": words})) is ErrorType.SCHEMA_REJECTED
    assert kind(errored({"type": "api_error", "message": words})) is ErrorType.PROVIDER_ERROR


@pytest.mark.parametrize(
    "words",
    [
        "messages: at least one message is required",
        '`tool_choice`: type "tool" and "any" are not supported for this model.',
        "`temperature` is deprecated for this model.",
    ],
)
def test_other_words_of_an_invalid_request_do_not(words: str) -> None:
    assert kind(errored({"type": "invalid_request_error", "message": words})) is ErrorType.INVALID_REQUEST


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        ({"type": "expired"}, ErrorType.EXPIRED),
        ({"type": "canceled"}, ErrorType.CANCELLED),
        ({"type": "paused"}, ErrorType.UNKNOWN),
        ({"type": 7}, ErrorType.UNKNOWN),
        ({}, ErrorType.UNKNOWN),
    ],
    ids=repr,
)
def test_a_request_that_was_not_run_is_named_by_the_result_s_type(result: Any, expected: ErrorType) -> None:
    verdict = classify({"custom_id": "a", "result": result}, structured=True)

    assert verdict.error_type is expected
    assert verdict.message
    assert not any(verdict[2:])


def test_input_tokens_are_those_written_to_and_read_from_the_cache_too() -> None:
    line = message(
        "x",
        cache_creation_input_tokens=30,
        cache_read_input_tokens=200,
        output_tokens_details={"thinking_tokens": 4},
    )

    assert classify(line, structured=False)[:6] == (None, "", 237, 5, 200, 4)


def test_tokens_written_to_the_cache_are_told_apart_by_how_long_they_are_kept() -> None:
    kept = {"ephemeral_5m_input_tokens": 20, "ephemeral_1h_input_tokens": 10}
    line = message("x", cache_creation_input_tokens=30, cache_creation=kept)

    verdict = classify(line, structured=False)

    assert (verdict.cache_written_tokens, verdict.cache_written_1h_tokens) == (30, 10)


@pytest.mark.parametrize("count", [None, "7", -1, 1.5, True, [7], 2**31, 2**63])
def test_a_token_count_that_is_no_count_is_0(count: Any) -> None:
    names = ("input_tokens", "output_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
    line = message("x", **dict.fromkeys(names, count), output_tokens_details={"thinking_tokens": count})

    assert classify(line, structured=False)[:6] == (None, "", 0, 0, 0, 0)


@pytest.mark.parametrize("line", NO_LINES, ids=repr)
def test_what_is_no_line_of_anthropic_is_unknown_and_has_no_text(line: Any) -> None:
    assert kind(line) is ErrorType.UNKNOWN
    assert answer_text(line) is None


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(message("SECRET", stop_reason="max_tokens"), id="truncated"),
        pytest.param(message("SECRET", stop_reason="refusal"), id="refused"),
        pytest.param(message("SECRET", stop_reason="odd"), id="unknown"),
        pytest.param(message("SECRET"), id="no JSON"),
    ],
)
def test_a_message_never_quotes_the_answer(line: Line) -> None:
    verdict = classify(line, structured=True)

    assert verdict.message
    assert "SECRET" not in verdict.message


@pytest.mark.parametrize("line", [errored({"message": "x" * 9_000}), {"result": {"type": "x" * 9_000}}])
def test_a_message_is_cut(line: Line) -> None:
    assert len(classify(line, structured=False).message) == MESSAGE_LIMIT


def test_no_stop_reason_and_no_error_of_the_sdk_is_left_out() -> None:
    assert set(get_args(StopReason)) == (set(FINISHED) | set(STOP_REASONS)) - {None}
    assert set(get_args(WireErrorType)) <= set(ERRORS)
