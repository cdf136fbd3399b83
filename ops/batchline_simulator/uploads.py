"""Multipart uploads, written to disk as they arrive.

Only one chunk of a file is in memory at any time, so a 200 MB upload costs no
more than a small one. Hash, lines and encoding are taken on the way.
"""

import codecs
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import Request

_Write = Callable[[bytes], int]
_MAX_FIELD_BYTES = 65_536


class UploadError(Exception):
    """The body is no upload that can be read."""


class UploadTooLargeError(UploadError):
    """The file is larger than the provider takes."""


@dataclass
class Upload:
    """What one multipart body held."""

    content: Path
    """Where the file's bytes are."""
    fields: dict[str, str] = field(default_factory=dict)
    filename: str | None = None
    """None where the body held no file."""
    bytes: int = 0
    lines: int = 0
    sha256: str = ""
    utf8: bool = True
    """Whether the whole file decodes as UTF-8."""


async def receive(request: Request, content: Path, *, max_bytes: int) -> Upload:
    """Store the file of a multipart body at `content`.

    Raises:
        UploadTooLargeError: The file has more than `max_bytes` bytes.
        UploadError: The body cannot be parsed.
    """
    kind, options = parse_options_header(request.headers.get("content-type"))
    if kind != b"multipart/form-data" or b"boundary" not in options:
        raise UploadError("expected multipart/form-data")
    with content.open("wb") as sink:
        receiver = _Receiver(Upload(content), sink.write, max_bytes)
        parser = MultipartParser(
            options[b"boundary"],
            {
                "on_part_begin": receiver.part_begin,
                "on_header_field": receiver.header_name,
                "on_header_value": receiver.header_value,
                "on_header_end": receiver.header_end,
                "on_headers_finished": receiver.headers_finished,
                "on_part_data": receiver.data,
                "on_part_end": receiver.part_end,
            },
        )
        try:
            async for chunk in request.stream():
                parser.write(chunk)
        except MultipartParseError as error:
            raise UploadError(str(error)) from error
    return receiver.finish()


class _Receiver:
    """Callbacks of the parser; one part is open at a time."""

    def __init__(self, upload: Upload, write: _Write, max_bytes: int) -> None:
        self._upload = upload
        self._write = write
        self._max_bytes = max_bytes
        self._hash = hashlib.sha256()
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._last = b"\n"
        self._name = b""
        self._value = b""
        self._disposition = b""
        self._field: str | None = None
        self._text = bytearray()

    def part_begin(self) -> None:
        self._disposition = b""

    def header_name(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def header_end(self) -> None:
        if self._name.lower() == b"content-disposition":
            self._disposition = self._value
        self._name = self._value = b""

    def headers_finished(self) -> None:
        _, options = parse_options_header(self._disposition)
        if b"filename" in options:
            self._upload.filename = options[b"filename"].decode("utf-8", "replace")
            self._field = None
        else:
            self._field = options.get(b"name", b"").decode("utf-8", "replace")
            self._text = bytearray()

    def data(self, data: bytes, start: int, end: int) -> None:
        part = data[start:end]
        if self._field is None:
            self._keep(part)
        elif len(self._text) + len(part) <= _MAX_FIELD_BYTES:
            self._text += part

    def part_end(self) -> None:
        if self._field is not None:
            self._upload.fields[self._field] = self._text.decode("utf-8", "replace")

    def finish(self) -> Upload:
        self._upload.sha256 = self._hash.hexdigest()
        self._upload.lines += self._last != b"\n"
        self._decode(b"", final=True)
        return self._upload

    def _keep(self, part: bytes) -> None:
        self._upload.bytes += len(part)
        if self._upload.bytes > self._max_bytes:
            raise UploadTooLargeError(f"more than {self._max_bytes} bytes")
        self._upload.lines += part.count(b"\n")
        self._last = part[-1:] or self._last
        self._hash.update(part)
        self._decode(part, final=False)
        self._write(part)

    def _decode(self, part: bytes, *, final: bool) -> None:
        if self._upload.utf8:
            try:
                self._decoder.decode(part, final)
            except UnicodeDecodeError:
                self._upload.utf8 = False
