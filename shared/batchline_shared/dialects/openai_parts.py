"""Content parts of a message: what chat completions take, and how the responses API spells the same.

Both refuse the other's spelling, in one error for each line of a batch.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from batchline_shared.errors import InvalidRequestError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["check_parts", "responses_part"]

_CHAT_PARTS: Final[Mapping[str, type]] = MappingProxyType(
    {"text": str, "refusal": str, "image_url": dict, "input_audio": dict, "file": dict}
)
"""Part → what its field of the same name holds. Others pass: servers like OpenAI's have their own."""

_FOREIGN_PARTS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "input_text": "text",
        "output_text": "text",
        "input_image": "image_url",
        "image": "image_url",
        "input_file": "file",
        "document": "file",
    }
)
"""Parts of other APIs, and what chat completions call them."""

_NEEDED: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "input_text": ("text",),
        "input_image": ("image_url", "file_id"),
        "input_file": ("file_id", "file_data", "file_url"),
        "output_text": ("text",),
        "refusal": ("refusal",),
    }
)
"""Part of the responses API → the fields of which it needs one."""


def check_parts(parts: Sequence[dict[str, Any]], at: str, row: int) -> None:
    """Refuse content parts that chat completions do not take.

    Args:
        parts: Each with a `type`, as `check_messages` has made sure.
        at: Where they stand, for the message.
        row: The request's number.

    Raises:
        InvalidRequestError: Names the part and what is wrong with it; quotes nothing of it.
    """
    for number, part in enumerate(parts):
        kind = part["type"]
        held = _CHAT_PARTS.get(kind)
        if kind in _FOREIGN_PARTS:
            raise InvalidRequestError(
                f"{at}[{number}] is of type {kind!r}, which chat completions call {_FOREIGN_PARTS[kind]!r}",
                row=row,
            )
        if held is not None and not isinstance(part.get(kind), held):
            name = "text" if held is str else "an object"
            raise InvalidRequestError(f"{at}[{number}].{kind} must be {name}", row=row)
        if kind == "image_url" and not isinstance(part["image_url"].get("url"), str):
            raise InvalidRequestError(f"{at}[{number}].image_url.url must be text", row=row)


def responses_part(part: dict[str, Any], at: str, row: int, *, answered: bool) -> dict[str, Any]:
    """Spell a content part as the responses API does; one that is spelled so already passes.

    Args:
        part: With a `type`.
        at: Where it stands, for the message.
        row: The request's number.
        answered: Whether the model said it.

    Raises:
        InvalidRequestError: There is no such part in a message of this side.
    """
    kind = part["type"]
    rest = {name: value for name, value in part.items() if name not in ("type", kind)}
    if kind in _NEEDED:
        spelled = part
    elif kind == "text":
        spelled = {"type": "output_text" if answered else "input_text", "text": part.get("text")} | rest
    elif kind == "image_url":
        spelled = {"type": "input_image", "detail": "auto"} | rest | _image(part.get("image_url"))
    elif kind == "file" and isinstance(part.get("file"), dict):
        spelled = {"type": "input_file"} | rest | part["file"]
    else:
        raise InvalidRequestError(f"{at} is of type {kind!r}, which the responses API does not take", row=row)
    if (spelled["type"] in ("output_text", "refusal")) is not answered:
        side = "an assistant's" if answered else "no assistant's"
        raise InvalidRequestError(f"{at} is of type {kind!r}, but stands in {side} message", row=row)
    fields = _NEEDED[spelled["type"]]
    if not any(isinstance(spelled.get(field), str) for field in fields):
        raise InvalidRequestError(f"{at} must have {' or '.join(fields)}, as text", row=row)
    return spelled


def _image(image: Any) -> dict[str, Any]:
    """Where the image is: chat wraps it in an object, the responses API does not."""
    if not isinstance(image, dict):
        return {"image_url": image}
    return {"image_url": image.get("url")} | {name: image[name] for name in image if name != "url"}
