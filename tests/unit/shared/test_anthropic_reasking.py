"""Answers of Claude's that are sent back: calls get their results, thoughts stay, what is empty goes."""

from __future__ import annotations

from typing import Any

import orjson

from batchline_shared.dialects.registry import dialect
from result_lines import message, tool_use

SPEECH = dialect("anthropic")
THOUGHT = {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"}
HIDDEN = {"type": "redacted_thinking", "data": "ZGF0YQ"}


def sent_back(*content: Any) -> Any:
    turns = SPEECH.reask(message(*content), "not like this")
    return None if turns is None else orjson.loads(b"[%b]" % turns)


def test_a_call_to_a_tool_is_followed_by_its_result() -> None:
    assert sent_back(tool_use({"name": 1})) == [
        {"role": "assistant", "content": [tool_use({"name": 1})]},
        {
            "role": "user",
            "content": [
                {
                    "type": "tool_result",
                    "tool_use_id": "toolu_1",
                    "content": "not like this",
                    "is_error": True,
                }
            ],
        },
    ]


def test_each_of_several_calls_gets_a_result() -> None:
    second = {**tool_use({}), "id": "toolu_2"}

    results = sent_back(tool_use({}), second)[1]["content"]

    assert [one["tool_use_id"] for one in results] == ["toolu_1", "toolu_2"]


def test_a_text_is_answered_by_a_text() -> None:
    assert sent_back("hm")[1] == {"role": "user", "content": "not like this"}


def test_thoughts_go_back_signed_as_they_came_and_before_the_call() -> None:
    content = sent_back(THOUGHT, HIDDEN, tool_use({}))[0]["content"]

    assert content == [THOUGHT, HIDDEN, tool_use({})]


def test_what_a_request_may_not_bear_stays_behind() -> None:
    searched = {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}
    cited = {"type": "text", "text": "so", "citations": None}

    assert sent_back(searched, "", cited)[0]["content"] == [{"type": "text", "text": "so"}]


def test_thoughts_alone_cannot_be_sent_back() -> None:
    assert sent_back(THOUGHT) is None


def test_what_cannot_be_written_again_cannot_be_sent_back() -> None:
    deep: Any = 1
    for _ in range(300):
        deep = [deep]

    assert sent_back(tool_use({"a": deep})) is None
