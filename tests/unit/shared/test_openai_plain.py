"""The quick way through a result line says what the careful way says."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from batchline_shared.dialects.openai_plain import plain_answer, plain_verdict
from batchline_shared.dialects.openai_results import answer_text, classify

LINE: dict[str, Any] = {
    "custom_id": "a",
    "response": {
        "status_code": 200,
        "body": {
            "choices": [{"message": {"content": '{"x": 1}', "refusal": None}, "finish_reason": "stop"}],
            "usage": {
                "prompt_tokens": 7,
                "completion_tokens": 5,
                "prompt_tokens_details": {"cached_tokens": 3},
                "completion_tokens_details": {"reasoning_tokens": 2},
            },
        },
    },
    "error": None,
}

PLACES = [
    ("response", "body", "choices"),
    ("response", "body", "choices", 0),
    ("response", "body", "choices", 0, "message"),
    ("response", "body", "choices", 0, "message", "content"),
    ("response", "body", "choices", 0, "message", "refusal"),
    ("response", "body", "choices", 0, "finish_reason"),
    ("response", "body", "usage"),
]

COUNTS = [
    ("prompt_tokens",),
    ("completion_tokens",),
    ("prompt_tokens_details", "cached_tokens"),
    ("completion_tokens_details", "reasoning_tokens"),
]

VALUES = [None, "", "text", '{"y": 2}', 0, 1, -1, 2.5, True, [], [{}], ["s"], {}, {"content": "x"}, "length"]
COUNT_VALUES = [*VALUES, 2**31, 2**63]


def test_an_ordinary_line_takes_the_quick_way() -> None:
    assert plain_answer(LINE) == ('{"x": 1}', LINE["response"]["body"]["usage"])
    assert plain_verdict((None, ""), LINE["response"]["body"]["usage"])[:6] == (None, "", 7, 5, 3, 2)


def test_tokens_written_to_the_cache_do_not_slow_a_line_down() -> None:
    line = _with(("response", "body", "usage", "prompt_tokens_details", "cache_write_tokens"), 2)

    verdict = plain_verdict((None, ""), line["response"]["body"]["usage"])

    assert verdict is not None
    assert verdict.cache_written_tokens == 2


@pytest.mark.parametrize("structured", [True, False])
@pytest.mark.parametrize("place", PLACES, ids=lambda place: ".".join(map(str, place)))
def test_both_ways_agree_on_whatever_stands_in_an_answer(
    place: tuple[Any, ...],
    structured: bool,  # noqa: FBT001
) -> None:
    for line in [*(_with(place, value) for value in VALUES), _without(place)]:
        careful = copy.deepcopy(line)
        # As some gateways send it; the quick way knows no such bodies.
        careful["response"]["body"] = json.dumps(line["response"]["body"])

        assert plain_answer(careful) is None
        assert classify(line, structured=structured) == classify(careful, structured=structured)
        assert answer_text(line, structured=structured) == answer_text(careful, structured=structured)


@pytest.mark.parametrize("place", COUNTS, ids=".".join)
@pytest.mark.parametrize("value", COUNT_VALUES, ids=repr)
def test_what_is_no_count_counts_as_nothing(place: tuple[str, ...], value: Any) -> None:
    line = _with(("response", "body", "usage", *place), value)
    expected = [7, 5, 3, 2]
    expected[COUNTS.index(place)] = 1 if value == 1 and value is not True else 0

    assert list(classify(line, structured=True)[2:6]) == expected


def _with(place: tuple[Any, ...], value: Any) -> dict[str, Any]:
    line = copy.deepcopy(LINE)
    _parent(line, place)[place[-1]] = value
    return line


def _without(place: tuple[Any, ...]) -> dict[str, Any]:
    line = copy.deepcopy(LINE)
    del _parent(line, place)[place[-1]]
    return line


def _parent(line: Any, place: tuple[Any, ...]) -> Any:
    for step in place[:-1]:
        line = line[step]
    return line
