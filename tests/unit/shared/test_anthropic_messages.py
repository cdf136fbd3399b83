"""Tests of bringing conversations into Anthropic's form."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from batchline_shared.dialects.anthropic_messages import converted
from batchline_shared.errors import InvalidRequestError

USER = {"role": "user", "content": "hi"}
PIXEL = "data:image/png;base64,AAAA"


def said(*parts: Any) -> list[dict[str, Any]]:
    return [{"role": "user", "content": list(parts)}]


def part(url: Any, **more: Any) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url}, **more}


def block(kind: str, media_type: str) -> dict[str, Any]:
    return {"type": kind, "source": {"type": "base64", "media_type": media_type, "data": "AAAA"}}


@pytest.mark.parametrize("role", ["system", "developer"])
def test_a_system_message_is_lifted_out_of_the_conversation(role: str) -> None:
    conversation = converted([{"role": role, "content": "be brief"}, USER], 0)

    assert conversation.fields() == {"messages": [USER], "system": "be brief"}
    assert conversation.fragment(0) == orjson.dumps([USER]) + b',"system":"be brief"'


def test_a_conversation_without_one_is_a_list_alone() -> None:
    talk = [USER, {"role": "assistant", "content": "hello"}, USER, USER]

    conversation = converted(talk, 0)

    assert conversation.fields() == {"messages": talk}
    assert conversation.fragment(0) == orjson.dumps(talk)


def test_several_system_messages_are_joined_in_their_order() -> None:
    texts = [{"role": "system", "content": "one"}, {"role": "developer", "content": "two"}, USER]
    cached = {"type": "text", "text": "two", "cache_control": {"type": "ephemeral"}}
    mixed = [{"role": "system", "content": "one"}, {"role": "system", "content": [cached]}, USER]

    assert converted(texts, 0).system == "one\n\ntwo"
    assert converted(mixed, 0).system == [{"type": "text", "text": "one"}, cached]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param(part(PIXEL), block("image", "image/png"), id="picture"),
        pytest.param(
            {"type": "image_url", "image_url": PIXEL}, block("image", "image/png"), id="bare address"
        ),
        pytest.param(
            part("https://x.example/a.png", cache_control={"type": "ephemeral"}),
            {
                "type": "image",
                "source": {"type": "url", "url": "https://x.example/a.png"},
                "cache_control": {"type": "ephemeral"},
            },
            id="address",
        ),
        pytest.param(
            {"type": "file", "file": {"file_data": "data:application/pdf;base64,AAAA", "filename": "a.pdf"}},
            block("document", "application/pdf"),
            id="document",
        ),
    ],
)
def test_a_part_in_openais_way_becomes_anthropics(given: dict[str, Any], expected: dict[str, Any]) -> None:
    assert converted(said(given), 0).messages == said(expected)


@pytest.mark.parametrize(
    "native",
    [
        {"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}},
        {"type": "image", "source": {"type": "file", "file_id": "f"}},
        {"type": "document", "source": {"type": "url", "url": "https://x.example/a.pdf"}, "title": "t"},
        {"type": "newer_than_us", "x": 1},
    ],
    ids=lambda native: native["type"],
)
def test_a_part_of_anthropics_own_passes_as_it_is(native: dict[str, Any]) -> None:
    assert converted(said(native), 0).messages == said(native)


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (part("ftp://x.example/a.png"), "https://"),
        (part("data:image/tiff;base64,AAAA"), "image/webp"),
        (part("data:image/png,AAAA"), "base64"),
        (part(None), "https://"),
        ({"type": "file", "file": {"file_id": "f"}}, "file_data"),
        ({"type": "input_audio", "input_audio": {}}, "no sound"),
        ({"type": "tool_use", "id": "t", "name": "n", "input": {}}, "call to a tool"),
        ({"type": "tool_result", "tool_use_id": "t"}, "call to a tool"),
    ],
    ids=str,
)
def test_a_part_that_cannot_be_sent_is_refused_by_its_place(bad: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidRequestError, match=words) as refused:
        converted(said({"type": "text", "text": "secret"}, bad), 7)

    assert "request 7: messages[0].content[1]" in str(refused.value)
    assert "secret" not in str(refused.value)
    assert "AAAA" not in str(refused.value)


@pytest.mark.parametrize(
    ("talk", "words"),
    [
        ([USER, {"role": "system", "content": "late"}], r"messages\[1\]: a system message must stand before"),
        ([USER, {"role": "tool", "content": "x"}], r"messages\[1\]\.role 'tool'"),
        ([USER, {"role": "function", "content": "x"}], r"messages\[1\]\.role 'function'"),
        ([{"role": "system", "content": "x"}], "no message of a user"),
        ([USER | {"name": "Ada"}], r"messages\[0\] has 'name'"),
        ([USER, {"role": "assistant", "content": None, "tool_calls": [{}]}], "tool_calls"),
    ],
    ids=str,
)
def test_a_conversation_that_anthropic_would_refuse_is_refused_by_its_place(talk: Any, words: str) -> None:
    with pytest.raises(InvalidRequestError, match=words):
        converted(talk, 0)


def test_null_that_openais_replies_bear_is_left_out() -> None:
    reply = {"role": "assistant", "content": "hello", "refusal": None, "tool_calls": None}

    assert converted([USER, reply, USER], 0).messages[1] == {"role": "assistant", "content": "hello"}


def test_the_assistant_has_the_last_word_only_where_the_answer_can_go_on_from_it() -> None:
    talk = [USER, {"role": "assistant", "content": "The answer is"}]

    assert converted(talk, 0).messages == talk
    with pytest.raises(InvalidRequestError, match="last message is the assistant's"):
        converted(talk, 0, prefill=False)
