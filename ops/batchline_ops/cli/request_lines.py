"""Conversations from a file or stdin, one a line.

A line is a list of messages, or an object with the fields of `BatchRequest`. For embeddings it is a
text, a list of texts, or an object that may call its texts `input`.
"""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any

from pydantic import ValidationError

from batchline.files import numbered_lines, open_source, parse_json
from batchline.requests import BatchRequest
from batchline_shared.errors import InvalidBatchFileError, InvalidRequestError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["STDIN", "RequestLines", "opened"]

STDIN = "-"


@contextmanager
def opened(path: str) -> Iterator[IO[bytes]]:
    """Open a file of requests; `-` is stdin, which stays open.

    Raises:
        InvalidBatchFileError: It cannot be read, or stdin is a terminal.
    """
    if path == STDIN:
        if sys.stdin.isatty():
            raise InvalidBatchFileError("name a file, or send requests through stdin, one JSON value a line")
        yield sys.stdin.buffer
        return
    stream, _ = open_source(path)
    with stream:
        yield stream


class RequestLines:
    """The requests of a stream, and the line of each while it is read."""

    def __init__(self, stream: IO[bytes]) -> None:
        """Read nothing yet."""
        self._stream = stream
        self._line = 0
        self._row = -1

    def __iter__(self) -> Iterator[Any]:
        """Stream the requests: `BatchRequest`s, and what else `enqueue` takes.

        Raises:
            InvalidBatchFileError: A line is bad, which it names, or there is none.
        """
        for number, text in numbered_lines(self._stream):
            self._line = number
            self._row += 1
            yield _request(text, number)
        if self._row < 0:
            raise InvalidBatchFileError("the file is empty: it holds no request")

    @contextmanager
    def naming_lines(self) -> Iterator[None]:
        """Turn an error about a request into one about its line, which is what its user can look up."""
        try:
            yield
        except InvalidRequestError as error:
            if error.row != self._row:
                raise
            raise InvalidBatchFileError(error.reason, line=self._line) from None


def _request(text: bytes, number: int) -> Any:
    try:
        value = parse_json(text)
    except ValueError as error:
        raise InvalidBatchFileError(str(error), line=number) from None
    if isinstance(value, list | str):
        return value
    if not isinstance(value, dict):
        raise InvalidBatchFileError("expected a list of messages or an object with messages", line=number)
    if "input" in value:
        value = {
            "messages" if name == "input" and "messages" not in value else name: value[name] for name in value
        }
    try:
        return BatchRequest.model_validate(value)
    except ValidationError as error:
        problems = error.errors(include_url=False, include_input=False, include_context=False)
        shown = "; ".join(f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in problems[:3])
        raise InvalidBatchFileError(shown, line=number) from None
