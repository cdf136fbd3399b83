"""Finding the requests of a job that equal an earlier one, as they stream in.

The first of equal requests has to be told at once, however far back it lies, so digests lie in a
temporary database: SQLite keeps it in memory while it is small, and on disk beyond.
"""

from __future__ import annotations

from contextlib import contextmanager
from hashlib import blake2b
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Final

from batchline_shared.ledger import Copies
from batchline_shared.ledger.chunks import MAX_ROWS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from batchline.chunking import EncodedRequest

__all__ = ["DuplicateFinder", "marking"]

_DIGEST_BYTES: Final = 20
"""Nobody finds two requests of one digest: it would take 2^80 tries."""

_CACHE_KIB: Final = 32 * 1024

_TABLES: Final = """
    PRAGMA journal_mode = OFF;
    PRAGMA synchronous = OFF;
    PRAGMA cache_size = -{cache_kib};
    CREATE TABLE firsts (digest BLOB PRIMARY KEY, row INTEGER NOT NULL) WITHOUT ROWID;
    CREATE TABLE copies (first INTEGER NOT NULL, row INTEGER NOT NULL, custom_id TEXT);
    BEGIN;
"""
"""A lost file is a lost enqueue, so nothing is worth a journal."""


@contextmanager
def marking(
    requests: Iterable[EncodedRequest], *, deduplicate: bool
) -> Iterator[tuple[Iterable[EncodedRequest], DuplicateFinder | None]]:
    """Give a job's requests, marked where they are to be sent once, and who marks them."""
    if not deduplicate:
        yield requests, None
        return
    finder = DuplicateFinder()
    try:
        yield finder.marked(requests), finder
    finally:
        finder.close()


class DuplicateFinder:
    """The requests of one job that have been seen."""

    def __init__(self, cache_kib: int = _CACHE_KIB) -> None:
        """Args: cache_kib: What is kept in memory; the disk takes the rest."""
        import sqlite3  # noqa: PLC0415 - only who asks for it pays for loading it

        # Without a name, the database is temporary. An enqueue that is given up may be closed by any thread.
        self._database = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._database.executescript(_TABLES.format(cache_kib=cache_kib))
        self.found = 0
        """Requests that equal an earlier one, so far."""

    def close(self) -> None:
        """Give the disk space back."""
        self._database.close()

    def marked(self, requests: Iterable[EncodedRequest]) -> Iterator[EncodedRequest]:
        """Pass requests on; one that equals an earlier one has that one's number for a row."""
        for row, request in enumerate(requests):
            first = self._first(request.row, row)
            if first == row:
                yield request
                continue
            self.found += 1
            self._database.execute("INSERT INTO copies VALUES (?, ?, ?)", (first, row, request.custom_id))
            yield request._replace(row=b"%d" % first, equals=first)

    def copies(self) -> Iterator[Copies]:
        """Who equals whom, by the first of them, in parts."""
        # The sort spills to disk as well.
        rows = self._database.execute("SELECT first, row, custom_id FROM copies ORDER BY first, row")
        for first, equal in groupby(rows, key=itemgetter(0)):
            part: list[tuple[int, str | None]] = []
            number = 0
            for _, row, custom_id in equal:
                if len(part) == MAX_ROWS:
                    yield Copies(first, number, part)
                    part, number = [], number + 1
                part.append((row, custom_id))
            yield Copies(first, number, part)

    def _first(self, encoded: bytes, row: int) -> int:
        """The first row that was encoded so; this one, if there was none."""
        digest = blake2b(encoded, digest_size=_DIGEST_BYTES).digest()
        added = self._database.execute("INSERT OR IGNORE INTO firsts VALUES (?, ?)", (digest, row))
        if added.rowcount:
            return row
        found = self._database.execute("SELECT row FROM firsts WHERE digest = ?", (digest,))
        first: int = found.fetchone()[0]
        return first
