"""Requests in Google's form, and how an object is held against a recorded one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

__all__ = ["SCHEMA", "TIMES", "request", "same_shape", "structured"]

SCHEMA = {
    "type": "OBJECT",
    "properties": {
        "city": {"type": "STRING"},
        "stars": {"type": "INTEGER", "minimum": 1, "maximum": 5},
        "tags": {"type": "ARRAY", "items": {"type": "STRING", "enum": ["a", "b"]}, "minItems": "2"},
        "note": {"type": "STRING", "nullable": True},
    },
    "required": ["city", "stars", "tags", "note"],
}

TIMES = {"startTime", "endTime", "updateTime"}
"""Keys that some recordings of a state have and others of the same state lack."""


def request(**parts: Any) -> dict[str, Any]:
    """Write a request that says "Hi." and has these parts beside its contents."""
    return {"contents": [{"role": "user", "parts": [{"text": "Hi."}]}], **parts}


def structured(schema: Any) -> dict[str, Any]:
    """Write a request for an answer that fits a response schema."""
    return request(generationConfig={"responseMimeType": "application/json", "responseSchema": schema})


def same_shape(ours: Any, theirs: Any, *, extra: AbstractSet[str] = frozenset(), path: str = "$") -> None:
    """Assert that both have the same keys and types, in every depth; `extra` keys may be there or not."""
    if isinstance(theirs, dict):
        assert isinstance(ours, dict), path
        assert set(theirs) - extra <= set(ours), f"{path}: {set(theirs) - extra - set(ours)} missing"
        assert set(ours) - set(theirs) <= extra, f"{path}: {set(ours) - set(theirs)} made up"
        for key in set(theirs) & set(ours) - {"labels", "request"}:
            same_shape(ours[key], theirs[key], extra=extra, path=f"{path}.{key}")
    elif isinstance(theirs, list):
        assert isinstance(ours, list), path
        for ours_one, theirs_one in zip(ours[:1], theirs[:1], strict=False):
            same_shape(ours_one, theirs_one, extra=extra, path=f"{path}[]")
    else:
        assert type(ours) is type(theirs), path
