"""Batch files: one provider request a line, on disk or in memory."""

from __future__ import annotations

import io
import os
from typing import IO, TYPE_CHECKING, Any

import orjson

from batchline.enqueue import EncodedRequest
from batchline_shared.errors import InvalidBatchFileError, InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from batchline_shared.dialects.base import Dialect

__all__ = ["BatchFile", "open_source", "write_lines"]

_WRITE_LINES = 256


def write_lines(
    target: IO[bytes], speech: Dialect, template: dict[str, Any], conversations: Iterable[Any]
) -> int:
    """Write one line for each conversation, named `request-0`, `request-1`, …; returns how many.

    Raises:
        InvalidRequestError: A conversation is bad; names it.
        InvalidInputError: There is none.
    """
    head, middle, tail = speech.line_ends(orjson.dumps(template))
    head += b"request-"
    encode = speech.encode_messages
    lines: list[bytes] = []
    count = 0
    for count, messages in enumerate(conversations, start=1):
        row = count - 1
        lines.append(b"%b%d%b%b%b" % (head, row, middle, encode(messages, row), tail))
        if len(lines) == _WRITE_LINES:
            target.write(b"".join(lines))
            lines.clear()
    if not count:
        raise InvalidInputError("messages_list is empty: there is nothing to write")
    target.write(b"".join(lines))
    return count


def open_source(source: str | Path | IO[bytes]) -> tuple[IO[bytes], bool]:
    """Open a path for reading, or take a binary buffer as it is.

    Returns:
        The stream, and whether it is ours to close.

    Raises:
        InvalidBatchFileError: There is no such file, it cannot be read, or the buffer is not binary.
    """
    if isinstance(source, str | os.PathLike):
        try:
            return open(source, "rb"), True  # noqa: PTH123 - the caller closes what it is told to
        except OSError as error:
            raise InvalidBatchFileError(f"{os.fspath(source)}: {error.strerror}") from error
    if isinstance(source, io.TextIOBase) or not hasattr(source, "read"):
        raise InvalidBatchFileError(
            f"expected a path or a binary buffer such as io.BytesIO, not {type(source).__name__}"
        )
    return source, False


class BatchFile:
    """A user's batch file, read as a stream of requests.

    What the first line's body shares with the others becomes the job's
    template, so a file of 50,000 equal schemas is stored once.
    """

    def __init__(self, stream: IO[bytes], speech: Dialect, model_name: str) -> None:
        """Read the first line.

        Raises:
            InvalidBatchFileError: The file is empty, or its first line is bad.
        """
        self._lines = _lines(stream)
        self._speech = speech
        self._model_name = model_name
        number, first = next(self._lines, (0, b""))
        if not number:
            raise InvalidBatchFileError("the file is empty: it holds no request")
        self._first = (number, first)
        self.template = speech.read_line(self._parse(number, first), model_name).common

    @property
    def structured(self) -> bool:
        """Whether the requests ask for JSON."""
        form = self.template.get("response_format")
        return isinstance(form, dict) and form.get("type") in ("json_schema", "json_object")

    def requests(self) -> Iterator[EncodedRequest]:
        """Every request of the file.

        Raises:
            InvalidBatchFileError: A line is bad; names it by number.
        """
        yield self._request(*self._first)
        for number, line in self._lines:
            yield self._request(number, line)

    def _request(self, number: int, line: bytes) -> EncodedRequest:
        try:
            custom_id, common, row = self._speech.read_line(self._parse(number, line), self._model_name)
        except ValueError as error:
            raise InvalidBatchFileError(str(error), line=number) from None
        if common != self.template:
            row = orjson.dumps({**_removed(self.template, common), **common, "messages": orjson.loads(row)})
        return EncodedRequest(row, custom_id)

    @staticmethod
    def _parse(number: int, line: bytes) -> dict[str, Any]:
        try:
            value = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            reason = "it is not UTF-8" if "UTF-8" in str(error) or "utf-8" in str(error) else "it is not JSON"
            raise InvalidBatchFileError(reason, line=number) from None
        if not isinstance(value, dict):
            raise InvalidBatchFileError("expected a JSON object", line=number)
        return value


def _removed(template: dict[str, Any], common: dict[str, Any]) -> dict[str, Any]:
    """Fields that the job's template has and this request must not have."""
    return {name: None for name in template if name not in common}


def _lines(stream: IO[bytes]) -> Iterator[tuple[int, bytes]]:
    """Lines with their numbers, from 1; empty ones are skipped."""
    for number, line in enumerate(stream, start=1):
        text = line.removeprefix(b"\xef\xbb\xbf").strip() if number == 1 else line.strip()
        if text:
            yield number, text
