"""Token estimates: from bytes, at no cost, and not misled by what is inline."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchline_shared.tokens import INLINE_TOKENS, estimate_tokens

PICTURE = base64.b64encode(bytes(range(256)) * 4000)


@given(st.binary(max_size=200))
def test_an_estimate_is_a_quarter_of_the_bytes_and_at_least_one(row: bytes) -> None:
    assert 4 * (estimate_tokens(row) - 1) < max(len(row), 1) <= 4 * estimate_tokens(row)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("The quick brown fox jumps over the lazy dog. " * 200, id="English"),
        pytest.param("Съешь же ещё этих мягких французских булок, да выпей чаю. " * 200, id="Russian"),
        pytest.param("いろはにほへと ちりぬるを わかよたれそ つねならむ " * 200, id="Japanese"),
    ],
)
def test_no_letter_counts_more_than_one_token_in_any_script(text: str) -> None:
    assert estimate_tokens(text.encode()) <= len(text)
    assert estimate_tokens(text.encode()) >= len(text.split())


@pytest.mark.parametrize(
    "part",
    [
        pytest.param(b'{"image_url":{"url":"data:image/png;base64,%s"}}', id="OpenAI"),
        pytest.param(b'{"input_audio":{"data":"%s","format":"wav"}}', id="OpenAI's audio"),
        pytest.param(b'{"source":{"type":"base64","media_type":"image/png","data":"%s"}}', id="Anthropic"),
        pytest.param(b'{"inlineData":{"mimeType":"image/png","data":"%s"}}', id="Google"),
    ],
)
def test_what_is_inline_counts_by_the_piece_and_not_by_its_bytes(part: bytes) -> None:
    row = b"[" + part % PICTURE + b"," + part % PICTURE + b"]"

    assert 2 * INLINE_TOKENS < estimate_tokens(row) < 2 * INLINE_TOKENS + 100


def test_a_long_word_is_no_inline_data() -> None:
    assert estimate_tokens(b"a" * 100_000) == 25_000
