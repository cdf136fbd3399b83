"""Marking the prompt that requests share, so that Anthropic caches it: `cache_control` on its last block.

The prompt is cached from its beginning: tools, then system, then messages. So one mark, on the last system
block that all share, or else on the last tool, covers all of it.
"""

from __future__ import annotations

from itertools import takewhile
from typing import TYPE_CHECKING, Any, Final

import orjson

from batchline_shared.dialects.anthropic_models import least_cached_tokens
from batchline_shared.dialects.base import PromptMarker
from batchline_shared.tokens import estimate_tokens

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["prompt_marker"]

_LEADING: Final = ("system", "developer")

_TEXT: Final = "text"

_FEWEST: Final = 2
"""Requests that can share a prompt."""


def prompt_marker(template: Mapping[str, Any], conversations: Sequence[Any], ttl: str) -> PromptMarker:
    """See `Dialect.prompt_marker`.

    Nothing is marked where it would not pay: the prompt is shorter than what the model caches, there is one
    request only, or its writer has marked it already.
    """
    unmarked = PromptMarker(dict(template), lambda conversation: conversation)
    leads = [_lead(conversation) for conversation in conversations]
    shared = leads[0] if leads and all(lead == leads[0] for lead in leads) else []
    parts = [template.get("tools"), template.get("system"), shared]
    try:
        prompt, marks = orjson.dumps(parts), orjson.dumps([dict(template), shared])
    except TypeError:  # whoever encodes it says what is wrong
        return unmarked
    short = estimate_tokens(prompt) < least_cached_tokens(str(template.get("model")))
    if len(conversations) < _FEWEST or short or b'"cache_control"' in marks:
        return unmarked
    mark = {"cache_control": {"type": "ephemeral", "ttl": ttl}}
    if (marked := _marked_lead(shared, mark)) is None:
        return unmarked._replace(template={**template, **_marked_template(template, mark)})

    def marking(conversation: Any) -> Any:
        same = _lead(conversation) == shared
        return [*marked, *conversation[len(shared) :]] if same else conversation

    return unmarked._replace(mark=marking)


def _lead(conversation: Any) -> list[Any]:
    """The system messages that a conversation begins with."""
    if not isinstance(conversation, list | tuple):
        return []  # the encoder says what is wrong
    return list(takewhile(lambda turn: isinstance(turn, dict) and turn.get("role") in _LEADING, conversation))


def _marked_lead(lead: list[Any], mark: Mapping[str, Any]) -> list[Any] | None:
    """System messages with a mark on their last block; None where there is none to bear it."""
    contents = [turn.get("content") for turn in lead]
    if contents and all(isinstance(content, str) for content in contents):
        # One block, and the text that they are joined to without a mark.
        text = "\n\n".join(contents)
        return [{"role": "system", "content": [_block(text, mark)]}] if text else None
    if contents and (last := _marked_blocks(contents[-1], mark)) is not None:
        return [*lead[:-1], {**lead[-1], "content": last}]
    return None


def _marked_template(template: Mapping[str, Any], mark: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a template that change when its prompt is marked."""
    for name in ("system", "tools"):
        if (marked := _marked_blocks(template.get(name), mark)) is not None:
            return {name: marked}
    return {}


def _marked_blocks(blocks: Any, mark: Mapping[str, Any]) -> list[Any] | None:
    if isinstance(blocks, str) and blocks:
        return [_block(blocks, mark)]
    if isinstance(blocks, list) and blocks and isinstance(blocks[-1], dict) and blocks[-1].get(_TEXT, True):
        return [*blocks[:-1], {**blocks[-1], **mark}]
    return None


def _block(text: str, mark: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": _TEXT, _TEXT: text, **mark}
