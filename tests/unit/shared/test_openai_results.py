"""Tests of the verdict on a line of an OpenAI result file."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from batchline_shared.dialects.openai_results import answer_text, classify
from batchline_shared.dialects.verdict import MESSAGE_LIMIT
from batchline_shared.outcomes import ErrorType
from recordings import recorded
from result_lines import Line, answered, chat, message_item, refused, responses


def kind(line: Any, *, structured: bool = False) -> ErrorType | None:
    return classify(line, structured=structured).error_type


@pytest.mark.parametrize(
    ("name", "structured"),
    [
        ("openai_output_chat_3lines.jsonl", False),
        ("openai_output_chat_resume_3lines.jsonl", False),
        ("openai_output_partial_2of3_HANDEDITED.jsonl", False),
        ("openai_output_responses_structured_2026.jsonl", True),
    ],
)
def test_recorded_answers_are_usable_and_counted(name: str, *, structured: bool) -> None:
    for line in recorded(name):
        verdict = classify(line, structured=structured)

        assert verdict[:2] == (None, "")
        assert verdict.input_tokens > 0
        assert verdict.output_tokens > 0
        assert answer_text(line)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("openai_error_line_400_integer_below_min_value.jsonl", ErrorType.INVALID_REQUEST),
        ("openai_error_line_400_invalid_json_schema.jsonl", ErrorType.SCHEMA_REJECTED),
        ("openai_error_line_429_insufficient_quota.jsonl", ErrorType.QUOTA_EXHAUSTED),
        ("openai_error_line_500_server_error.jsonl", ErrorType.PROVIDER_ERROR),
        ("openai_error_line_batch_cancelled_UNVERIFIED.jsonl", ErrorType.CANCELLED),
        ("openai_error_line_batch_expired.jsonl", ErrorType.EXPIRED),
    ],
)
def test_recorded_error_lines_are_named_and_keep_the_provider_s_words(name: str, expected: ErrorType) -> None:
    for line in recorded(name):
        verdict = classify(line, structured=True)

        assert verdict.error_type is expected
        assert verdict.message in orjson.dumps(line).decode()
        assert verdict.message


def test_a_recorded_answer_that_ran_into_its_limit_is_truncated_and_its_tokens_count() -> None:
    whole, cut = (
        classify(line, structured=False) for line in recorded("openai_output_chat_length_litellm.jsonl")
    )

    assert whole.error_type is None
    assert cut.error_type is ErrorType.TRUNCATED
    assert cut.output_tokens > 0


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        pytest.param(chat('{"a": 1}', "length"), ErrorType.TRUNCATED, id="cut, though it parses"),
        pytest.param(chat("{}", "content_filter"), ErrorType.CONTENT_FILTERED, id="filtered"),
        pytest.param(chat("{}", "on_fire"), ErrorType.UNKNOWN, id="unknown finish reason"),
        pytest.param(chat("{}", ["length"]), ErrorType.UNKNOWN, id="finish reason of another type"),
        pytest.param(chat("{}", None), None, id="no finish reason"),
        pytest.param(chat(None, refusal="I cannot."), ErrorType.REFUSED, id="refused"),
        pytest.param(chat(None), ErrorType.INVALID_OUTPUT, id="no text"),
        pytest.param(chat("Sure! {}"), ErrorType.INVALID_OUTPUT, id="prose around"),
        pytest.param(chat("```json\n{}\n```"), None, id="fenced"),
        pytest.param(chat("```json\n{\n```"), ErrorType.INVALID_OUTPUT, id="fenced, no JSON"),
        pytest.param(chat([{"type": "text", "text": "{"}, {"type": "text", "text": "}"}]), None, id="parts"),
        pytest.param(answered({"choices": []}), ErrorType.INVALID_OUTPUT, id="no choice"),
        pytest.param(responses(message_item("{}")), None, id="responses"),
        pytest.param(responses(), ErrorType.INVALID_OUTPUT, id="responses without a message"),
        pytest.param(
            responses(message_item("{", phase="commentary"), message_item("{}", phase="final_answer")),
            None,
            id="commentary first",
        ),
        pytest.param(
            responses(
                {"type": "reasoning", "content": [{"type": "output_text", "text": "{"}]}, message_item("{}")
            ),
            None,
            id="reasoning first",
        ),
        pytest.param(
            responses({"type": "message", "content": [{"type": "refusal", "refusal": "No."}]}),
            ErrorType.REFUSED,
            id="responses refused",
        ),
        pytest.param(
            responses(status="incomplete", incomplete_details={"reason": "max_output_tokens"}),
            ErrorType.TRUNCATED,
            id="responses cut",
        ),
        pytest.param(
            responses(status="incomplete", incomplete_details={"reason": "content_filter"}),
            ErrorType.CONTENT_FILTERED,
            id="responses filtered",
        ),
        pytest.param(
            responses(status="incomplete", incomplete_details=None),
            ErrorType.UNKNOWN,
            id="incomplete without a reason",
        ),
        pytest.param(responses(status="cancelled"), ErrorType.CANCELLED, id="responses cancelled"),
        pytest.param(
            responses(status="failed", error={"code": "server_error", "message": "Sorry."}),
            ErrorType.PROVIDER_ERROR,
            id="responses failed",
        ),
        pytest.param(responses(status="queued"), ErrorType.UNKNOWN, id="responses not ended"),
    ],
)
def test_an_answer_is_judged_by_how_it_ended_before_what_it_says(
    line: Line, expected: ErrorType | None
) -> None:
    assert kind(line, structured=True) is expected


@pytest.mark.parametrize("text", ["", "plain words", "{"])
def test_free_text_need_not_be_json(text: str) -> None:
    assert kind(chat(text)) is None
    assert answer_text(chat(text)) == text


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        pytest.param(refused(400, message="no"), ErrorType.INVALID_REQUEST, id="400"),
        pytest.param(refused(404, code="model_not_found"), ErrorType.INVALID_REQUEST, id="404"),
        pytest.param(refused(413, message="big"), ErrorType.INVALID_REQUEST, id="413"),
        pytest.param(refused(422, message="no"), ErrorType.INVALID_REQUEST, id="422"),
        pytest.param(refused(402, message="pay"), ErrorType.QUOTA_EXHAUSTED, id="402"),
        pytest.param(refused(429, type="insufficient_quota"), ErrorType.QUOTA_EXHAUSTED, id="quota by type"),
        pytest.param(
            refused(429, code="rate_limit_exceeded", type="tokens"), ErrorType.RATE_LIMITED, id="429"
        ),
        pytest.param(refused(429), ErrorType.RATE_LIMITED, id="429 without a code"),
        pytest.param(
            refused(400, message="Invalid schema for response_format 'x': no."),
            ErrorType.SCHEMA_REJECTED,
            id="schema",
        ),
        pytest.param(refused(408), ErrorType.PROVIDER_ERROR, id="408"),
        pytest.param(refused(409), ErrorType.PROVIDER_ERROR, id="409"),
        pytest.param(refused(500), ErrorType.PROVIDER_ERROR, id="500"),
        pytest.param(answered("<html>", 502), ErrorType.PROVIDER_ERROR, id="502 with a page"),
        pytest.param(answered(None, 0), ErrorType.PROVIDER_ERROR, id="status 0"),
        pytest.param(answered({}, 302), ErrorType.UNKNOWN, id="302"),
        pytest.param(answered({}, True), ErrorType.UNKNOWN, id="a boolean for a status"),  # noqa: FBT003 - JSON
        pytest.param(
            {"response": None, "error": {"code": "request_timeout"}}, ErrorType.PROVIDER_ERROR, id="timeout"
        ),
        pytest.param(
            {"response": None, "error": {"code": "brand_new"}}, ErrorType.UNKNOWN, id="unknown code"
        ),
        pytest.param({"response": None, "error": "words"}, ErrorType.UNKNOWN, id="error as text"),
        pytest.param(
            {"error": {"type": "invalid_request_error"}}, ErrorType.INVALID_REQUEST, id="type alone"
        ),
        pytest.param({}, ErrorType.UNKNOWN, id="empty"),
    ],
)
def test_a_failed_request_is_named_by_code_then_message_then_status(line: Line, expected: ErrorType) -> None:
    verdict = classify(line, structured=True)

    assert verdict.error_type is expected
    assert verdict.message


def test_a_body_that_is_a_json_string_is_read_like_the_object() -> None:
    line = chat('{"a": 1}')
    text = answered(orjson.dumps(line["response"]["body"]).decode())

    assert classify(text, structured=True) == classify(line, structured=True)
    assert answer_text(text) == '{"a": 1}'


def test_a_missing_error_key_and_a_null_usage_do_no_harm() -> None:
    line = {
        "response": {
            "status_code": 200,
            "body": {"choices": chat()["response"]["body"]["choices"], "usage": None},
        }
    }

    assert classify(line, structured=False)[:6] == (None, "", 0, 0, 0, 0)


def test_cached_and_reasoning_tokens_are_read_from_both_endpoints() -> None:
    chat_line = chat()
    chat_line["response"]["body"]["usage"] |= {
        "prompt_tokens_details": {"cached_tokens": 3},
        "completion_tokens_details": {"reasoning_tokens": 2},
    }
    usage = {
        "input_tokens": 7,
        "output_tokens": 5,
        "input_tokens_details": {"cached_tokens": 3},
        "output_tokens_details": {"reasoning_tokens": 2},
    }

    for line in (chat_line, responses(message_item("x"), usage=usage)):
        assert classify(line, structured=False)[:6] == (None, "", 7, 5, 3, 2)


def test_tokens_written_to_the_cache_are_read_from_both_endpoints() -> None:
    chat_line = chat()
    details = {"cached_tokens": 3, "cache_write_tokens": 2}
    chat_line["response"]["body"]["usage"]["prompt_tokens_details"] = details
    usage = {"input_tokens": 7, "output_tokens": 5, "input_tokens_details": details}

    for line in (chat_line, responses(message_item("x"), usage=usage)):
        assert classify(line, structured=False).cache_written_tokens == 2


@pytest.mark.parametrize("count", [None, "7", -1, 1.5, True, [7], 2**31, 2**63])
def test_a_token_count_that_is_no_count_is_0(count: Any) -> None:
    line = chat()
    line["response"]["body"]["usage"] = {"prompt_tokens": count}

    assert classify(line, structured=False).input_tokens == 0


def test_the_text_comes_out_of_a_fence_that_encloses_it_wholly() -> None:
    assert answer_text(chat(' ```json\n{"a": 1}\n``` \n')) == '{"a": 1}'
    assert answer_text(chat("see ```json\n{}\n```")) == "see ```json\n{}\n```"
    assert answer_text(chat("```json")) == "```json"


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(chat("SECRET", "length"), id="truncated"),
        pytest.param(chat("SECRET", refusal="SECRET"), id="refused"),
        pytest.param(chat("SECRET {"), id="no JSON"),
        pytest.param(chat("SECRET", "odd"), id="unknown"),
        pytest.param(answered("SECRET page", 502), id="page"),
    ],
)
def test_a_message_never_quotes_the_answer(line: Line) -> None:
    verdict = classify(line, structured=True)

    assert verdict.message
    assert "SECRET" not in verdict.message


def test_a_message_is_cut() -> None:
    verdict = classify(refused(400, message="x" * 10_000), structured=False)

    assert len(verdict.message) == MESSAGE_LIMIT
