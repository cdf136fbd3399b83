"""Checking a conversation, once for each of millions: small and fast."""

from __future__ import annotations

from typing import Any

import orjson

from batchline_shared.errors import InvalidRequestError

__all__ = ["ROLES", "check_messages", "encode"]

ROLES = frozenset({"system", "developer", "user", "assistant", "tool", "function"})
"""Roles of a chat conversation. Source: OpenAI's chat completions reference."""

_NO_CONTENT_NEEDED = ("tool_calls", "function_call", "refusal")


def check_messages(messages: Any, row: int) -> None:
    """Refuse what no provider takes as a conversation.

    Raises:
        InvalidRequestError: Names the request, the message and what is wrong with it.
    """
    if messages.__class__ is not list and not isinstance(messages, list | tuple):
        raise InvalidRequestError(
            f"expected a list of messages, got {type(messages).__name__}; "
            'give [{"role": "user", "content": "…"}]',
            row=row,
        )
    if not messages:
        raise InvalidRequestError("the list of messages is empty", row=row)
    for message in messages:
        # The common case first and alone: a dict with a known role and a string.
        try:
            if message["role"] in ROLES and message["content"].__class__ is str:
                continue
        except (KeyError, TypeError):
            pass
        _check_unusual(message, messages, row)


def _check_unusual(message: Any, messages: Any, row: int) -> None:
    at = f"messages[{next(i for i, other in enumerate(messages) if other is message)}]"
    if not isinstance(message, dict):
        raise InvalidRequestError(
            f"{at} must be a dict with role and content, not {type(message).__name__}", row=row
        )
    role = message.get("role")
    if not isinstance(role, str) or role not in ROLES:
        shown = repr(role)[:40]
        raise InvalidRequestError(
            f"{at}.role {shown} does not exist; use one of {', '.join(sorted(ROLES))}", row=row
        )
    content = message.get("content")
    if isinstance(content, str):
        return
    if isinstance(content, list):
        if not content or not all(isinstance(p, dict) and isinstance(p.get("type"), str) for p in content):
            raise InvalidRequestError(
                f"{at}.content must be text, or a list of parts that each have a type", row=row
            )
        return
    if content is None and role == "assistant" and any(message.get(name) for name in _NO_CONTENT_NEEDED):
        return
    raise InvalidRequestError(
        f"{at}.content must be text or a list of parts, not {type(content).__name__}", row=row
    )


def encode(value: Any, row: int) -> bytes:
    """Encode a conversation or a body as compact JSON.

    Raises:
        InvalidRequestError: Something in it is not JSON; the value itself is not quoted.
    """
    try:
        return orjson.dumps(value)
    except TypeError as error:
        raise InvalidRequestError(f"cannot be written as JSON: {error}", row=row) from None
