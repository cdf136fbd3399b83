"""Conversations as Google takes them: `contents` of users and models, and a `systemInstruction` beside them.

A message is written in OpenAI's way (`content`) or in Google's own (`parts`), and
both may stand in one conversation. Google drops what it does not know without a
word, so a key in snake case is respelled, and calls to tools are refused.
"""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import orjson

from batchline_shared.dialects.google_parts import from_openai
from batchline_shared.dialects.messages import check_messages
from batchline_shared.errors import InvalidRequestError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Conversation", "camel_keys", "converted", "instruction"]

_ROLES: Final[Mapping[str, str]] = MappingProxyType(
    {"user": "user", "assistant": "model", "model": "model", "system": "", "developer": ""}
)
"""Role → Google's; empty: the message belongs into the system instruction."""

_TWO: Final = 2
"""Fields of a plain message: role and content."""

_FIELDS: Final = frozenset({"role", "content", "parts"})

_NO_TOOLS: Final = "an answer must be the result, not a call to a tool"

_PARTS: Final[Mapping[str, type]] = MappingProxyType(
    {
        "text": str,
        "inlineData": dict,
        "fileData": dict,
        "videoMetadata": dict,
        "mediaResolution": dict,
        "thought": bool,
        "thoughtSignature": str,
        "executableCode": dict,
        "codeExecutionResult": dict,
    }
)
"""Field of a part → what it holds. Source: google-genai's `Part`, 3.4.0. Others pass as they are."""

_CALLS: Final = frozenset({"functionCall", "functionResponse", "toolCall", "toolResponse"})

_NAMES: Final[Mapping[type, str]] = MappingProxyType({str: "text", dict: "an object", bool: "true or false"})

_DATA: Final[Mapping[str, str]] = MappingProxyType({"inlineData": "data", "fileData": "fileUri"})

_SNAKE: Final = re.compile(r"_([a-z0-9])")


class Conversation(NamedTuple):
    """What a conversation is in a request's body."""

    contents: list[dict[str, Any]]
    system: dict[str, Any] | None
    plain: bool
    """Whether there is nothing but text in it."""

    def fields(self) -> dict[str, Any]:
        """The body's fields that hold it."""
        system = {} if self.system is None else {"systemInstruction": self.system}
        return {"contents": self.contents, **system}

    def fragment(self) -> bytes:
        """The same as a fragment; see `Dialect`.

        Raises:
            TypeError: Something in it is not JSON.
        """
        contents = orjson.dumps(self.contents)
        if self.system is None:
            return contents
        return b'%b,"systemInstruction":%b' % (contents, orjson.dumps(self.system))


def converted(messages: Any, row: int) -> Conversation:
    """Bring a conversation into Google's form.

    Args:
        messages: A list of dicts with `role` and either `content` or `parts`.
        row: The request's number.

    Raises:
        InvalidRequestError: It is no conversation that Google takes; says what is wrong, and quotes nothing.
    """
    plain = _plain(messages)
    if plain is not None:
        return plain
    checked = enumerate(_checked(messages, row))
    parts = [(_ROLES[one["role"]], _parts(one, f"messages[{at}]", row)) for at, one in checked]
    contents = [{"role": role, "parts": held} for role, held in parts if role]
    if not contents:
        raise InvalidRequestError("holds no message of a user: there is nothing to answer", row=row)
    instructions = [part for role, held in parts if not role for part in held]
    return Conversation(contents, {"parts": instructions} if instructions else None, plain=False)


def _plain(messages: Any) -> Conversation | None:
    """The common case, in one pass: dicts with a known role and text. None for any other, to be checked."""
    contents: list[dict[str, Any]] = []
    instructions: list[dict[str, Any]] = []
    try:
        for message in messages:
            role, text = _ROLES[message["role"]], message["content"]
            if text.__class__ is not str or len(message) != _TWO:
                return None
            if role:
                contents.append({"role": role, "parts": [{"text": text}]})
            else:
                instructions.append({"text": text})
    except (KeyError, TypeError):
        return None
    if not contents or messages.__class__ not in (list, tuple):
        return None
    return Conversation(contents, {"parts": instructions} if instructions else None, plain=True)


def instruction(value: Any) -> dict[str, Any]:
    """Read a system instruction: text, or an object with parts.

    Raises:
        ValueError: It is neither.
    """
    if isinstance(value, str):
        return {"parts": [{"text": value}]}
    if isinstance(value, dict):
        try:
            return {"parts": _native(value.get("parts"), "systemInstruction.parts", 0)}
        except InvalidRequestError as error:
            raise ValueError(error.reason) from None
    raise ValueError('systemInstruction must be text, or an object such as {"parts": [{"text": "…"}]}')


def camel_keys(value: Any, *, except_in: frozenset[str] = frozenset()) -> Any:
    """Respell the keys of a JSON value in camel case, at every depth.

    Args:
        value: Any JSON value; it is not changed.
        except_in: Keys, in camel case, whose values are left alone: their own keys are the user's.
    """
    if isinstance(value, dict):
        respelled = ((camel(key), held) for key, held in value.items())
        return {
            key: held if key in except_in else camel_keys(held, except_in=except_in)
            for key, held in respelled
        }
    if isinstance(value, list | tuple):
        return [camel_keys(item, except_in=except_in) for item in value]
    return value


def camel(name: Any) -> Any:
    """Respell one name."""
    return _SNAKE.sub(lambda found: found[1].upper(), name) if isinstance(name, str) else name


def _has_native(messages: Any) -> bool:
    return any(isinstance(one, dict) and "parts" in one for one in messages)


def _checked(messages: Any, row: int) -> Any:
    """Check what every provider's conversations have in common, for messages of either form."""
    if isinstance(messages, list | tuple) and _has_native(messages):
        for at, message in enumerate(messages):
            if not isinstance(message, dict):
                raise InvalidRequestError(f"messages[{at}] must be a dict with role and parts", row=row)
            if "parts" not in message:
                check_messages([message], row)
    else:
        check_messages(messages, row)
    for at, message in enumerate(messages):
        role = message.get("role")
        if not isinstance(role, str) or role not in _ROLES:
            known = ", ".join(_ROLES)
            shown = repr(role)[:40]
            raise InvalidRequestError(
                f"messages[{at}].role {shown} does not exist here; use one of {known}", row=row
            )
        for name, value in message.items():
            if name not in _FIELDS and value is not None:
                raise InvalidRequestError(
                    f"messages[{at}] has {str(name)[:40]!r}, for which Google has no place", row=row
                )
    return messages


def _parts(message: dict[str, Any], at: str, row: int) -> list[dict[str, Any]]:
    if "parts" in message:
        return _native(message["parts"], f"{at}.parts", row)
    if isinstance(message.get("content"), str):
        return [{"text": message["content"]}]
    if not isinstance(message.get("content"), list):
        raise InvalidRequestError(f"{at}.content must be text or a list of parts", row=row)
    return [from_openai(part, f"{at}.content[{n}]", row) for n, part in enumerate(message["content"])]


def _native(parts: Any, at: str, row: int) -> list[dict[str, Any]]:
    if not isinstance(parts, list) or not parts:
        raise InvalidRequestError(f'{at} must be a list such as [{{"text": "…"}}]', row=row)
    return [_native_part(part, f"{at}[{number}]", row) for number, part in enumerate(parts)]


def _native_part(part: Any, at: str, row: int) -> dict[str, Any]:
    if not isinstance(part, dict) or not part:
        raise InvalidRequestError(f"{at} must be an object with text, inlineData or fileData", row=row)
    spelled: dict[str, Any] = camel_keys(part)
    for name, value in spelled.items():
        if name in _CALLS:
            raise InvalidRequestError(f"{at}.{name} cannot be sent: {_NO_TOOLS}", row=row)
        kind = _PARTS.get(name)
        if kind is not None and not isinstance(value, kind):
            raise InvalidRequestError(f"{at}.{name} must be {_NAMES[kind]}", row=row)
    _check_data(spelled, at, row)
    return spelled


def _check_data(part: dict[str, Any], at: str, row: int) -> None:
    """Make sure that data says of what kind it is: Google refuses it otherwise."""
    for name, field in _DATA.items():
        if name not in part:
            continue
        for key in ("mimeType", field):
            if not isinstance(part[name].get(key), str):
                raise InvalidRequestError(f"{at}.{name}.{key} must be text", row=row)
