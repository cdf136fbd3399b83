"""`multipart/related` bodies: JSON that names an object, then its bytes.

The bytes go to disk as they arrive, so an upload of any size needs little memory.
"""

import json
from pathlib import Path
from typing import Any, BinaryIO

from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import Request

_MAX_METADATA_BYTES = 1 << 16
_PARTS = 2


class RelatedError(Exception):
    """The body is not JSON followed by bytes."""


async def receive_related(request: Request, content: Path) -> tuple[dict[str, Any], str]:
    """Store the second part at `content`; return the first one and the second one's media type.

    Raises:
        RelatedError: The body is of another form.
    """
    kind, options = parse_options_header(request.headers.get("content-type"))
    if kind != b"multipart/related" or b"boundary" not in options:
        raise RelatedError("expected multipart/related")
    with content.open("wb") as sink:
        receiver = _Receiver(sink)
        parser = MultipartParser(
            options[b"boundary"],
            {
                "on_part_begin": receiver.part_begin,
                "on_header_field": receiver.header_name,
                "on_header_value": receiver.header_value,
                "on_header_end": receiver.header_end,
                "on_part_data": receiver.data,
            },
        )
        try:
            async for chunk in request.stream():
                parser.write(chunk)
        except MultipartParseError as error:
            raise RelatedError(str(error)) from error
    return receiver.metadata(), receiver.media_type


class _Receiver:
    """Callbacks of the parser; one part is open at a time."""

    def __init__(self, sink: BinaryIO) -> None:
        self.media_type = "application/octet-stream"
        self._sink = sink
        self._parts = 0
        self._json = bytearray()
        self._name = b""
        self._value = b""

    def part_begin(self) -> None:
        self._parts += 1

    def header_name(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def header_end(self) -> None:
        if self._name.lower() == b"content-type" and self._parts == _PARTS:
            self.media_type = self._value.decode("latin-1")
        self._name = self._value = b""

    def data(self, data: bytes, start: int, end: int) -> None:
        if self._parts == _PARTS:
            self._sink.write(data[start:end])
        elif len(self._json) <= _MAX_METADATA_BYTES:
            self._json += data[start:end]

    def metadata(self) -> dict[str, Any]:
        try:
            found = json.loads(self._json)
        except ValueError as error:
            raise RelatedError("the first part is no JSON") from error
        if self._parts != _PARTS or not isinstance(found, dict):
            raise RelatedError("expected an object and its bytes")
        return found
