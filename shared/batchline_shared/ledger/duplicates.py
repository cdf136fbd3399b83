"""Requests of a job that equal an earlier one: never sent, each gets the outcome of the one that was.

Which rows they are is a bitmap (`keys.duplicates`), which the rows that are sent are told by; whose
outcome each gets is a list beside the first of them (`keys.copies`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from batchline_shared.ledger import keys
from batchline_shared.ledger.chunks import MAX_ROWS, pack_json, unpack_json
from batchline_shared.ledger.payload import STAGING_S
from batchline_shared.ledger.row_moves import RowMoves

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["Copies", "Duplicates"]

_PAGE_ROWS: Final = 1 << 20
"""Rows whose bits are read at once: 128 KiB of each bitmap."""


class Copies(NamedTuple):
    """Rows that equal one of a job's rows, or a part of them."""

    first: int
    """The row that is sent."""
    part: int
    """Which part of them it is, from 0; each but the last has `MAX_ROWS`."""
    rows: list[tuple[int, str | None]]
    """Each with its custom id; None: the default one."""


class Duplicates(RowMoves):
    """Rows of which some equal others."""

    def write_copies(self, job_id: str, parts: Sequence[Copies]) -> None:
        """Write who equals whom, before the job is committed; writing it again changes nothing."""
        with self._client.pipeline(transaction=False) as pipe:
            for one in parts:
                pipe.hset(keys.copies(job_id), f"{one.first},{one.part}", pack_json(one.rows))
            # As `write_chunks`.
            pipe.hincrby(keys.meta(job_id), "staged", len(parts))
            pipe.expire(keys.copies(job_id), STAGING_S)
            pipe.execute()

    def copies_of(self, job_id: str, rows: Sequence[int]) -> Iterator[Copies]:
        """The rows that equal these, part by part."""
        found = self._client.hmget(keys.copies(job_id), [f"{row},0" for row in rows]) if rows else []
        for first, packed in zip(rows, found, strict=True):
            if packed is not None:
                yield from self._parts(job_id, first, packed)

    def _parts(self, job_id: str, first: int, packed: bytes) -> Iterator[Copies]:
        found: bytes | None = packed
        part = 0
        while found is not None:
            equal = [(row, custom_id) for row, custom_id in unpack_json(found)]
            yield Copies(first, part, equal)
            part += 1
            full = len(equal) == MAX_ROWS
            found = self._client.hget(keys.copies(job_id), f"{first},{part}") if full else None

    def waiting_copies(self, job_id: str, total: int) -> int:
        """How many of a job's duplicates have no outcome yet."""
        waiting = 0
        for at in range(0, total, _PAGE_ROWS):
            rows = min(_PAGE_ROWS, total - at)
            equal = int.from_bytes(self._bits(keys.duplicates(job_id), at, rows))
            done = int.from_bytes(self._bits(keys.done(job_id), at, rows))
            waiting += (equal & ~done).bit_count()
        return waiting
