"""Tests of splitting a download into whole lines."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchline_worker.providers.jsonl import TruncatedError, complete_lines


@pytest.mark.parametrize("separator", ["\u2028", "\u2029", "\u0085"])
def test_other_line_separators_do_not_split_a_line(separator: str) -> None:
    line = f'"a{separator}b"'.encode()

    assert list(complete_lines([line + b"\n" + line + b"\n"])) == [line, line]


def test_a_byte_order_mark_crlf_and_blank_lines_are_dropped() -> None:
    content = b'\xef\xbb\xbf{"a":1}\r\n\r\n \n{"b":2}\r\n'

    assert list(complete_lines([content])) == [b'{"a":1}', b'{"b":2}']


def test_a_last_line_without_a_line_feed_is_given_out_when_it_is_whole() -> None:
    assert list(complete_lines([b"{}\n[]"])) == [b"{}", b"[]"]


@pytest.mark.parametrize("content", [b'{}\n{"a":', b'{}\n{"a":\n', b"{}\n<html>"])
def test_a_last_line_that_is_no_json_is_never_given_out(content: bytes) -> None:
    lines = complete_lines([content])

    assert next(lines) == b"{}"
    with pytest.raises(TruncatedError):
        next(lines)


def test_a_line_that_is_no_json_in_the_middle_is_for_the_reader_to_judge() -> None:
    assert list(complete_lines([b"{\n{}\n"])) == [b"{", b"{}"]


@pytest.mark.parametrize("content", [b"", b"\n", b"\xef\xbb\xbf", b" \r\n"])
def test_nothing_has_no_lines(content: bytes) -> None:
    assert list(complete_lines([content])) == []


@given(values=st.lists(st.text(max_size=5), max_size=6), size=st.integers(min_value=1, max_value=9))
def test_the_size_of_the_pieces_makes_no_difference(values: list[str], size: int) -> None:
    lines = [orjson.dumps(value) for value in values]
    content = b"\n".join(lines)
    pieces = [content[at : at + size] for at in range(0, len(content), size)]

    assert list(complete_lines(pieces)) == lines


def test_a_line_that_does_not_end_is_given_up_before_it_fills_the_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("batchline_worker.providers.jsonl._MAX_LINE_BYTES", 1000)
    taken = iter([b"{}\n", *[b"x" * 100] * 1000])
    lines = complete_lines(taken)

    with pytest.raises(TruncatedError, match="does not end within 1000 bytes"):
        list(lines)
    assert len(list(taken)) > 980
