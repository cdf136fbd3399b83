"""Reading one line of a provider's result file, as it may really be.

A model whose answer is cut in the middle of an emoji leaves half a surrogate
pair, escaped, in an otherwise whole line; a server written in Python writes NaN
where a number has no value; a byte may be broken. orjson, Pydantic and Redis take
none of these, nor a number beyond a float's range. Losing such a line would mean
to ask, and pay, again.
"""

from __future__ import annotations

import json
from math import isfinite
from typing import Any, Final

import orjson

__all__ = ["parse_line"]

_DEEPEST: Final = 1024
"""Levels that orjson reads. A stored line stands one level down in its outcome, so it may have one less."""

_MOST_DIGITS: Final = 300
"""Whole numbers of as many digits are within a float's range; those of 4,300 Python does not read."""


def parse_line(line: bytes) -> tuple[Any, bytes]:
    """Parse a line, and return it as JSON that every parser takes.

    Returns:
        The value, and the line: as it came, or with U+FFFD for what is no character (half of a
        surrogate pair, broken UTF-8) and null for what is no number (NaN, infinity, 1e999).
        Either can be read again as part of another value.

    Raises:
        ValueError: It is no JSON, or nested too deeply.
    """
    try:
        return _loaded(line), line
    except orjson.JSONDecodeError:
        return _mended(line)


def _loaded(line: bytes) -> Any:
    value = orjson.loads(line)
    # Most lines have fewer brackets than there may be levels, and need no second look.
    if line.count(b"{") + line.count(b"[") >= _DEEPEST:
        orjson.loads(b"[%b]" % line)
    return value


def _mended(line: bytes) -> tuple[Any, bytes]:
    text = line.decode("utf-8-sig", "replace")
    try:
        value = json.loads(text, parse_constant=_no_number, parse_float=_number, parse_int=_whole)
        written = json.dumps(value, ensure_ascii=False)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    mended = written.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode()
    return _loaded(mended), mended


def _no_number(_name: str) -> None:
    return None


def _whole(digits: str) -> float | None:
    return int(digits) if len(digits) <= _MOST_DIGITS else _number(digits)


def _number(digits: str) -> float | None:
    number = float(digits)
    return number if isfinite(number) else None
