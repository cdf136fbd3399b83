"""What Vertex AI can load of a row: it imports the whole file as a table, one column for each path of keys.

One row that does not fit fails the whole job (code 3, nothing run), so that rows
are held against the rules when they are enqueued. A response schema has its own
place for them, `schemas.vertex_import`, with the same limits.
"""

from __future__ import annotations

import re
from typing import Any, Final

from batchline_shared.schemas.vertex_import import MAX_LEVELS

__all__ = ["check_loadable"]

_COLUMN: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]{0,299}")


def check_loadable(value: Any, at: str, *, level: int) -> None:
    """Refuse what could not be loaded.

    Args:
        value: A JSON value of a row.
        at: Its path in the row, for the message.
        level: How many objects it stands in, from 1, which `request` has.

    Raises:
        ValueError: Names the path and the rule; quotes no value.
    """
    _check(value, at, level, {})


def _check(value: Any, at: str, level: int, kinds: dict[str, str]) -> None:
    kind = _kind(value)
    if kind == "null" or value in ({}, []):
        raise ValueError(f"{at} is {kind} with nothing in it, which Vertex AI cannot load; leave it out")
    if kinds.setdefault(at, kind) != kind:
        raise ValueError(f"{at} is {kinds[at]} in one place and {kind} in another; Vertex AI loads one kind")
    if isinstance(value, dict):
        _check_object(value, at, level, kinds)
    elif isinstance(value, list | tuple):
        for item in value:
            if isinstance(item, list | tuple):
                raise ValueError(f"{at} is a list of lists, which Vertex AI cannot load")  # noqa: TRY004 - one class
            _check(item, f"{at}[]", level, kinds)


def _check_object(value: dict[Any, Any], at: str, level: int, kinds: dict[str, str]) -> None:
    if level > MAX_LEVELS:
        raise ValueError(f"{at} is {level} levels deep; Vertex AI loads {MAX_LEVELS}")
    for key, held in value.items():
        if not isinstance(key, str) or _COLUMN.fullmatch(key) is None:
            raise ValueError(
                f"{at} has a key that is no column to Vertex AI: letters a to z, digits and `_`, "
                "no digit at the start"
            )
        _check(held, f"{at}.{key}", level + 1, kinds)


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a truth value"
    if isinstance(value, int | float):
        return "a number"
    if isinstance(value, str):
        return "text"
    return "an object" if isinstance(value, dict) else "a list"
