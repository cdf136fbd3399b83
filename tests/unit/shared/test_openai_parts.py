"""Content parts of a chat conversation: those of another API would fail every line of a batch."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from batchline_shared.dialects.registry import dialect
from batchline_shared.errors import InvalidRequestError


def sent(*parts: dict[str, Any]) -> Any:
    row = dialect("openai").encoder({})([{"role": "user", "content": list(parts)}], 7)
    return orjson.loads(row)[0]["content"]


@pytest.mark.parametrize(
    "part",
    [
        {"type": "text", "text": "x", "prompt_cache_breakpoint": {"mode": "explicit"}},
        {"type": "image_url", "image_url": {"url": "https://a/b.png", "detail": "low"}},
        {"type": "input_audio", "input_audio": {"data": "AA", "format": "wav"}},
        {"type": "file", "file": {"file_id": "file-1"}},
        {"type": "video_url", "video_url": {"url": "https://a/b.mp4"}},
    ],
    ids=lambda part: str(part["type"]),
)
def test_a_part_that_openai_or_a_server_like_it_takes_is_sent_as_it_is(part: dict[str, Any]) -> None:
    assert sent(part) == [part]


@pytest.mark.parametrize(
    ("part", "named"),
    [
        ({"type": "input_text", "text": "x"}, "call 'text'"),
        ({"type": "input_image", "image_url": "https://a"}, "call 'image_url'"),
        ({"type": "image", "source": {}}, "call 'image_url'"),
        ({"type": "document", "source": {}}, "call 'file'"),
        ({"type": "text"}, r"content\[1\]\.text must be text"),
        ({"type": "text", "text": 3}, r"content\[1\]\.text must be text"),
        ({"type": "image_url", "image_url": "https://a"}, r"image_url must be an object"),
        ({"type": "image_url", "image_url": {"url": None}}, r"image_url\.url must be text"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_part_that_openai_refuses_is_refused_with_its_place_and_not_quoted(
    part: dict[str, Any], named: str
) -> None:
    with pytest.raises(InvalidRequestError, match=f"^request 7: .*{named}") as refused:
        sent({"type": "text", "text": "a secret"}, part)

    assert "secret" not in str(refused.value)
