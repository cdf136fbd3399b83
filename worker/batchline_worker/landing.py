"""Giving a shard's rows their outcomes, a chunk at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchline_shared.ledger import Landing
from batchline_shared.ledger.chunks import MAX_ROWS, TARGET_BYTES
from batchline_shared.outcome_rows import encode_outcome, encode_unanswered
from batchline_shared.pricing import token_counts

if TYPE_CHECKING:
    from batchline_shared.dialects.verdict import Verdict
    from batchline_shared.ledger import ChunkInfo, JobMeta, JobStore, Segment
    from batchline_shared.outcomes import ErrorType

__all__ = ["Lander", "RowNames", "needed_chunks", "open_rows_of"]

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

    def __init__(self, store: JobStore, job_id: str, names: RowNames) -> None:
        self._store = store
        self._job_id = job_id
        self._names = names
        self._pending = Landing([], [], [])
        self._bytes = 0
        self.landed = 0
        """Rows that got their outcome through this object."""

    def answered(self, row: int, verdict: Verdict, raw: bytes) -> None:
        """Add what the provider's line says of a row."""
        counts = _counts(verdict.error_type) | token_counts(verdict)
        self._add(row, encode_outcome(row, self._names[row], verdict, raw), counts)

    def unanswered(self, row: int, error_type: ErrorType, message: str) -> None:
        """Add the outcome of a row for which there is no line."""
        self._add(row, encode_unanswered(row, self._names[row], error_type, message), _counts(error_type))

    def flush(self) -> None:
        """Land what is left."""
        if self._pending.rows:
            self.landed += self._store.land(self._job_id, self._pending)
            self._pending = Landing([], [], [])
            self._bytes = 0

    def _add(self, row: int, line: bytes, counts: dict[str, int]) -> None:
        self._pending.rows.append(row)
        self._pending.lines.append(line)
        self._pending.counts.append(counts)
        self._bytes += len(line)
        if len(self._pending.rows) == MAX_ROWS or self._bytes >= TARGET_BYTES:
            self.flush()


def _counts(error_type: ErrorType | None) -> dict[str, int]:
    return {"succeeded": 1} if error_type is None else {"errored": 1, f"err.{error_type}": 1}


def open_rows_of(store: JobStore, job_id: str, segment: Segment) -> list[int]:
    """The rows of a segment that have no outcome yet."""
    if segment.picked:
        wanted = set(segment.picked)
        first, last = min(wanted), max(wanted)
        return [row for row in _open_between(store, job_id, first, last) if row in wanted]
    return _open_between(store, job_id, segment.first_row, segment.first_row + segment.rows - 1)


def _open_between(store: JobStore, job_id: str, first: int, last: int) -> list[int]:
    rows: list[int] = []
    for at in range(first, last + 1, _SCAN_ROWS):
        rows += store.open_rows(job_id, at, min(_SCAN_ROWS, last + 1 - at))
    return rows
