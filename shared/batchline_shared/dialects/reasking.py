"""Sending an answer back: what is said about it, and where that goes in a conversation."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import orjson

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["NO_JSON", "complaint", "extended", "growth", "turns"]

NO_JSON: Final = "the answer is no JSON"

_MOST_PROBLEMS: Final = 10
_LONGEST_PROBLEM: Final = 250

_FRAME: Final = b'[{"role":"user","content":%b},%b]'
"""A plain question as a conversation."""

_SPAN: Final = re.compile(rb'"(?:[^"\\]|\\.)*+"|[\[\]]')
"""A string of JSON, or the beginning or end of an array: all that tells where an array ends."""


def complaint(problems: Sequence[str]) -> str:
    """What the model is told of its answer, in few words however much is wrong with it."""
    shown = [
        problem if len(problem) <= _LONGEST_PROBLEM else f"{problem[: _LONGEST_PROBLEM - 1]}…"
        for problem in problems[:_MOST_PROBLEMS]
    ]
    if len(problems) > len(shown):
        shown.append(f"and {len(problems) - len(shown)} more")
    listed = "\n".join(f"- {problem}" for problem in shown)
    return (
        f"That answer could not be accepted:\n{listed}\n"
        "Give the whole answer again with this corrected, in the form that was asked for and without comment."
    )


def turns(*said: dict[str, Any]) -> bytes:
    """Turns of a conversation as they are kept: JSON values with commas between."""
    return orjson.dumps(said)[1:-1]


def growth(added: Sequence[bytes]) -> int:
    """How many bytes longer `extended` makes a row, at most."""
    return sum(len(one) + 1 for one in added) + len(_FRAME) if added else 0


def extended(row: bytes, field: str, added: Sequence[bytes]) -> bytes:
    """A row (see `Dialect`) with turns at the end of its conversation; all else of it stays, byte for byte.

    Args:
        row: An object, or a fragment that begins with an array or, for a plain question, a text.
        field: Where the conversation is in an object.
        added: What `turns` made, oldest first.
    """
    more = b",".join(added)
    if row[:1] == b"{":
        body = orjson.loads(row)
        talk = extended(orjson.dumps(body[field]), field, added)
        return orjson.dumps({**body, field: orjson.Fragment(talk)})
    if row[:1] == b'"':
        return _FRAME % (row, more)
    depth = 0
    for found in _SPAN.finditer(row):
        depth += {b"[": 1, b"]": -1}.get(found[0], 0)
        if not depth:
            return b"%b,%b%b" % (row[: found.start()], more, row[found.start() :])
    raise ValueError("the row holds no conversation")
