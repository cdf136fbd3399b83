"""Moves an account's admission through time, on a server whose clock a test cannot set."""

from __future__ import annotations

from typing import Any

from batchline_shared.ledger import keys

__all__ = ["later"]

_ENDS = ("paused_until", "open_until", "probe_until", "refused ")


def later(redis: Any, route: str, seconds: float) -> None:
    """Let so many seconds have passed, as far as admission can tell."""
    gone_ms = int(seconds * 1000)
    _, held, _, state, creations, taught, seen = keys.admission(route)
    for field, value in redis.hgetall(state).items():
        if field.decode().startswith(_ENDS):
            redis.hset(state, field, int(value) - gone_ms)
    for field, value in redis.hgetall(taught).items():
        if not field.startswith(b"factor "):
            limit, forget_ms, configured = value.split()
            redis.hset(taught, field, b"%s %d %s" % (limit, int(forget_ms) - gone_ms, configured))
    for name in (held, creations, seen):
        for member in redis.zrange(name, 0, -1):
            redis.zincrby(name, -gone_ms, member)
