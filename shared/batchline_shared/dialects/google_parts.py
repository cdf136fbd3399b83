"""Content parts in OpenAI's form, respelled as Google's: text, images, sound and files.

What a link leads to is not looked at here. Google wants its kind said, so it is
told by the link's ending; a link without one has to be given as Google's own part.
"""

from __future__ import annotations

import mimetypes
import re
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from batchline_shared.errors import InvalidRequestError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["from_openai"]

_DATA_URL: Final = re.compile(
    r"data:(?P<kind>[\w.+-]+/[\w.+-]+)(?:;[\w=.+-]+)*;base64,(?P<data>.*)", re.DOTALL
)

_KINDS: Final = mimetypes.MimeTypes()
"""Python's own table: the system's differs from machine to machine, and the same request must not."""

_LINKS: Final = frozenset({"gs", "https", "http"})


def from_openai(part: Any, at: str, row: int) -> dict[str, Any]:
    """Respell one part of a message's `content`.

    Args:
        part: Such as `{"type": "image_url", "image_url": {"url": "data:…"}}`.
        at: Where it stands, for the message.
        row: The request's number.

    Raises:
        InvalidRequestError: There is no such part, or Google could not take it; quotes nothing of it.
    """
    kind = part.get("type") if isinstance(part, dict) else None
    make = _MAKERS.get(kind) if isinstance(kind, str) else None
    if make is None:
        raise InvalidRequestError(
            f"{at} is of type {str(kind)[:40]!r}; use one of {', '.join(_MAKERS)}, "
            'or Google\'s own form, {"role": …, "parts": […]}',
            row=row,
        )
    try:
        return make(part)
    except ValueError as error:
        raise InvalidRequestError(f"{at}.{error}", row=row) from None


def _text(part: dict[str, Any]) -> dict[str, Any]:
    if not isinstance(part.get("text"), str):
        raise ValueError("text must be text")  # noqa: TRY004 - one class for a bad part
    return {"text": part["text"]}


def _image(part: dict[str, Any]) -> dict[str, Any]:
    image = part.get("image_url")
    url = image.get("url") if isinstance(image, dict) else image
    if not isinstance(url, str):
        raise ValueError("image_url.url must be text")  # noqa: TRY004 - as above
    return _linked(url, "image_url.url")


def _sound(part: dict[str, Any]) -> dict[str, Any]:
    sound = part.get("input_audio")
    data, form = (sound.get("data"), sound.get("format")) if isinstance(sound, dict) else (None, None)
    if not isinstance(data, str) or not isinstance(form, str):
        raise ValueError("input_audio must be an object with data and format")  # noqa: TRY004 - as above
    return {"inlineData": {"mimeType": f"audio/{form}", "data": data}}


def _file(part: dict[str, Any]) -> dict[str, Any]:
    file = part.get("file")
    data = file.get("file_data") if isinstance(file, dict) else None
    if not isinstance(data, str):
        raise ValueError("file.file_data must be text; give another file as fileData in Google's own form")  # noqa: TRY004 - as above
    return _linked(data, "file.file_data")


def _linked(url: str, name: str) -> dict[str, Any]:
    if url.startswith("data:"):
        found = _DATA_URL.fullmatch(url)
        if found is None:
            raise ValueError(f"{name} must be data:<type>;base64,<data>")
        return {"inlineData": {"mimeType": found["kind"], "data": found["data"]}}
    link = urlsplit(url)
    if link.scheme not in _LINKS:
        raise ValueError(f"{name} must begin with data:, gs:// or https://")
    kind, _ = _KINDS.guess_type(link.path)
    if kind is None:
        raise ValueError(
            f"{name} does not end like a file whose kind is known; give it in Google's own form, "
            '{"fileData": {"mimeType": …, "fileUri": …}}'
        )
    return {"fileData": {"mimeType": kind, "fileUri": url}}


_MAKERS: Final[dict[str, Callable[[dict[str, Any]], dict[str, Any]]]] = {
    "text": _text,
    "image_url": _image,
    "input_audio": _sound,
    "file": _file,
}
