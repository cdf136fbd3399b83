"""Which answers are sent back, and what each row's conversation has grown by before.

Only what the worker can tell is sent back by itself: no JSON, or JSON that breaks the response model's
schema. What the model's own validators refuse, its reader sends back (`Job.reask`).
"""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import orjson

from batchline_shared.dialects.reasking import complaint, growth
from batchline_shared.dialects.verdict import shorten
from batchline_shared.outcomes import ErrorType
from batchline_worker.answer_schema import Misfit, answer_schema
from batchline_worker.building import dialect_of

if TYPE_CHECKING:
    from batchline_shared.dialects.verdict import Verdict
    from batchline_shared.ledger import JobMeta, JobStore, Segment
    from batchline_shared.settings import Settings
    from batchline_worker.attempts import Attempt

__all__ = ["Reasker", "Rounds", "SentBack"]

_LONGEST_ID: Final = 64
"""Bytes of our own id of a line, at most."""


class _Carried(NamedTuple):
    """What a row's conversation has grown by."""

    rounds: int = 0
    """Answers that were sent back."""
    lately: int = 0
    """Those of them since the user last had failures sent again: what their attempts do not count."""
    bytes: int = 0


_NOTHING: Final = _Carried()


class Rounds:
    """How often the answers of a shard's rows have been sent back. Holds at most one shard's numbers."""

    def __init__(self, store: JobStore, meta: JobMeta, segment: Segment, attempt: int) -> None:
        """Read the notes of the attempts before this one."""
        self._carried: dict[int, _Carried] = {}
        if not meta.reask or attempt == 1:
            return
        begun = meta.last_attempt - meta.max_attempts + 1
        reader = store.notes(meta.id, attempt)
        for row in segment.picked or range(segment.first_row, segment.first_row + segment.rows):
            if notes := reader.of(row):
                lately = sum(note.attempt >= begun for note in notes)
                size = growth([note.turns for note in notes])
                self._carried[row] = _Carried(len(notes), lately, size)

    def of(self, row: int) -> _Carried:
        """What is known of a row."""
        return self._carried.get(row, _NOTHING)


class SentBack(NamedTuple):
    """An answer that is sent back."""

    verdict: Verdict
    """Why, as its failure is kept."""
    turns: bytes
    """What its conversation grows by."""


class Reasker:
    """Says which answers of a shard are sent back."""

    def __init__(
        self, store: JobStore, settings: Settings, meta: JobMeta, segment: Segment, rounds: Rounds
    ) -> None:
        """Prepare to read results; the shard's job is one that sends answers back."""
        self._speech = dialect_of(settings, meta)
        self._schema = answer_schema(meta.answer_schema)
        self._rounds = rounds
        self._most = meta.reask
        infos = store.infos(meta.id, segment.chunk_from, segment.chunk_to)
        self._first_rows = [info.first_row for info in infos]
        self._row_bytes = [info.max_row_bytes for info in infos]
        around = sum(map(len, self._speech.line_ends(meta.template))) + _LONGEST_ID
        self._room = self._speech.limits.max_bytes - around

    @classmethod
    def of(
        cls,
        store: JobStore,
        settings: Settings,
        meta: JobMeta,
        segment: Segment,
        *,
        attempt: Attempt,
        rounds: Rounds,
    ) -> Reasker | None:
        """For a shard's results; None where every answer is the last word."""
        return cls(store, settings, meta, segment, rounds) if meta.reask and attempt.is_open else None

    def sent_back(self, row: int, line: dict[str, Any], verdict: Verdict) -> SentBack | None:
        """What is sent back of a result line; None where it is an outcome, or for the retry policy to judge.

        It is an outcome also when it does not fit, but no round is left, or no room for a longer request.
        """
        before = self._rounds.of(row)
        if before.rounds >= self._most:
            return None
        misfit = self._misfit(line, verdict)
        turns = None if misfit is None else self._speech.reask(line, complaint(misfit.told))
        if misfit is None or turns is None:
            return None
        chunk = bisect_right(self._first_rows, row) - 1
        if self._row_bytes[chunk] + before.bytes + growth([turns]) > self._room:
            return None
        told = verdict._replace(error_type=ErrorType.INVALID_OUTPUT, message=shorten(misfit.message))
        return SentBack(told, turns)

    def _misfit(self, line: dict[str, Any], verdict: Verdict) -> Misfit | None:
        if verdict.error_type is ErrorType.INVALID_OUTPUT:
            return Misfit([verdict.message], verdict.message)
        if verdict.error_type is not None or self._schema is None:
            return None
        text = self._speech.answer_text(line, structured=True)
        return None if text is None else self._schema.misfit(orjson.loads(text))
