"""Conversations as Anthropic takes them: turns of user and assistant, and the system prompt beside them.

System messages are lifted out of the beginning of a conversation. A later one is
refused: moved to the front it would say something else.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from batchline_shared.dialects.anthropic_parts import blocks
from batchline_shared.dialects.messages import check_messages, encode
from batchline_shared.errors import InvalidRequestError

__all__ = ["Conversation", "System", "converted", "joined"]

System = str | list[dict[str, Any]]
"""A system prompt: text, or blocks of text."""

_TURNS: Final = frozenset({"user", "assistant"})
_SYSTEM: Final = frozenset({"system", "developer"})
_KEYS: Final = frozenset({"role", "content"})


class Conversation(NamedTuple):
    """What a conversation is in a request's body."""

    messages: list[Any]
    system: System | None

    def fields(self) -> dict[str, Any]:
        """The body's fields that hold it."""
        return {"messages": self.messages} | ({} if self.system is None else {"system": self.system})

    def fragment(self, row: int) -> bytes:
        """The same as a fragment; see `Dialect`.

        Raises:
            InvalidRequestError: Something in it is not JSON.
        """
        turns = encode(self.messages, row)
        return turns if self.system is None else b'%b,"system":%b' % (turns, encode(self.system, row))


def converted(messages: Any, row: int, *, prefill: bool = True) -> Conversation:
    """Bring a conversation into Anthropic's form.

    Args:
        messages: A list of dicts with `role` and `content`.
        row: The request's number.
        prefill: Whether the assistant may have the last word, which the answer goes on from.

    Raises:
        InvalidRequestError: It is no conversation that Anthropic takes; says what is wrong, and quotes
            nothing.
    """
    check_messages(messages, row)
    turns: list[Any] = []
    prompts: list[System] = []
    for at, message in enumerate(messages):
        role = message["role"]
        if role in _TURNS:
            plain = message["content"].__class__ is str and len(message) == len(_KEYS)
            turns.append(message if plain else {"role": role, "content": _content(message, at, row)})
        elif role not in _SYSTEM:
            raise InvalidRequestError(
                f"messages[{at}].role {role!r}: an answer must be the result, not a call to a tool", row=row
            )
        elif turns:
            raise InvalidRequestError(
                f"messages[{at}]: a {role} message must stand before all of the others", row=row
            )
        else:
            prompts.append(_content(message, at, row))
    if not turns:
        raise InvalidRequestError("holds no message of a user: there is nothing to answer", row=row)
    if not prefill and turns[-1]["role"] == "assistant":
        raise InvalidRequestError(
            "the last message is the assistant's: neither an answer in JSON nor one of Claude 4.6 or later "
            "can go on from it",
            row=row,
        )
    return Conversation(turns, joined(prompts))


def joined(prompts: list[System]) -> System | None:
    """Join system prompts in their order; text stays text, and blocks keep their cache control."""
    if len(prompts) <= 1:
        return prompts[0] if prompts else None
    if all(isinstance(prompt, str) for prompt in prompts):
        return "\n\n".join(str(prompt) for prompt in prompts)
    made: list[dict[str, Any]] = []
    for prompt in prompts:
        made += [{"type": "text", "text": prompt}] if isinstance(prompt, str) else prompt
    return made


def _content(message: dict[str, Any], at: int, row: int) -> System:
    """The content of one message, once nothing else is in it that would be lost."""
    for name, value in message.items():
        # OpenAI's replies, taken over as they came, have null for what they have not.
        if name not in _KEYS and value is not None:
            shown = repr(name)[:40]
            raise InvalidRequestError(
                f"messages[{at}] has {shown}, and a message holds role and content", row=row
            )
    content = message["content"]
    if isinstance(content, str):
        return content
    return blocks(content, f"messages[{at}].content", row)
