"""Reading one line of a provider's result file, as it may really be.

A model whose answer is cut in the middle of an emoji leaves half a surrogate
pair, escaped, in an otherwise whole line; a server written in Python writes NaN
where a number has no value; a byte may be broken. orjson, Pydantic and Redis take
none of these. Losing such a line would mean to ask, and pay, again.
"""

from __future__ import annotations

import json
from math import isfinite
from typing import Any

import orjson

__all__ = ["parse_line"]


def parse_line(line: bytes) -> tuple[Any, bytes]:
    """Parse a line, and return it as JSON that every parser takes.

    Returns:
        The value, and the line: as it came, or with U+FFFD for what is no character (half of a
        surrogate pair, broken UTF-8) and null for what is no number (NaN, infinity, 1e999).

    Raises:
        ValueError: It is no JSON.
    """
    try:
        return orjson.loads(line), line
    except orjson.JSONDecodeError:
        return _mended(line)


def _mended(line: bytes) -> tuple[Any, bytes]:
    text = line.decode("utf-8-sig", "replace")
    try:
        value = json.loads(text, parse_constant=_no_number, parse_float=_number)
        written = json.dumps(value, ensure_ascii=False)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    mended = written.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode()
    return orjson.loads(mended), mended


def _no_number(_name: str) -> None:
    return None


def _number(digits: str) -> float | None:
    number = float(digits)
    return number if isfinite(number) else None
