"""Tests of the verdict on a result line of Vertex AI and of the Gemini Developer API."""

from __future__ import annotations

from typing import Any

import pytest
from google.genai.types import FinishReason

from batchline_shared.dialects.google_results import FINISH_REASONS, answer_text, classify
from batchline_shared.dialects.verdict import MESSAGE_LIMIT
from batchline_shared.outcomes import ErrorType
from recordings import recorded
from result_lines import Line, candidate, gemini, row_failed, vertex

SIGNATURE = {"thoughtSignature": "El4K"}
BLOCKED = {"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"promptTokenCount": 7}}
OPENAI_REPLY = {"status_code": 200, "body": {"choices": []}}
NO_LINES: list[Any] = [None, [], "x", {}, {"response": None}, {"response": {}}, {"response": OPENAI_REPLY}]


def kind(line: Any, *, structured: bool = True) -> ErrorType | None:
    return classify(line, structured=structured).error_type


def test_a_recorded_answer_is_its_text_without_the_signature() -> None:
    [line] = recorded("google_gemini_result_line_thought_signature.jsonl")

    assert classify(line, structured=True)[:6] == (None, "", 1427, 144, 0, 0)
    assert answer_text(line) == line["response"]["candidates"][0]["content"]["parts"][0]["text"]


def test_recorded_thoughts_count_as_output() -> None:
    for line in recorded("google_gemini_results_cookbook.jsonl"):
        verdict = classify(line, structured=False)
        usage = line["response"]["usageMetadata"]

        assert verdict.input_tokens + verdict.output_tokens == usage["totalTokenCount"]
        assert verdict.reasoning_tokens == usage["thoughtsTokenCount"]


@pytest.mark.parametrize("frame", [vertex, gemini])
@pytest.mark.parametrize(
    ("response", "expected"),
    [
        pytest.param(candidate("{}"), None, id="text"),
        pytest.param(candidate("{", "}", SIGNATURE), None, id="several parts"),
        pytest.param(candidate({"text": "{", "thought": True}, "{}"), None, id="thoughts first"),
        pytest.param(candidate({"text": "{}", "thoughtSignature": "s"}), None, id="signature in the part"),
        pytest.param(candidate("```json\n{}\n```"), None, id="fenced"),
        pytest.param(candidate("Sure! {}"), ErrorType.INVALID_OUTPUT, id="prose around"),
        pytest.param(candidate(SIGNATURE), ErrorType.INVALID_OUTPUT, id="signature alone"),
        pytest.param(candidate({"functionCall": {}}), ErrorType.INVALID_OUTPUT, id="function call alone"),
        pytest.param(candidate("{}", reason=None), None, id="no reason"),
        pytest.param(candidate("{}", reason="MAX_TOKENS"), ErrorType.TRUNCATED, id="cut, though it parses"),
        pytest.param(
            {"candidates": [{"content": {"role": "model"}, "finishReason": "MAX_TOKENS"}]},
            ErrorType.TRUNCATED,
            id="no part, thoughts took all",
        ),
        pytest.param(
            {"candidates": [{"finishReason": "SAFETY"}]}, ErrorType.CONTENT_FILTERED, id="no content"
        ),
        pytest.param(candidate("{}", reason="RECITATION"), ErrorType.CONTENT_FILTERED, id="recitation"),
        pytest.param(
            candidate("{}", reason="PROHIBITED_CONTENT"), ErrorType.CONTENT_FILTERED, id="prohibited"
        ),
        pytest.param(candidate(reason="MALFORMED_FUNCTION_CALL"), ErrorType.INVALID_OUTPUT, id="malformed"),
        pytest.param(candidate("{}", reason="ON_FIRE"), ErrorType.UNKNOWN, id="unknown reason"),
        pytest.param(candidate("{}", reason=["STOP"]), ErrorType.UNKNOWN, id="reason of another type"),
        pytest.param(BLOCKED, ErrorType.CONTENT_FILTERED, id="prompt blocked"),
        pytest.param(
            candidate("{}") | {"promptFeedback": {"blockReason": "OTHER"}},
            ErrorType.CONTENT_FILTERED,
            id="prompt blocked, and an answer",
        ),
        pytest.param({"usageMetadata": {}}, ErrorType.CONTENT_FILTERED, id="no candidates"),
        pytest.param({"candidates": []}, ErrorType.CONTENT_FILTERED, id="empty candidates"),
    ],
)
def test_an_answer_is_judged_by_how_it_ended_before_what_it_says(
    frame: Any, response: Any, expected: ErrorType | None
) -> None:
    assert kind(frame(response)) is expected


@pytest.mark.parametrize("text", ["", "plain words", "{"])
def test_free_text_need_not_be_json(text: str) -> None:
    assert kind(vertex(candidate(text)), structured=False) is None
    assert answer_text(vertex(candidate(text)), structured=False) == text


@pytest.mark.parametrize("status", ["", None])
def test_a_row_without_an_error_is_its_answer(status: Any) -> None:
    assert classify(vertex(candidate("{}"), status), structured=True)[:6] == (None, "", 7, 5, 0, 0)


@pytest.mark.parametrize(
    ("status", "expected", "words"),
    [
        (
            'Bad Request: {"error": {"code": 400, "message": "no", "status": "INVALID_ARGUMENT"}}',
            ErrorType.INVALID_REQUEST,
            "no",
        ),
        ('Bad Request: {"code": 400, "message": "no"}', ErrorType.INVALID_REQUEST, "no"),
        ('{"error": {"code": 429, "message": "busy"}}', ErrorType.RATE_LIMITED, "busy"),
        ('{"error": {"code": "429", "message": "busy"}}', ErrorType.RATE_LIMITED, "busy"),
        ('{"error": {"code": 503, "message": "down"}}', ErrorType.PROVIDER_ERROR, "down"),
        ('{"error": {"code": 499, "message": "gone"}}', ErrorType.CANCELLED, "gone"),
        (
            '{"error": {"status": "UNAVAILABLE"}}',
            ErrorType.PROVIDER_ERROR,
            '{"error": {"status": "UNAVAILABLE"}}',
        ),
        (
            'Service Unavailable: {"error": {"co',
            ErrorType.PROVIDER_ERROR,
            'Service Unavailable: {"error": {"co',
        ),
        ("Too Many Requests", ErrorType.RATE_LIMITED, "Too Many Requests"),
        ("out of luck", ErrorType.UNKNOWN, "out of luck"),
        ("{", ErrorType.UNKNOWN, "{"),
        ("{}", ErrorType.UNKNOWN, "{}"),
        (" ", ErrorType.UNKNOWN, " "),
        (7, ErrorType.UNKNOWN, "the result line is of no kind that we know"),
    ],
)
def test_a_row_s_status_names_its_failure_and_keeps_its_words(
    status: Any, expected: ErrorType, words: str
) -> None:
    assert classify(row_failed(status), structured=True)[:6] == (expected, words, 0, 0, 0, 0)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (0, ErrorType.UNKNOWN),
        (1, ErrorType.CANCELLED),
        (2, ErrorType.PROVIDER_ERROR),
        (3, ErrorType.INVALID_REQUEST),
        (4, ErrorType.PROVIDER_ERROR),
        (5, ErrorType.INVALID_REQUEST),
        (7, ErrorType.INVALID_REQUEST),
        (8, ErrorType.RATE_LIMITED),
        (9, ErrorType.INVALID_REQUEST),
        (10, ErrorType.PROVIDER_ERROR),
        (12, ErrorType.INVALID_REQUEST),
        (13, ErrorType.PROVIDER_ERROR),
        (14, ErrorType.PROVIDER_ERROR),
        (16, ErrorType.INVALID_REQUEST),
        (17, ErrorType.UNKNOWN),
        (404, ErrorType.INVALID_REQUEST),
        (500, ErrorType.PROVIDER_ERROR),
        (None, ErrorType.UNKNOWN),
        ([3], ErrorType.UNKNOWN),
    ],
)
def test_a_line_s_error_is_named_by_its_code(code: Any, expected: ErrorType) -> None:
    error = {"code": code, "message": "no"}

    for line in ({"key": "a", "error": error}, {"key": "a", "error": {"error": error}}):
        assert classify(line, structured=True)[:2] == (expected, "no")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("* GenerateContentRequest.generation_config.response_schema: bad", ErrorType.SCHEMA_REJECTED),
        ("Unknown name responseSchema", ErrorType.SCHEMA_REJECTED),
        ("The specified schema produces a constraint that has too many states", ErrorType.SCHEMA_REJECTED),
        (
            "Function calling with a response mime type: 'application/json' is unsupported",
            ErrorType.INVALID_REQUEST,
        ),
    ],
)
def test_words_about_the_schema_make_a_rejected_schema(words: str, expected: ErrorType) -> None:
    assert kind({"key": "a", "error": {"code": 3, "message": words}}) is expected


def test_a_line_with_an_error_beside_a_reply_has_failed() -> None:
    line = gemini(candidate("{}")) | {"error": {"code": 13, "message": "no"}}

    assert kind(line) is ErrorType.PROVIDER_ERROR


def test_tokens_of_thoughts_and_of_the_cache_are_read_and_all_may_be_missing() -> None:
    counted = candidate("x")
    counted["usageMetadata"] |= {"thoughtsTokenCount": 90, "cachedContentTokenCount": 3}
    bare = {"candidates": candidate("x")["candidates"], "usageMetadata": None}

    assert classify(vertex(counted), structured=False)[:6] == (None, "", 7, 95, 3, 90)
    assert classify(vertex(bare), structured=False)[:6] == (None, "", 0, 0, 0, 0)


@pytest.mark.parametrize(
    ("count", "expected"),
    [("7", 7), ("²", 0), ("-7", 0), ("9" * 30, 0), ("9" * 18, 0), (2**63, 0)]
    + [(value, 0) for value in (None, -1, 1.5, True, [7])],
)
def test_a_token_count_may_be_written_as_text_and_what_is_no_count_is_0(count: Any, expected: int) -> None:
    response = candidate("x")
    response["usageMetadata"] = {"promptTokenCount": count}

    assert classify(vertex(response), structured=False).input_tokens == expected


def test_an_embedding_is_an_answer_whose_text_is_its_vector() -> None:
    line = gemini({"tokenCount": "4", "embedding": {"values": [0.5, -1]}})

    assert classify(line, structured=True)[:6] == (None, "", 4, 0, 0, 0)
    assert answer_text(line) == "[0.5,-1]"


@pytest.mark.parametrize("embedding", [None, {}, {"values": []}, {"values": [None]}], ids=repr)
def test_an_embedding_without_numbers_is_no_answer(embedding: Any) -> None:
    assert kind(gemini({"embedding": embedding})) is ErrorType.INVALID_OUTPUT
    assert answer_text(gemini({"embedding": embedding})) is None


@pytest.mark.parametrize("line", NO_LINES, ids=repr)
def test_what_is_no_line_of_google_is_unknown_and_has_no_text(line: Any) -> None:
    assert kind(line) is ErrorType.UNKNOWN
    assert answer_text(line) is None


@pytest.mark.parametrize("reason", ["MAX_TOKENS", "SAFETY", "OTHER", "STOP", "NEW"])
def test_a_message_never_quotes_the_answer(reason: str) -> None:
    verdict = classify(vertex(candidate("SECRET", reason=reason)), structured=True)

    assert verdict.message
    assert "SECRET" not in verdict.message


@pytest.mark.parametrize("line", [row_failed("x" * 9_000), vertex(candidate("x", reason="x" * 9_000))])
def test_a_message_is_cut(line: Line) -> None:
    assert len(classify(line, structured=False).message) == MESSAGE_LIMIT


def test_every_finish_reason_of_the_sdk_is_judged() -> None:
    assert {str(reason.value) for reason in FinishReason} == set(FINISH_REASONS) | {"STOP"}

    for reason in FINISH_REASONS:
        assert classify(vertex(candidate("{}", reason=reason)), structured=True).message
