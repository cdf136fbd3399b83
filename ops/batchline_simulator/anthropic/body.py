"""The requests in the body of a create call, one at a time.

The body may have 256 MB, so it lies on disk and only the part that is being
read is in memory: about one request, however long the list is.
"""

import codecs
import json
from collections.abc import Iterator
from typing import Any, BinaryIO, NoReturn

_CHUNK_BYTES = 1 << 16
_TORN_CHARS = 8
"""A word such as `false` or an escape, torn by the end of what was read, is reported this close to it."""


class BodyError(Exception):
    """The body is refused; the message is what the provider says."""


def requests_in(body: BinaryIO) -> Iterator[Any]:
    """Yield each item of the list `requests`, parsed but not checked.

    Raises:
        BodyError: The body is no object with just that list.
    """
    source = _Source(body)
    source.take("{")
    listed = False
    while source.peek() != "}":
        name = source.value()
        source.take(":")
        if name != "requests":
            raise BodyError(f"{name}: Extra inputs are not permitted")
        listed = True
        yield from source.items()
        if source.peek() != ",":
            break
        source.take(",")
    source.take("}")
    if not listed:
        raise BodyError("requests: Field required")
    if source.peek():
        source.fail()


class _Source:
    """Text of a file, of which the part before the place that was reached is forgotten."""

    def __init__(self, body: BinaryIO) -> None:
        self._body = body
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._text = ""
        self._at = 0
        self._ended = False

    def fail(self) -> NoReturn:
        raise BodyError("The request body is not valid JSON.")

    def peek(self) -> str:
        """Return the next character that is no white space; "" at the end."""
        while True:
            while self._at < len(self._text):
                if not self._text[self._at].isspace():
                    return self._text[self._at]
                self._at += 1
            if not self._more():
                return ""

    def take(self, char: str) -> None:
        if self.peek() != char:
            self.fail()
        self._at += 1

    def items(self) -> Iterator[Any]:
        """Yield the items of the list that comes next."""
        if self.peek() != "[":
            raise BodyError("requests: Input should be a valid list")
        self.take("[")
        if self.peek() != "]":
            yield self.value()
            while self.peek() == ",":
                self.take(",")
                yield self.value()
        self.take("]")

    def value(self) -> Any:
        """Return the value that comes next, reading on until the whole of it is there."""
        self.peek()
        while True:
            try:
                value, end = _DECODER.raw_decode(self._text, self._at)
            except json.JSONDecodeError as error:
                if not self._is_torn(error) or not self._more():
                    self.fail()
                continue
            except (RecursionError, ValueError):
                self.fail()
            if end < len(self._text) or not self._more():
                # A number at the very end may go on; anything else is merely read once more.
                self._at = end
                return value

    def _is_torn(self, error: json.JSONDecodeError) -> bool:
        near_end = error.pos >= len(self._text) - _TORN_CHARS
        return near_end or error.msg.startswith("Unterminated string")

    def _more(self) -> bool:
        """Read on, twice as much as is held, so that a long value is not parsed again and again."""
        if self._ended:
            return False
        held = self._text[self._at :]
        chunk = self._body.read(max(_CHUNK_BYTES, 2 * len(held)))
        self._ended = not chunk
        try:
            self._text, self._at = held + self._decoder.decode(chunk, self._ended), 0
        except UnicodeDecodeError:
            self.fail()
        return not self._ended


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)


_DECODER = json.JSONDecoder(parse_constant=_no_constant)
