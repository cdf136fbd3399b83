"""The requests of a create call: read one at a time, wherever the text is torn."""

import io
import json
import tracemalloc
from typing import Any

import pytest

from batchline_simulator.anthropic.body import BodyError, requests_in

TORN = [
    {"custom_id": "a", "params": {"text": 'quote " and \\ and \u2028 and é and 😀', "n": -1.5e3}},
    {"custom_id": "b", "params": {"deep": [[], {}, [None, True, False, {"requests": "]}"}]]}},
    {"custom_id": "c", "params": {"text": "x" * 200_000}},
    17,
    "text",
]


class OneByte(io.BytesIO):
    """A source that gives a byte at a time, whatever is asked for."""

    def read(self, size: int | None = -1) -> bytes:
        return super().read(1 if size else size)


def read(body: bytes) -> list[Any]:
    return list(requests_in(io.BytesIO(body)))


@pytest.mark.parametrize("indent", [None, 2], ids=["compact", "indented"])
@pytest.mark.parametrize("ascii_only", [True, False], ids=["escaped", "raw"])
def test_requests_are_those_of_the_whole_body(indent: int | None, *, ascii_only: bool) -> None:
    body = json.dumps({"requests": TORN}, indent=indent, ensure_ascii=ascii_only).encode()

    assert read(body) == TORN


def test_requests_survive_being_torn_anywhere() -> None:
    small = [*TORN[:2], *TORN[3:]]
    body = json.dumps({"requests": small}, ensure_ascii=False).encode()

    assert list(requests_in(OneByte(body))) == small


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "not valid JSON"),
        (b"[]", "not valid JSON"),
        (b"{}", "requests: Field required"),
        (b'{"requests": 7}', "requests: Input should be a valid list"),
        (b'{"requests": []} tail', "not valid JSON"),
        (b'{"requests": [{}', "not valid JSON"),
        (b'{"requests": [{}, ]}', "not valid JSON"),
        (b'{"requests": [{"a": NaN}]}', "not valid JSON"),
        (b'{"requests": ["\xff"]}', "not valid JSON"),
        (b'{"requests": [' + b"[" * 100_000, "not valid JSON"),
        (b'{"requests": [], "model": "m"}', "model: Extra inputs are not permitted"),
    ],
    ids=["empty", "list", "object", "number", "tail", "cut", "comma", "NaN", "encoding", "deep", "extra"],
)
def test_body_that_is_no_list_of_requests_is_refused(body: bytes, message: str) -> None:
    with pytest.raises(BodyError, match=message):
        read(body)


def test_memory_follows_one_request_and_not_the_body() -> None:
    item = json.dumps({"custom_id": "a", "params": {"text": "x" * 10_000}})
    body = io.BytesIO(b'{"requests":[' + b",".join([item.encode()] * 2000) + b"]}")
    tracemalloc.start()
    count = sum(1 for _ in requests_in(body))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert count == 2000
    assert peak < 2_000_000


def test_mistake_at_the_start_is_told_before_the_rest_is_read() -> None:
    body = io.BytesIO(b'{"requests": [{"a" 1}' + b" " * 10_000_000)
    with pytest.raises(BodyError):
        list(requests_in(body))

    assert body.tell() < 1_000_000
