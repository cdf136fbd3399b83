"""Sending the answers of a finished job back that its response model refuses."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import orjson

from batchline.retrying import Taken, send_again
from batchline_shared.dialects.reasking import complaint, growth
from batchline_shared.dialects.registry import dialect, known_model
from batchline_shared.errors import InvalidInputError, JobNotReadyError
from batchline_shared.ledger import Note
from batchline_shared.outcome_rows import error_type_of, reasks_of
from batchline_shared.outcomes import ErrorType

if TYPE_CHECKING:
    from batchline.connection import Connection
    from batchline_shared.ledger import JobMeta
    from batchline_shared.outcome_reader import OutcomeReader

__all__ = ["reask"]

_PAGE: Final = 1024

_LONGEST_ID: Final = 64
"""Bytes of our own id of a line, at most."""


def reask(connection: Connection, meta: JobMeta, reader: OutcomeReader[Any]) -> int:
    """See `Job.reask`."""
    if not meta.reask:
        raise InvalidInputError(
            f"job {meta.id} was enqueued without reask, so its answers are final; "
            "retry_failed() sends requests again as they were"
        )
    if not reader.typed:
        raise InvalidInputError(
            "this handle has no response model that could refuse an answer; use client.job(job_id, Model)"
        )
    if not meta.is_final:
        raise JobNotReadyError(
            f"job {meta.id} is {meta.status}; only a finished job's answers can be sent back", job_id=meta.id
        )
    take = _Misfits(connection, meta, reader)
    stored = connection.jobs.outcome_rows(meta.id, 0, meta.landed)
    if not any(take(row) for rows in stored for row in rows):
        return 0
    return send_again(connection, meta, take)


class _Misfits:
    """Takes answers that do not fit, while they may be sent back once more."""

    def __init__(self, connection: Connection, meta: JobMeta, reader: OutcomeReader[Any]) -> None:
        self._connection = connection
        self._meta = meta
        self._reader = reader
        self._notes = connection.jobs.notes(meta.id, meta.attempt + 1)

    def __call__(self, row: bytes) -> Taken | None:
        stored = orjson.loads(row)
        line = stored["raw"]
        if error_type_of(stored) not in (None, ErrorType.INVALID_OUTPUT) or line is None:
            return None
        if reasks_of(stored) >= self._meta.reask:
            return None
        problems = self._reader.problems(line)
        turns = self._reader.dialect.reask(line, complaint(problems)) if problems else None
        if turns is None or not self._fits(stored["n"], turns):
            return None
        return Taken.of(stored, Note(stored["n"], stored["a"], turns))

    def _fits(self, row: int, turns: bytes) -> bool:
        return growth([*self._notes.turns(row), turns]) <= self._room

    @cached_property
    def _room(self) -> int:
        """By how many bytes the job's largest request may grow."""
        jobs, meta = self._connection.jobs, self._meta
        account = self._connection.settings.account(known_model(meta.model))
        speech = dialect(meta.provider, meta.endpoint, account)
        around = sum(map(len, speech.line_ends(meta.template))) + _LONGEST_ID
        largest = max(
            info.max_row_bytes
            for start in range(0, meta.chunks, _PAGE)
            for info in jobs.infos(meta.id, start, min(start + _PAGE, meta.chunks))
        )
        return speech.limits.max_bytes - around - largest
