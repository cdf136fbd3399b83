"""Reading one line of a provider's result file, as it may really be.

A model whose answer is cut in the middle of an emoji leaves half a surrogate
pair, escaped, in an otherwise whole line. Python's own parser takes it; orjson,
Pydantic and Redis do not. Losing such a line would mean to ask, and pay, again.
"""

from __future__ import annotations

import json
from typing import Any

import orjson

__all__ = ["parse_line"]


def parse_line(line: bytes) -> tuple[Any, bytes]:
    """Parse a line, and return it as JSON that every parser takes.

    Returns:
        The value, and the line: as it came, or with U+FFFD for every half of a surrogate pair.

    Raises:
        ValueError: It is no JSON.
    """
    try:
        return orjson.loads(line), line
    except orjson.JSONDecodeError:
        return _mended(line)


def _mended(line: bytes) -> tuple[Any, bytes]:
    try:
        value = json.loads(line, parse_constant=_refused)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    text = json.dumps(value, ensure_ascii=False)
    mended = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode()
    return orjson.loads(mended), mended


def _refused(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")
