"""Sending an answer of Claude's back.

A call to a tool must be followed by its result, and a turn that thought before
it called must keep its thoughts, signed as they came: the API refuses others.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from batchline_shared.dialects.answers import mapping
from batchline_shared.dialects.reasking import turns

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["sent_back"]

_KEPT: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "text": ("text",),
        "thinking": ("thinking", "signature"),
        "redacted_thinking": ("data",),
        "tool_use": ("id", "name", "input"),
    }
)
"""Type of a block → its fields that a request may bear; other blocks, a search's, stay behind as a whole."""


def sent_back(line: Mapping[str, Any], said: str) -> bytes | None:
    """See `Dialect.reask`."""
    content = mapping(mapping(mapping(line).get("result")).get("message")).get("content")
    given = [_block(block) for block in content] if isinstance(content, list) else []
    blocks = [block for block in given if block is not None]
    calls = [block["id"] for block in blocks if block["type"] == "tool_use"]
    if not calls and not any(block["type"] == "text" for block in blocks):
        return None
    results = [
        {"type": "tool_result", "tool_use_id": call, "content": said, "is_error": True} for call in calls
    ]
    try:
        return turns({"role": "assistant", "content": blocks}, {"role": "user", "content": results or said})
    except TypeError:  # orjson reads deeper than it writes
        return None


def _block(block: Any) -> dict[str, Any] | None:
    """A block as a request may bear it; None for one that it may not: an empty text is one."""
    if not isinstance(block, dict):
        return None
    kind = block.get("type")
    fields = _KEPT.get(kind) if isinstance(kind, str) else None
    if fields is None or any(name not in block for name in fields):
        return None
    if kind == "text" and not (isinstance(block["text"], str) and block["text"].strip()):
        return None
    return {"type": kind, **{name: block[name] for name in fields}}
