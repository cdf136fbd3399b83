"""Reading a job's outcomes while they land."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from batchline.cursors import Cursor
from batchline.waiting import Pause, blocking, watching
from batchline_shared.dialects.registry import dialect
from batchline_shared.errors import LedgerError
from batchline_shared.outcome_reader import OutcomeReader

if TYPE_CHECKING:
    from collections.abc import Callable

    from batchline.connection import Connection
    from batchline_shared.ledger import JobMeta
    from batchline_shared.outcomes import BatchResult

__all__ = ["Page", "ResultStream", "reader_of", "reading"]

T = TypeVar("T")

_PAGE: Final = 64
"""Outcomes that are typed at once: what a reader holds, beside their chunk."""

Page = list[tuple[Cursor, "BatchResult[T]"]]
"""Outcomes that were there together, each with the cursor after it; never empty."""


def reader_of(meta: JobMeta, response_model: type[T] | None) -> OutcomeReader[T]:
    """What types the outcomes of a job."""
    return OutcomeReader(dialect(meta.provider, meta.endpoint), response_model, structured=meta.structured)


def reading(
    connection: Connection,
    job_id: str,
    response_model: type[T] | None,
    after: str | None,
    timeout_s: float | None,
) -> Iterator[Page[T] | Pause]:
    """Give outcomes as they land, in steps (see `waiting`); ends when the job does.

    Raises:
        InvalidInputError: `after` is no cursor of this job.
        LedgerError: Redis has lost outcomes that lie behind the cursor.
        WaitTimeoutError, JobNotFoundError, QueueUnavailableError: As `watching`.
    """
    position = Cursor(job_id) if after is None else Cursor.parse(after, job_id)
    reader: OutcomeReader[T] | None = None
    for step in watching(connection, job_id, timeout_s):
        if isinstance(step, Pause):
            yield step
            continue
        if step.retrying and not step.is_final:
            continue  # outcomes are being taken back; some that are there now will come anew
        if position.landing > step.landed or (position.place and position.landing == step.landed):
            raise LedgerError(
                f"this reader is ahead of job {job_id}: Redis has lost outcomes that it read, and they land "
                "anew; read from the start"
            )
        reader = reader or reader_of(step, response_model)
        for page in _landed(connection, position, step.landed, reader.read):
            yield page
            position = page[-1][0]
        position = max(position, Cursor(job_id, step.landed))


def _landed(
    connection: Connection, position: Cursor, stop: int, read: Callable[[bytes], BatchResult[T]]
) -> Iterator[Page[T]]:
    """What has landed between a cursor and a chunk's number, page by page."""
    with connection.errors():
        chunks = connection.jobs.landings(position.job_id, position.landing, stop)
        for landing, rows in enumerate(chunks, start=position.landing):
            behind = position.place if landing == position.landing else 0
            for start in range(behind, len(rows), _PAGE):
                page = [
                    (Cursor(position.job_id, landing, place), read(row))
                    for place, row in enumerate(rows[start : start + _PAGE], start + 1)
                    if row
                ]
                if page:
                    yield page


class ResultStream(Iterator["BatchResult[T]"], Generic[T]):
    """Outcomes as they land, each once; an iterator."""

    def __init__(
        self,
        connection: Connection,
        job_id: str,
        response_model: type[T] | None,
        after: str | None,
        timeout_s: float | None,
    ) -> None:
        """See `Job.iter_results`."""
        if after is not None:
            Cursor.parse(after, job_id)  # now, not when the first outcome is asked for
        self._cursor: Cursor | str | None = after
        steps = reading(connection, job_id, response_model, after, timeout_s)
        self._pages: Any = blocking(connection, job_id, steps)
        self._page: Iterator[tuple[Cursor, BatchResult[T]]] = iter(())

    @property
    def cursor(self) -> str | None:
        """What to pass as `after` to go on behind the last outcome that was given; None before the first."""
        return None if self._cursor is None else str(self._cursor)

    def __iter__(self) -> ResultStream[T]:
        return self

    def __next__(self) -> BatchResult[T]:
        item = next(self._page, None)
        while item is None:
            self._page = iter(next(self._pages))
            item = next(self._page, None)
        self._cursor, outcome = item
        return outcome

    def pages(self) -> Iterator[list[BatchResult[T]]]:
        """The same outcomes in lists, each as soon as it is there; `cursor` stands behind the whole list."""
        for page in itertools.chain([list(self._page)], self._pages):
            if page:
                self._cursor = page[-1][0]
                yield [outcome for _, outcome in page]

    def close(self) -> None:
        """Stop listening for the job; a stream that has ended, or is dropped, does so by itself."""
        self._pages.close()
