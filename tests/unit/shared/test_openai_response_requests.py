"""Requests to OpenAI's responses API: written as messages, sent as its own items."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
import pytest
from pydantic import BaseModel

from batchline_shared.dialects.registry import dialect
from batchline_shared.errors import InvalidInputError, InvalidRequestError

if TYPE_CHECKING:
    from batchline_shared.dialects.base import Dialect

TALK = [{"role": "user", "content": "“Grüezi” 👋"}]


class User(BaseModel):
    name: str


@pytest.fixture
def speech() -> Dialect:
    return dialect("openai", "/v1/responses")


def template(speech: Dialect, model: type[BaseModel] | None = None, **options: Any) -> dict[str, Any]:
    return speech.template("m", model, max_tokens=1000, temperature=0.1, options=options)


def sent(speech: Dialect, conversation: Any) -> Any:
    return orjson.loads(speech.encoder({})(conversation, 7))


def test_the_schema_of_the_response_model_stands_in_the_text_format_beside_the_options(
    speech: Dialect,
) -> None:
    body = template(speech, User, text={"verbosity": "low"})

    form = body["text"]["format"]
    assert (form["type"], form["name"], form["strict"]) == ("json_schema", "User", True)
    assert form["schema"]["required"] == ["name"]
    assert body["text"]["verbosity"] == "low"
    assert speech.structured(body)


def test_without_a_response_model_there_is_no_text_format(speech: Dialect) -> None:
    assert not speech.structured(template(speech, text={"verbosity": "low"}))
    assert "text" not in template(speech)


def test_the_text_format_cannot_be_set_as_an_option(speech: Dialect) -> None:
    with pytest.raises(InvalidInputError, match=r"'text\.format' cannot be set"):
        template(speech, text={"format": {"type": "json_object"}})


@pytest.mark.parametrize(
    ("own", "kept"),
    [
        ({"verbosity": "high"}, {"verbosity", "format"}),
        ({}, {"verbosity", "format"}),
        (None, {"format"}),
    ],
    ids=["another verbosity", "nothing", "none"],
)
def test_a_request_with_text_options_of_its_own_keeps_the_jobs_schema(
    speech: Dialect, own: Any, kept: set[str]
) -> None:
    body = template(speech, User, text={"verbosity": "low"})

    row = speech.encode_request(TALK, speech.overrides("m", None, None, {"text": own}), body, 0)

    written = orjson.loads(speech.object_line("a", body, row))["body"]
    assert set(written["text"]) == kept
    assert written["text"]["format"] == body["text"]["format"]
    assert written["text"].get("verbosity") in (None, (own or {}).get("verbosity", "low"))


def test_a_request_can_go_without_the_jobs_text_options(speech: Dialect) -> None:
    body = template(speech, text={"verbosity": "low"})

    row = speech.encode_request(TALK, speech.overrides("m", None, None, {"text": None}), body, 0)

    assert "text" not in orjson.loads(speech.object_line("a", body, row))["body"]


def test_tokens_are_called_output_tokens_and_a_reasoning_model_gets_no_temperature(speech: Dialect) -> None:
    assert template(speech) == {"model": "m", "max_output_tokens": 1000, "temperature": 0.1}
    reasoning = speech.template("gpt-6-sol", None, max_tokens=None, temperature=0.1, options={})
    assert reasoning == {"model": "gpt-6-sol"}


def test_fewer_tokens_than_the_api_takes_are_refused(speech: Dialect) -> None:
    with pytest.raises(InvalidInputError, match="at least 16"):
        speech.template("m", None, max_tokens=15, temperature=None, options={})


def test_a_conversation_of_texts_is_sent_as_it_is(speech: Dialect) -> None:
    talk = [
        {"role": "system", "content": "Be brief."},
        {"role": "developer", "content": "Be kind."},
        {"role": "user", "content": "Hello"},
        {"role": "assistant", "content": "Hi", "phase": "final_answer"},
    ]

    assert sent(speech, talk) == talk


def test_a_plain_text_is_a_conversation(speech: Dialect) -> None:
    assert sent(speech, "Hello") == "Hello"


def test_content_parts_of_chat_are_spelled_as_the_responses_api_does(speech: Dialect) -> None:
    talk = [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "What is this?", "prompt_cache_breakpoint": {"mode": "explicit"}},
                {"type": "image_url", "image_url": {"url": "https://a/b.png", "detail": "low"}},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA"}},
                {"type": "file", "file": {"file_id": "file-1"}},
            ],
        },
        {"role": "assistant", "content": [{"type": "text", "text": "A cat."}]},
    ]

    asked, answered = sent(speech, talk)

    assert asked["content"] == [
        {
            "type": "input_text",
            "text": "What is this?",
            "prompt_cache_breakpoint": {"mode": "explicit"},
        },
        {"type": "input_image", "image_url": "https://a/b.png", "detail": "low"},
        {"type": "input_image", "image_url": "data:image/png;base64,AA", "detail": "auto"},
        {"type": "input_file", "file_id": "file-1"},
    ]
    assert answered["content"] == [{"type": "output_text", "text": "A cat."}]


def test_parts_and_items_of_the_responses_api_pass_as_they_are(speech: Dialect) -> None:
    talk = [
        {"type": "message", "role": "user", "content": [{"type": "input_image", "file_id": "file-1"}]},
        {"type": "reasoning", "id": "rs_1", "summary": []},
        {"type": "function_call_output", "call_id": "c", "output": "3"},
        {"role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]},
    ]

    assert sent(speech, talk) == talk


def test_the_dump_of_a_chat_reply_is_a_message_without_its_empty_fields(speech: Dialect) -> None:
    answered: dict[str, Any] = {
        "role": "assistant",
        "content": "Hi",
        "refusal": None,
        "annotations": [],
        "tool_calls": None,
    }
    refused = {"role": "assistant", "content": None, "refusal": "No."}

    assert sent(speech, [answered, refused]) == [
        {"role": "assistant", "content": "Hi"},
        {"role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]},
    ]


@pytest.mark.parametrize(
    ("bad", "named"),
    [
        ("", "empty"),
        ([], "empty"),
        ({}, "expected a list"),
        ([{"role": "tool", "content": "3"}], r"messages\[0\]\.role 'tool'"),
        ([{"role": "nobody", "content": "3"}], "nobody"),
        ([{"role": "user", "content": "x", "name": "Ada"}], r"messages\[0\]\.name"),
        ([{"role": "assistant", "content": None, "tool_calls": [{}]}], r"messages\[0\]\.tool_calls"),
        ([{"role": "user", "content": [{"type": "input_audio"}]}], "input_audio"),
        ([{"role": "user", "content": [{"type": "output_text", "text": "x"}]}], "no assistant's"),
        ([{"role": "assistant", "content": [{"type": "input_text", "text": "x"}]}], "an assistant's"),
        ([{"role": "user", "content": [{"type": "text"}]}], r"messages\[0\]\.content\[0\] must have text"),
        ([{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}], "must have image_url"),
        ([{"role": "user", "content": [{"type": "file", "file": "x"}]}], "'file'"),
    ],
    ids=str,
)
def test_what_the_api_would_refuse_is_refused_by_the_number_of_its_row(
    speech: Dialect, bad: Any, named: str
) -> None:
    with pytest.raises(InvalidRequestError, match=f"^request 7: .*{named}"):
        speech.encoder({})(bad, 7)


def test_a_line_of_a_file_is_read_with_a_text_or_items_as_its_input(speech: Dialect) -> None:
    for given in ("Hello", TALK):
        body = {"model": "m", "input": given, "instructions": "Be brief."}
        line = {"custom_id": "a", "method": "POST", "url": "/v1/responses", "body": body}

        read = speech.read_line(line, "m")

        assert read.common == {"model": "m", "instructions": "Be brief."}
        assert orjson.loads(read.row) == given
