"""The replies to the requests of one batch, on disk as they came.

Records are appended and never changed: number of the request, status, length,
body. A process that was killed left at most its last record short; that one is
cut off and its request asked again. Only the place of each reply is in memory,
eight bytes a request.
"""

import os
import struct
from array import array
from pathlib import Path

from batchline_simulator.upstream.exchange import Reply

_HEAD = struct.Struct("<IHI")
_ABSENT, _SKIPPED = 0, 1
"""Values of a place; all others are where the record begins, plus 2."""
_FIRST = 2


class ReplyJournal:
    """Replies by the number of their request, counted from 0.

    One thread may add while another reads.
    """

    def __init__(self, path: Path, requests: int) -> None:
        """Open the journal of a batch of so many requests, with what an earlier process left in it."""
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        self._places = array("Q", bytes(8 * requests))
        self._end = self._load(os.fstat(self._file).st_size)
        os.ftruncate(self._file, self._end)

    def settled(self, number: int) -> bool:
        """Say whether nothing is to be asked for this request any more."""
        return self._places[number] != _ABSENT

    def add(self, number: int, reply: Reply) -> None:
        """Keep a reply. One of a server that could not be reached is not kept beyond this process."""
        status = reply.status if reply.answered else 0
        record = _HEAD.pack(number, status, len(reply.body)) + reply.body
        written = 0
        while written < len(record):
            written += os.write(self._file, record[written:])
        self._places[number] = self._end + _FIRST
        self._end += len(record)

    def skip(self, number: int) -> None:
        """Note that this request is not asked: it breaks the provider's rules."""
        self._places[number] = _SKIPPED

    def get(self, number: int) -> Reply | None:
        """Return the reply to a settled request, or None where it was skipped."""
        place = self._places[number]
        if place == _SKIPPED:
            return None
        start = place - _FIRST
        _, status, length = _HEAD.unpack(os.pread(self._file, _HEAD.size, start))
        body = os.pread(self._file, length, start + _HEAD.size)
        return Reply(status, body) if status else Reply(503, body, answered=False)

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)

    def _load(self, size: int) -> int:
        """Find the whole records, and return where the last one ends."""
        at = 0
        while at + _HEAD.size <= size:
            number, status, length = _HEAD.unpack(os.pread(self._file, _HEAD.size, at))
            end = at + _HEAD.size + length
            if end > size or number >= len(self._places):
                break
            if status:
                self._places[number] = at + _FIRST
            at = end
        return at
