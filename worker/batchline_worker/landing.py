"""Giving a shard's rows their outcomes, a chunk at a time."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Protocol

from batchline_shared.outcome_rows import encode_outcome, encode_unanswered
from batchline_shared.pricing import token_counts
from batchline_worker.copying import land_copies
from batchline_worker.pile import Pile, outcome_counts

if TYPE_CHECKING:
    from collections.abc import Callable

    from batchline_shared.dialects.verdict import Verdict
    from batchline_shared.ledger import ChunkInfo, JobMeta, JobStore, Landing, Segment
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
        self.meta = meta
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
        return self.meta.default_id(row) if self._given is None else self._given[row]


class Names(Protocol):
    """What says which custom id a row has."""

    meta: JobMeta

    def __getitem__(self, row: int) -> str: ...


class Lander:
    """Collects outcomes and lands them in chunks. Landing a row twice changes nothing."""

    def __init__(
        self,
        store: JobStore,
        job_id: str,
        names: Names,
        attempt: Attempt,
        rounds: Rounds,
        *,
        live: bool = False,
    ) -> None:
        """Args: live: The outcomes are those of the live API, and cost its price."""
        self._store = store
        self._live = live
        self._job_id = job_id
        self._names = names
        self._attempt = attempt
        self._rounds = rounds
        self._answers = Pile()
        self._failures = Pile()
        self._again = Pile()
        self._back = Pile()
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
        kind, message = self._attempt.said(verdict.error_type, verdict.message)
        verdict = verdict._replace(error_type=kind, message=message)
        self._add(row, self._line(row, verdict, raw), kind, token_counts(verdict, live=self._live))

    def sent_back(self, row: int, verdict: Verdict, raw: bytes, turns: bytes) -> None:
        """Add an answer that does not fit, and what the row's conversation grows by in the next attempt."""
        self._count(verdict)
        self._turns.append(turns)
        if self._back.add(row, self._line(row, verdict, raw), token_counts(verdict, live=self._live)):
            self.flush()

    def unanswered(self, row: int, error_type: ErrorType, message: str) -> None:
        """Add the outcome of a row for which there is no line."""
        kind, message = self._attempt.said(error_type, message)
        number, name, reasks = self._attempt.number, self._names[row], self._rounds.of(row).rounds
        line = encode_unanswered(row, number, name, kind or error_type, message, reasks, live=self._live)
        self._add(row, line, kind, {})

    def flush(self) -> None:
        """Land what is left."""
        if self._answers.rows:
            self._land(self._answers.take(), spare_waiting=False)
        if self._failures.rows:
            # Read twice, with a cancellation in between, a failure that waits must not become the last word.
            self._land(self._failures.take(), spare_waiting=True)
        if self._again.rows:
            self.deferred += self._store.defer(self._job_id, self._attempt.number, self._again.take())
        if self._back.rows:
            turns, self._turns = self._turns, []
            self.deferred += self._store.defer(self._job_id, self._attempt.number, self._back.take(), turns)

    def _line(self, row: int, verdict: Verdict, raw: bytes) -> bytes:
        number, reasks = self._attempt.number, self._rounds.of(row).rounds
        return encode_outcome(row, number, self._names[row], verdict, raw, reasks, live=self._live)

    def _count(self, verdict: Verdict) -> None:
        self.answered_rows += verdict.input_tokens > 0
        self.input_tokens += verdict.input_tokens

    def _land(self, landing: Landing, *, spare_waiting: bool) -> None:
        landed = self._store.land_rows(self._job_id, landing, spare_waiting=spare_waiting)
        self.landed += len(landed.rows)
        if self._names.meta.duplicates:
            # Should we die in between, settling does it.
            self.landed += land_copies(self._store, self._names.meta, landed.rows, landed.lines)

    def _add(self, row: int, line: bytes, error_type: ErrorType | None, tokens: dict[str, int]) -> None:
        if self._attempt.retries(error_type, self._rounds.of(row).lately):
            full = self._again.add(row, line, tokens)
        else:
            pile = self._answers if error_type is None else self._failures
            full = pile.add(row, line, {**outcome_counts(error_type), **tokens})
        if full:
            self.flush()


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
