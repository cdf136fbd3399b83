"""Servers that are nearly like OpenAI write the same lines otherwise, and are understood."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from batchline_shared.dialects.openai_results import answer_text, classify
from batchline_shared.outcomes import ErrorType
from result_lines import Line, answered, chat, embedded, message_item, responses


@pytest.mark.parametrize(
    "response",
    [
        pytest.param({"status_code": 200, "body": "{}"}, id="as recorded"),
        pytest.param({"status_code": "200", "body": "{}"}, id="status as text"),
        pytest.param({"status_code": 201, "body": "{}"}, id="another good status"),
        pytest.param({"status_code": None, "body": "{}"}, id="null status"),
        pytest.param({"body": "{}", "took_ms": 3}, id="no status, unknown key"),
        pytest.param("{}", id="the answer without its frame"),
    ],
)
@pytest.mark.parametrize("error", [None, {}, ""], ids=repr)
@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(chat('{"a": 1}'), id="chat"),
        pytest.param(responses(message_item('{"a": 1}'), usage={"input_tokens": 7}), id="responses"),
        pytest.param(embedded({"index": 0, "embedding": [1.5]}), id="embeddings"),
    ],
)
def test_an_answer_is_read_in_whatever_frame_servers_put_it(answer: Line, response: Any, error: Any) -> None:
    body = answer["response"]["body"]
    framed = body if response == "{}" else response | {"body": body}
    line = {"custom_id": "a", "response": framed, "error": error}
    as_text = {"custom_id": "a", "response": orjson.dumps(framed).decode()}

    for served in (line, as_text):
        assert classify(served, structured=True) == classify(answer, structured=True)
        assert classify(served, structured=True).error_type is None
        assert answer_text(served) == answer_text(answer)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        pytest.param(
            answered({"error": {"message": "no"}}, "400"), ErrorType.INVALID_REQUEST, id="text status"
        ),
        pytest.param(
            {"response": None, "error": {"message": "no", "code": 400}},
            ErrorType.INVALID_REQUEST,
            id="the status as a code",
        ),
        pytest.param(
            {"response": {"status_code": 500, "body": None}, "error": {"error": {"message": "no"}}},
            ErrorType.PROVIDER_ERROR,
            id="an error in an error",
        ),
        pytest.param(
            answered({"object": "error", "message": "no", "code": 429}, None),
            ErrorType.RATE_LIMITED,
            id="the body is the error",
        ),
        pytest.param(
            answered({"choices": None, "error": {"message": "no", "code": 502}}),
            ErrorType.PROVIDER_ERROR,
            id="an error in the frame of a chat answer",
        ),
        pytest.param(
            answered({"data": [], "error": {"message": "no", "code": "429"}}),
            ErrorType.RATE_LIMITED,
            id="an error in the frame of embeddings",
        ),
        pytest.param({"response": None, "error": {}}, ErrorType.UNKNOWN, id="an empty error"),
        pytest.param({"response": {}, "error": None}, ErrorType.UNKNOWN, id="an empty response"),
        pytest.param(chat("{}") | {"response": "{"}, ErrorType.UNKNOWN, id="a response that is no JSON"),
        pytest.param(
            answered({"choices": chat()["response"]["body"]["choices"]}, "²00"),
            ErrorType.UNKNOWN,
            id="a status that only looks like a number",
        ),
    ],
)
def test_a_failure_is_named_in_whatever_form_servers_write_it(line: Line, expected: ErrorType) -> None:
    verdict = classify(line, structured=True)

    assert verdict.error_type is expected
    assert verdict.message
