"""A result line that is whole is read, whatever stands in it that is no character and no number."""

from __future__ import annotations

import json

import orjson
import pytest

from batchline_shared.dialects.jsonl import parse_line


def test_a_usual_line_comes_back_as_it_is() -> None:
    line = b'{"a": "x\xe2\x80\xa8y", "b": 1}'

    assert parse_line(line) == ({"a": "x\u2028y", "b": 1}, line)


@pytest.mark.parametrize("half", [r"\ud83d", r"\ude00", r"\ude00\ud83d"], ids=["high", "low", "swapped"])
def test_half_an_emoji_is_replaced_and_the_rest_is_kept(half: str) -> None:
    value, line = parse_line(b'{"custom_id": "a", "text": "cut ' + half.encode() + rb' and \ud83d\ude00"}')

    assert value["custom_id"] == "a"
    assert value["text"] == "cut " + "\ufffd" * (len(half) // 6) + " and 😀"
    assert orjson.loads(line) == value


BEYOND = ["1" + "0" * 400, "-" + "9" * 5_000]
"""Whole numbers that no float holds; the longer one is also more than Python reads at once."""


@pytest.mark.parametrize(
    "number", ["NaN", "Infinity", "-Infinity", "1e999", "-1e999", *BEYOND], ids=lambda number: number[:9]
)
def test_what_is_no_number_becomes_null_and_the_rest_is_kept(number: str) -> None:
    value, line = parse_line(f'{{"custom_id": "a", "logprob": {number}, "n": 0.1}}'.encode())

    assert value == {"custom_id": "a", "logprob": None, "n": 0.1}
    assert orjson.loads(line) == value


def test_a_broken_byte_is_replaced_and_the_rest_is_kept() -> None:
    value, line = parse_line(b'{"custom_id": "a", "text": "caf\xc3 \xff"}')

    assert value == {"custom_id": "a", "text": "caf\ufffd \ufffd"}
    assert orjson.loads(line) == value


def test_a_byte_order_mark_in_front_of_a_line_is_dropped() -> None:
    assert parse_line(b'\xef\xbb\xbf{"a": 1}')[0] == {"a": 1}


@pytest.mark.parametrize(
    "line", [b"", b"{", b'{"a": nan}', b"\xff", b"[" * 100_000, b"{'a': 1}", b"[" * 1024 + b"]" * 1024]
)
def test_what_is_no_json_is_refused(line: bytes) -> None:
    with pytest.raises(ValueError, match=r"nested|depth|Expecting"):
        parse_line(line)


def test_a_number_of_any_size_stays_a_number() -> None:
    value, _ = parse_line(json.dumps({"n": 2**70}).encode())

    assert value["n"] == pytest.approx(2**70)


def test_the_deepest_line_that_is_read_can_be_read_again_within_another_value() -> None:
    _, line = parse_line(b'{"text":"{[","x":%b}' % (b"[" * 1_022 + b"]" * 1_022))

    assert orjson.loads(b'{"raw":%b}' % line)["raw"]["text"] == "{["
