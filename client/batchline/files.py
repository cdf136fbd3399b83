"""Batch files: one provider request a line, on disk or in memory."""

from __future__ import annotations

import io
import os
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any, Final, Unpack

import orjson

from batchline.chunking import EncodedRequest
from batchline.enqueue import enqueue_rows
from batchline.estimating import metered
from batchline.job_plan import JobPlan
from batchline.requests import check_many
from batchline_shared.dialects.registry import dialect, known_model
from batchline_shared.errors import InvalidBatchFileError, InvalidInputError, InvalidRequestError
from batchline_shared.pricing import price_list_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from batchline.connection import Connection
    from batchline.estimating import CostEstimate
    from batchline.job_options import JobOptions
    from batchline_shared.dialects.base import Dialect, FileLine
    from batchline_shared.settings import Settings

__all__ = [
    "BOM",
    "BatchFile",
    "enqueue_file",
    "estimate_file",
    "numbered_lines",
    "open_source",
    "parse_json",
    "replaced_file",
    "write_lines",
]

BOM: Final = b"\xef\xbb\xbf"
"""What some editors put before the first line of a UTF-8 file."""

_WRITE_BYTES = 96 * 1024
"""Bytes of rows for one write. Larger blocks are mapped anew by the allocator each time: twice the CPU."""


def write_lines(
    target: IO[bytes], speech: Dialect, template: dict[str, Any], conversations: Iterable[Any]
) -> int:
    """Write one line for each conversation, named `request-0`, `request-1`, …; returns how many.

    Raises:
        InvalidRequestError: A conversation is bad; names it.
        InvalidInputError: There is none.
    """
    check_many(conversations, "messages_list must be an iterable of conversations")
    head, middle, tail = speech.line_ends(orjson.dumps(template))
    head += b"request-"
    encode = speech.encoder(template)
    lead, between = head, tail + head
    around = len(between) + len(middle)
    # The pieces of many lines are joined at once: a line of its own would be copied twice.
    pieces: list[bytes] = []
    count = size = 0
    for count, messages in enumerate(conversations, start=1):
        row = encode(messages, count - 1)
        pieces += (lead, b"%d" % (count - 1), middle, row)
        lead = between
        size += len(row) + around
        if size > _WRITE_BYTES:
            target.write(b"".join(pieces))
            pieces.clear()
            size = 0
    if not count:
        raise InvalidInputError("messages_list is empty: there is nothing to write")
    pieces.append(tail)
    target.write(b"".join(pieces))
    return count


@contextmanager
def replaced_file(path: str) -> Iterator[IO[bytes]]:
    """Open a file that takes the place of `path` once it is whole; if writing fails, nothing changes.

    Raises:
        InvalidBatchFileError: It cannot be written there.
    """
    unfinished = f"{path}.{os.getpid()}.part"
    try:
        target = open(unfinished, "wb")  # noqa: PTH123, SIM115 - the path is the user's string
    except OSError as error:
        raise InvalidBatchFileError(f"{path}: {error.strerror}") from error
    try:
        with target:
            yield target
        os.replace(unfinished, path)  # noqa: PTH105 - as above
    except BaseException:
        os.remove(unfinished)  # noqa: PTH107 - as above
        raise


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
    if isinstance(source, io.TextIOBase) or not (hasattr(source, "read") and hasattr(source, "__iter__")):
        raise InvalidBatchFileError(
            f"expected a path or a binary buffer such as io.BytesIO, not {type(source).__name__}"
        )
    return source, False


def enqueue_file(
    connection: Connection,
    model: str,
    source: str | Path | IO[bytes],
    *,
    endpoint: str = "",
    **how: Unpack[JobOptions],
) -> str:
    """Put a batch file on the queue; what its answers must look like stands in the file itself.

    Args:
        connection: To the ledger.
        model: `provider/model-name`, which every line must be for.
        source: A path, or a binary buffer, which is read from where it stands and left open.
        endpoint: Which every line must be for; empty: the provider's default.
        how: As `BatchClient.enqueue`.

    Returns:
        The job's id.

    Raises:
        InvalidModelError: The model is not of that form, or its provider or account unknown.
        InvalidInputError: An option is wrong.
        InvalidBatchFileError: The file is missing, empty, not UTF-8, or has a bad line; names it.
        DuplicateCustomIdError: Two lines bear the same id.
        BudgetExceededError: The requests' input costs more than `max_cost_usd`.
        QueueUnavailableError, QueueFullError: Redis is down or full. Nothing was enqueued.
    """
    named = known_model(model)
    account = connection.settings.account(named)
    speech = dialect(named.provider, endpoint, account)
    with _opened(source, speech, named.name) as file:
        plan = JobPlan.of(connection.settings, model, speech, file.template, **how)
        return enqueue_rows(connection, plan, file.requests())


def estimate_file(
    settings: Settings,
    model: str,
    source: str | Path | IO[bytes],
    *,
    endpoint: str = "",
    deduplicate: bool = False,
) -> CostEstimate:
    """Tell what a batch file would cost, and check it; takes and raises what `enqueue_file` does of it."""
    named = known_model(model)
    account = settings.account(named)
    speech = dialect(named.provider, endpoint, account)
    with _opened(source, speech, named.name) as file:
        prices = price_list_of(model, account)
        return metered(speech, file.template, model, prices, file.requests(), deduplicate=deduplicate)


@contextmanager
def _opened(source: str | Path | IO[bytes], speech: Dialect, model_name: str) -> Iterator[BatchFile]:
    stream, ours = open_source(source)
    try:
        file = BatchFile(stream, speech, model_name)
        try:
            yield file
        except InvalidRequestError as error:
            # Found beyond the line's form: in its custom id or its size. Here, lines have numbers.
            raise InvalidBatchFileError(error.reason, line=file.line) from None
    finally:
        if ours:
            stream.close()


class BatchFile:
    """A user's batch file, read as a stream of requests.

    What the first line's body shares with the others becomes the job's
    template, so a file of 50,000 equal schemas is stored once.
    """

    line: int
    """Number of the line read last, from 1."""

    def __init__(self, stream: IO[bytes], speech: Dialect, model_name: str) -> None:
        """Read the first line.

        Raises:
            InvalidBatchFileError: The file is empty, or its first line is bad.
        """
        self._lines = numbered_lines(stream)
        self._speech = speech
        self._model_name = model_name
        self.line, self._first = next(self._lines, (0, b""))
        if not self.line:
            raise InvalidBatchFileError(
                "the file is empty: it holds no request (a buffer is read from where it stands)"
            )
        first = self._read(self._first)
        self.template, self._schema = first.common, first.schema

    def requests(self) -> Iterator[EncodedRequest]:
        """Every request of the file.

        Raises:
            InvalidBatchFileError: A line is bad; names it by number.
        """
        yield self._request(self._first)
        for number, text in self._lines:
            self.line = number
            yield self._request(text)

    def _request(self, text: bytes) -> EncodedRequest:
        custom_id, common, conversation, row, schema = self._read(text)
        if schema != self._schema:
            raise InvalidBatchFileError(
                f"its response schema is not that of the first line, and a batch of {self._speech.provider} "
                "has one for all requests; use a file for each schema",
                line=self.line,
            )
        if common != self.template:
            row = orjson.dumps({**_removed(self.template, common), **common, **conversation})
        return EncodedRequest(row, custom_id)

    def _read(self, text: bytes) -> FileLine:
        try:
            value = parse_json(text)
            if not isinstance(value, dict):
                raise ValueError("expected a JSON object")  # noqa: TRY004, TRY301 - one class for a bad line
            return self._speech.read_line(value, self._model_name)
        except ValueError as error:
            raise InvalidBatchFileError(str(error), line=self.line) from None


def _removed(template: dict[str, Any], common: dict[str, Any]) -> dict[str, Any]:
    """Fields that the job's template has and this request must not have."""
    return {name: None for name in template if name not in common}


def parse_json(text: bytes) -> Any:
    """Parse one line.

    Raises:
        ValueError: It is not UTF-8, or not JSON; says which.
    """
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        try:
            text.decode()
        except UnicodeDecodeError:
            raise ValueError("it is not UTF-8") from None
        raise ValueError("it is not JSON") from None


def numbered_lines(stream: IO[bytes]) -> Iterator[tuple[int, bytes]]:
    """Lines with their numbers, from 1; empty ones are skipped.

    Raises:
        InvalidBatchFileError: The stream cannot be read, or gives text.
    """
    if getattr(stream, "closed", False):
        raise InvalidBatchFileError("the buffer is closed")
    for number, line in enumerate(stream, start=1):
        if not isinstance(line, bytes):
            raise InvalidBatchFileError("the buffer gives text; open it in binary mode")
        text = line.removeprefix(BOM).strip() if number == 1 else line.strip()
        if text:
            yield number, text
