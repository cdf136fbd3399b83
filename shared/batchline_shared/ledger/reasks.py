"""What is added to a conversation whose answer was sent back, a note for each time.

Notes lie in blocks of rows, each in parts in the order in which they came: so
they are appended without being read, and streamed beside the requests.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from batchline_shared.errors import LedgerError
from batchline_shared.ledger import keys
from batchline_shared.ledger.chunks import pack, unpack

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from redis import Redis

__all__ = ["Note", "NoteReader", "packed_notes"]

BLOCK_ROWS: Final = 500
"""Rows of a block. Part of the schema: changing it loses every note."""

_PREFIX: Final = b'{"n":%d,"a":%d,"t":['


class Note(NamedTuple):
    """One answer that was sent back."""

    row: int
    attempt: int
    """The attempt in which the answer came; of each, a row has at most one."""
    turns: bytes
    """The answer and what is wrong about it, as JSON values with commas between: turns of a conversation."""

    def encode(self) -> bytes:
        """As it is stored: a JSON line."""
        return b"%b%b]}" % (_PREFIX % (self.row, self.attempt), self.turns)

    @classmethod
    def decode(cls, line: bytes) -> Note:
        """Read what `encode` wrote; the turns byte for byte."""
        row = int(line[5 : line.index(b",")])
        attempt = int(line[line.index(b'"a":') + 4 : line.index(b',"t":[')])
        return cls(row, attempt, line[len(_PREFIX % (row, attempt)) : -2])


def packed_notes(notes: Iterable[Note]) -> list[int | bytes]:
    """Pack notes into one part for each block of rows: `[block, part, block, part, …]`."""
    blocks: dict[int, list[bytes]] = {}
    for note in notes:
        blocks.setdefault(note.row // BLOCK_ROWS, []).append(note.encode())
    return [item for block, lines in blocks.items() for item in (block, pack(lines))]


class NoteReader:
    """The notes of a job's rows, in the order of the rows. Holds those of one block."""

    def __init__(self, client: Redis, job_id: str, before: int) -> None:
        """Read nothing yet.

        Args:
            client: The ledger.
            job_id: The job.
            before: An attempt; only notes of earlier ones are given. What is built twice is then the same.
        """
        # redis-py types every reply as str or bytes, whatever the client decodes; ours are bytes.
        self._client: Any = client
        self._key = keys.reasks(job_id)
        self._job_id = job_id
        self._before = before
        self._block = -1
        self._notes: dict[int, list[Note]] = {}

    def of(self, row: int) -> list[Note]:
        """A row's notes, the oldest first; ask for rows in ascending order, as each block is read anew.

        Raises:
            LedgerError: Notes are missing or damaged.
        """
        block = row // BLOCK_ROWS
        if block != self._block:
            self._notes = {}
            for note in self._read(block):
                if note.attempt < self._before:
                    self._notes.setdefault(note.row, []).append(note)
            for notes in self._notes.values():
                notes.sort(key=lambda note: note.attempt)
            self._block = block
        return self._notes.get(row, [])

    def turns(self, row: int) -> list[bytes]:
        """What is added to a row's conversation."""
        return [note.turns for note in self.of(row)]

    def _read(self, block: int) -> Iterator[Note]:
        count = int(self._client.hget(self._key, str(block)) or 0)
        for part in range(count):
            packed = self._client.hget(self._key, f"{block}:{part}")
            if packed is None:
                raise LedgerError(
                    f"notes of job {self._job_id} are missing; was part of Redis evicted or deleted?"
                )
            yield from map(Note.decode, unpack(packed))
