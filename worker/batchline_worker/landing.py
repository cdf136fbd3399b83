"""Giving a shard's rows their outcomes, a chunk at a time."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from batchline_shared.ledger import Landing
from batchline_shared.ledger.chunks import MAX_ROWS, TARGET_BYTES
from batchline_shared.outcome_rows import encode_outcome, encode_unanswered
from batchline_shared.pricing import token_counts

if TYPE_CHECKING:
    from collections.abc import Callable

    from batchline_shared.dialects.verdict import Verdict
    from batchline_shared.ledger import ChunkInfo, JobMeta, JobStore, Segment
    from batchline_shared.outcomes import ErrorType
    from batchline_worker.attempts import Attempt
    from batchline_worker.reasking import Rounds

__all__ = ["Lander", "RowNames", "lost_rows_of", "needed_chunks", "open_rows_of"]

_SCAN_ROWS = 65_536


def needed_chunks(segment: Segment, infos: list[ChunkInfo]) -> list[tuple[int, ChunkInfo]]:
    """The chunks that hold a segment's rows, with their numbers; `infos` are those from `chunk_from` on."""
    numbered = enumerate(infos, start=segment.chunk_from)
    if not segment.picked:
        return list(numbered)
    picked = sorted(segment.picked)
    needed, at = [], 0
    for number, info in numbered:
        end = info.first_row + info.rows
        if at < len(picked) and picked[at] < end:
            needed.append((number, info))
            while at < len(picked) and picked[at] < end:
                at += 1
    return needed


class RowNames:
    """The custom ids of a shard's rows. Holds at most one shard's ids."""

    def __init__(self, store: JobStore, meta: JobMeta, segment: Segment) -> None:
        """Read the ids, where the user gave any."""
        self._meta = meta
        self._given: dict[int, str] | None = None
        if meta.given_ids:
            infos = store.infos(meta.id, segment.chunk_from, segment.chunk_to)
            needed = needed_chunks(segment, infos)
            wanted = set(segment.picked) or range(segment.first_row, segment.first_row + segment.rows)
            self._given = {}
            chunks = store.custom_ids(meta.id, [number for number, _ in needed])
            for (_, info), names in zip(needed, chunks, strict=True):
                rows = enumerate(names, start=info.first_row)
                self._given.update((row, name) for row, name in rows if row in wanted)

    def __getitem__(self, row: int) -> str:
        return self._meta.default_id(row) if self._given is None else self._given[row]


class Lander:
    """Collects outcomes and lands them in chunks. Landing a row twice changes nothing."""

    def __init__(
        self, store: JobStore, job_id: str, names: RowNames, attempt: Attempt, rounds: Rounds
    ) -> None:
        self._store = store
        self._job_id = job_id
        self._names = names
        self._attempt = attempt
        self._rounds = rounds
        self._answers = _Pile()
        self._failures = _Pile()
        self._again = _Pile()
        self._back = _Pile()
        self._turns: list[bytes] = []
        self.landed = 0
        """Rows that got their outcome through this object."""
        self.deferred = 0
        """Rows that wait for another attempt because of this object."""
        self.answered_rows = 0
        """Rows of which the provider said how many input tokens they had, landed before or not."""
        self.input_tokens = 0
        """Those tokens."""

    def answered(self, row: int, verdict: Verdict, raw: bytes) -> None:
        """Add what the provider's line says of a row."""
        self._count(verdict)
        reasks = self._rounds.of(row).rounds
        line = encode_outcome(row, self._attempt.number, self._names[row], verdict, raw, reasks)
        self._add(row, line, verdict.error_type, token_counts(verdict))

    def sent_back(self, row: int, verdict: Verdict, raw: bytes, turns: bytes) -> None:
        """Add an answer that does not fit, and what the row's conversation grows by in the next attempt."""
        self._count(verdict)
        reasks = self._rounds.of(row).rounds
        line = encode_outcome(row, self._attempt.number, self._names[row], verdict, raw, reasks)
        self._turns.append(turns)
        if self._back.add(row, line, token_counts(verdict)):
            self.flush()

    def unanswered(self, row: int, error_type: ErrorType, message: str) -> None:
        """Add the outcome of a row for which there is no line."""
        reasks = self._rounds.of(row).rounds
        line = encode_unanswered(row, self._attempt.number, self._names[row], error_type, message, reasks)
        self._add(row, line, error_type, {})

    def flush(self) -> None:
        """Land what is left."""
        if self._answers.rows:
            self.landed += self._store.land(self._job_id, self._answers.take())
        if self._failures.rows:
            # Read twice, with a cancellation in between, a failure that waits must not become the last word.
            self.landed += self._store.land(self._job_id, self._failures.take(), spare_waiting=True)
        if self._again.rows:
            self.deferred += self._store.defer(self._job_id, self._attempt.number, self._again.take())
        if self._back.rows:
            turns, self._turns = self._turns, []
            self.deferred += self._store.defer(self._job_id, self._attempt.number, self._back.take(), turns)

    def _count(self, verdict: Verdict) -> None:
        self.answered_rows += verdict.input_tokens > 0
        self.input_tokens += verdict.input_tokens

    def _add(self, row: int, line: bytes, error_type: ErrorType | None, tokens: dict[str, int]) -> None:
        if self._attempt.retries(error_type, self._rounds.of(row).lately):
            full = self._again.add(row, line, tokens)
        else:
            pile = self._answers if error_type is None else self._failures
            full = pile.add(row, line, {**_counts(error_type), **tokens})
        if full:
            self.flush()


class _Pile:
    """Rows that are to be written together."""

    def __init__(self) -> None:
        self.rows: list[int] = []
        self._lines: list[bytes] = []
        self._counts: list[dict[str, int]] = []
        self._bytes = 0

    def add(self, row: int, line: bytes, counts: dict[str, int]) -> bool:
        """Add a row; whether the pile is as large as a chunk may be."""
        self.rows.append(row)
        self._lines.append(line)
        self._counts.append(counts)
        self._bytes += len(line)
        return len(self.rows) == MAX_ROWS or self._bytes >= TARGET_BYTES

    def take(self) -> Landing:
        """The rows, leaving none."""
        taken = Landing(self.rows, self._lines, self._counts)
        self.rows, self._lines, self._counts, self._bytes = [], [], [], 0
        return taken


def _counts(error_type: ErrorType | None) -> dict[str, int]:
    return {"succeeded": 1} if error_type is None else {"errored": 1, f"err.{error_type}": 1}


def open_rows_of(store: JobStore, job_id: str, segment: Segment) -> list[int]:
    """The rows of a segment that have no outcome yet."""
    return _rows_of(segment, partial(store.open_rows, job_id))


def lost_rows_of(store: JobStore, job_id: str, segment: Segment) -> list[int]:
    """The rows of a segment that have no outcome yet and do not wait for another attempt."""
    return _rows_of(segment, partial(store.lost_rows, job_id))


def _rows_of(segment: Segment, read: Callable[[int, int], list[int]]) -> list[int]:
    if segment.picked:
        wanted = set(segment.picked)
        return [row for row in _between(min(wanted), max(wanted), read) if row in wanted]
    return _between(segment.first_row, segment.first_row + segment.rows - 1, read)


def _between(first: int, last: int, read: Callable[[int, int], list[int]]) -> list[int]:
    rows: list[int] = []
    for at in range(first, last + 1, _SCAN_ROWS):
        rows += read(at, min(_SCAN_ROWS, last + 1 - at))
    return rows
