"""What prompt caching makes of the tokens of a request.

A breakpoint (`cache_control`) caches everything up to it. The first request of
a batch that has a prefix pays for its creation, later ones read it. The
provider promises no such thing for batches and needs 1,024 tokens; the
simulator caches however short.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import orjson

from batchline_simulator.tokens import tokens_in

_ATTACHMENT_TOKENS = 1600
"""An image or a document, of which the simulator sees no text."""


@dataclass(frozen=True)
class PromptUsage:
    """Prompt tokens of one request, by how they are billed; their sum is the prompt."""

    input: int
    created_5m: int
    created_1h: int
    read: int


class PromptCache:
    """Prefixes that the requests of one batch have cached so far."""

    def __init__(self) -> None:
        self._known: set[bytes] = set()

    def usage(self, params: dict[str, Any]) -> PromptUsage:
        """Bill one request, and remember its breakpoints."""
        total, read, created = 0, 0, {"5m": 0, "1h": 0}
        digest = hashlib.blake2b(digest_size=16)
        for block in _blocks(params):
            control = block.get("cache_control")
            bare = {key: value for key, value in block.items() if key != "cache_control"}
            digest.update(orjson.dumps(bare))
            total += _tokens(bare)
            if isinstance(control, dict):
                if digest.digest() in self._known:
                    read, created = total, {"5m": 0, "1h": 0}
                else:
                    ttl = "1h" if control.get("ttl") == "1h" else "5m"
                    created[ttl] += total - read - sum(created.values())
                self._known.add(digest.digest())
        cached = read + sum(created.values())
        return PromptUsage(total - cached, created["5m"], created["1h"], read)


def _blocks(params: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the parts of a prompt in the order in which they are cached."""
    blocks = [tool for tool in params.get("tools") or () if isinstance(tool, dict)]
    blocks += _content(params.get("system"), "system")
    for turn in params.get("messages") or ():
        blocks += _content(turn.get("content"), str(turn.get("role")))
    if blocks and params.get("cache_control") is not None:
        blocks[-1] = {**blocks[-1], "cache_control": params["cache_control"]}
    yield from blocks


def _content(content: Any, role: str) -> list[dict[str, Any]]:
    if isinstance(content, str):
        return [{"role": role, "type": "text", "text": content}]
    return [{"role": role, **block} for block in content or () if isinstance(block, dict)]


def _tokens(block: dict[str, Any]) -> int:
    if block.get("type") in ("image", "document"):
        return _ATTACHMENT_TOKENS
    text = block.get("text")
    return tokens_in(text if isinstance(text, str) else orjson.dumps(block).decode())
