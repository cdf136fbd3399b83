"""One job's chunks: requests in, outcomes out, and the bits that say which rows have theirs.

Plain reads and idempotent writes; what must happen at once is in `jobs`.
"""

from __future__ import annotations

from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Any, NamedTuple

from batchline_shared.errors import LedgerError
from batchline_shared.ledger import keys
from batchline_shared.ledger.chunks import pack, pack_json, unpack, unpack_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from redis import Redis

__all__ = ["STAGING_S", "ChunkInfo", "InputChunk", "Payload", "RowTally", "Written"]

STAGING_S = 24 * 3600
"""How long the parts of an enqueue that never ended are kept."""

_READ_AHEAD = 4
"""Chunks fetched in one round trip: hides the latency, bounds the memory."""


class ChunkInfo(NamedTuple):
    """What planning needs to know of a chunk."""

    first_row: int
    rows: int
    bytes: int
    """Bytes of its rows, unpacked, without newlines."""
    max_row_bytes: int
    inputs: int = 0
    """What its rows count together of a batch's requests; 0: each counts one."""
    max_row_inputs: int = 1
    """The most that one row counts. Embeddings count each of their texts."""
    tokens: int = 0
    """Input tokens of its rows, as estimated, without what all of the job's rows share."""
    duplicates: int = 0
    """Rows of it that equal an earlier one, and hold no more than its number."""

    @property
    def sent(self) -> int:
        """Rows of it that are sent."""
        return self.rows - self.duplicates


class InputChunk(NamedTuple):
    """One chunk of requests as `enqueue` writes it."""

    number: int
    info: ChunkInfo
    rows: list[bytes]
    custom_ids: list[str] | None
    """None where the ids are the default ones."""
    duplicates: Sequence[int] = ()
    """Rows that equal an earlier one."""


class Written(NamedTuple):
    """What an enqueue has written of a job, to be there when it is committed."""

    chunks: int = 0
    identifiers: int = 0
    """Chunks of custom ids."""
    duplicates: int = 0
    """Rows that equal an earlier one."""
    copies: int = 0
    """Lists of rows that equal one; see `duplicates.Copies`."""


class RowTally(NamedTuple):
    """How many of a job's rows are where; those in none of these are in shards, or were lost."""

    done: int
    """They have their outcome."""
    again: int
    """They failed, and wait for another attempt."""
    ready: int
    """They are to be put into a shard of this attempt."""


class Payload:
    """The chunks of jobs."""

    def __init__(self, client: Redis) -> None:
        # redis-py types every reply as str or bytes, whatever the client decodes; ours are bytes.
        self._client: Any = client

    def write_chunks(self, job_id: str, chunks: Sequence[InputChunk]) -> None:
        """Write chunks of requests; writing one again changes nothing."""
        with self._client.pipeline(transaction=False) as pipe:
            for chunk in chunks:
                pipe.hset(keys.input_chunks(job_id), str(chunk.number), pack(chunk.rows))
                pipe.hset(keys.index(job_id), str(chunk.number), ",".join(map(str, chunk.info)))
                if chunk.custom_ids is not None:
                    pipe.hset(keys.identifiers(job_id), str(chunk.number), pack_json(chunk.custom_ids))
                for row in chunk.duplicates:
                    pipe.setbit(keys.duplicates(job_id), row, 1)
            # Tells others that this enqueue is alive; see `staged`.
            pipe.hincrby(keys.meta(job_id), "staged", len(chunks))
            for key in keys.job_keys(job_id):
                pipe.expire(key, STAGING_S)
            pipe.execute()

    def touch(self, job_id: str) -> None:
        """Tell others that this enqueue is alive though it has no chunk to write yet; see `staged`."""
        if self._client.hexists(keys.meta(job_id), "status"):
            self._client.hincrby(keys.meta(job_id), "staged", 1)

    def outcome_chunk(self, job_id: str, landing: int) -> bytes:
        """A landing as it is stored, for `take_back`."""
        return _present(job_id, [self._client.hget(keys.outcomes(job_id), str(landing))])[0]

    def infos(self, job_id: str, start: int, stop: int) -> list[ChunkInfo]:
        """What planning needs of the chunks `start … stop - 1`."""
        if stop <= start:
            return []
        found = self._client.hmget(keys.index(job_id), [str(n) for n in range(start, stop)])
        return [ChunkInfo(*map(int, entry.split(b","))) for entry in _present(job_id, found)]

    def rows(self, job_id: str, chunks: Sequence[int]) -> Iterator[list[bytes]]:
        """The request rows of these chunks, chunk by chunk, in bounded memory."""
        yield from map(unpack, self._stream(job_id, keys.input_chunks(job_id), chunks))

    def custom_ids(self, job_id: str, chunks: Sequence[int]) -> Iterator[list[str]]:
        """The custom ids of these chunks' rows, chunk by chunk."""
        yield from map(unpack_json, self._stream(job_id, keys.identifiers(job_id), chunks))

    def outcome_rows(self, job_id: str, start: int, stop: int) -> Iterator[list[bytes]]:
        """The outcome rows of the landings `start … stop - 1`, landing by landing."""
        for rows in self.landings(job_id, start, stop):
            yield [row for row in rows if row]

    def landings(self, job_id: str, start: int, stop: int) -> Iterator[list[bytes]]:
        """The same with the gaps that retries have left, as empty rows, so that every row keeps its place."""
        yield from map(unpack, self._stream(job_id, keys.outcomes(job_id), range(start, stop)))

    def attempt_rows(self, job_id: str, start: int, stop: int) -> Iterator[list[bytes]]:
        """The failures that were tried again, in the chunks `start … stop - 1`, chunk by chunk."""
        yield from map(unpack, self._stream(job_id, keys.attempts(job_id), range(start, stop)))

    def _stream(self, job_id: str, key: str, chunks: Sequence[int]) -> Iterator[bytes]:
        for at in range(0, len(chunks), _READ_AHEAD):
            names = [str(n) for n in chunks[at : at + _READ_AHEAD]]
            yield from _present(job_id, self._client.hmget(key, names))

    def unequal_rows(self, job_id: str, first_row: int, rows: int) -> list[int]:
        """Those of `rows` rows from `first_row` on that equal no earlier one: the rows that are sent."""
        return self._in_none_of(job_id, first_row, rows, keys.duplicates)

    def open_rows(self, job_id: str, first_row: int, rows: int) -> list[int]:
        """Those of `rows` rows from `first_row` on that are sent and have no outcome yet."""
        return self._in_none_of(job_id, first_row, rows, keys.duplicates, keys.done)

    def lost_rows(self, job_id: str, first_row: int, rows: int) -> list[int]:
        """Those of `open_rows` that wait for no other attempt."""
        return self._in_none_of(job_id, first_row, rows, keys.duplicates, keys.done, keys.again)

    def _in_none_of(
        self, job_id: str, first_row: int, rows: int, *bitmaps: Callable[[str], str]
    ) -> list[int]:
        found = [self._bits(bitmap(job_id), first_row, rows) for bitmap in bitmaps]
        any_of_them = reduce(or_, map(int.from_bytes, found))
        return _unset(first_row, rows, any_of_them.to_bytes(len(found[0])))

    def _bits(self, key: str, first_row: int, rows: int) -> bytes:
        low, high = first_row // 8, (first_row + rows - 1) // 8
        found: bytes = self._client.getrange(key, low, high)
        return found.ljust(high - low + 1, b"\0")

    def ready_rows(self, job_id: str, first_row: int, rows: int) -> list[int]:
        """Those of `open_rows` that are to be put into a shard of this attempt."""
        wanted = self._bits(keys.ready(job_id), first_row, rows)
        low = first_row // 8
        return [
            row
            for row in self.open_rows(job_id, first_row, rows)
            if wanted[row // 8 - low] & (0x80 >> (row % 8))
        ]

    def asked_rows(self, job_id: str, first_row: int, rows: int) -> list[int]:
        """Those of `rows` rows from `first_row` on that have been asked through the live API."""
        bits = self._bits(keys.asked(job_id), first_row, rows)
        return _unset(first_row, rows, bytes(~bit & 0xFF for bit in bits))

    def tally(self, job_id: str) -> RowTally:
        """How many rows are where, at one moment."""
        with self._client.pipeline() as pipe:
            for name in (keys.done, keys.again, keys.ready):
                pipe.bitcount(name(job_id))
            return RowTally(*pipe.execute())

    def done_count(self, job_id: str) -> int:
        """How many rows have their outcome."""
        return int(self._client.bitcount(keys.done(job_id)))


def _unset(first_row: int, rows: int, bits: bytes) -> list[int]:
    """The rows of a range whose bit is not set; `bits` begins at the byte of `first_row`."""
    low = first_row // 8
    return [
        row for row in range(first_row, first_row + rows) if not bits[row // 8 - low] & (0x80 >> (row % 8))
    ]


def _present(job_id: str, values: list[bytes | None]) -> list[bytes]:
    found = [value for value in values if value is not None]
    if len(found) != len(values):
        raise LedgerError(f"chunks of job {job_id} are missing; was part of Redis evicted or deleted?")
    return found
