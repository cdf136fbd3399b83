"""Parts of a message, in OpenAI's words or Anthropic's, as Anthropic takes them.

Anthropic's own parts pass as they are, those that this version does not know
among them; only calls to tools are refused.
"""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from batchline_shared.errors import InvalidRequestError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["blocks"]

_DATA_URL: Final = re.compile(r"data:([\w.+-]+/[\w.+-]+);base64,")

_PICTURES: Final = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp"})
"""Source: the anthropic package's `Base64ImageSourceParam`, 2.12.0."""

_PDF: Final = "application/pdf"

_NO_TOOLS: Final = "an answer must be the result, not a call to a tool"

_REFUSED: Final[Mapping[str, str]] = MappingProxyType(
    {
        "tool_use": _NO_TOOLS,
        "tool_result": _NO_TOOLS,
        "server_tool_use": _NO_TOOLS,
        "input_audio": "Anthropic takes no sound",
        "refusal": "give the refusal as text",
    }
)
"""Type of a part → why it cannot be sent."""


def blocks(parts: list[dict[str, Any]], at: str, row: int) -> list[dict[str, Any]]:
    """Bring the parts of a message into Anthropic's form.

    Args:
        parts: Objects that each have a `type`; `image_url` and `file` are OpenAI's.
        at: Where they stand, such as `messages[1].content`, for messages.
        row: The request's number.

    Raises:
        InvalidRequestError: A part is none that can be sent; says why, and quotes nothing.
    """
    made = []
    for number, part in enumerate(parts):
        try:
            made.append(_block(part))
        except ValueError as error:
            raise InvalidRequestError(f"{at}[{number}]: {error}", row=row) from None
    return made


def _block(part: dict[str, Any]) -> dict[str, Any]:
    kind = part["type"]
    if kind in _REFUSED:
        raise ValueError(f"a part of type {kind} cannot be sent: {_REFUSED[kind]}")
    if kind == "image_url":
        image = part.get("image_url")
        made = _linked(image.get("url") if isinstance(image, dict) else image, "image_url.url")
    elif kind == "file":
        file = part.get("file")
        made = _linked(file.get("file_data") if isinstance(file, dict) else None, "file.file_data")
    else:
        return part
    return made | {name: part[name] for name in ("cache_control",) if name in part}


def _linked(url: Any, name: str) -> dict[str, Any]:
    """The block for an address, or for the data in it."""
    if isinstance(url, str) and url.startswith("https://"):
        return {"type": "image", "source": {"type": "url", "url": url}}
    found = _DATA_URL.match(url) if isinstance(url, str) else None
    if found is None or not isinstance(url, str):
        raise ValueError(f"{name} must begin with https:// or with data:<type>;base64,")
    source = {"type": "base64", "media_type": found[1], "data": url[found.end() :]}
    if found[1] == _PDF:
        return {"type": "document", "source": source}
    if found[1] in _PICTURES:
        return {"type": "image", "source": source}
    raise ValueError(f"{name}: Anthropic takes {', '.join(sorted(_PICTURES))} and {_PDF}")
