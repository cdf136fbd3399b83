"""The SQLite file that lets a simulator be stopped and started again.

One connection behind one lock: statements take microseconds, and the threads
that execute batches write too.
"""

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_SCHEMA = """
CREATE TABLE IF NOT EXISTS files (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, provider TEXT NOT NULL, id TEXT NOT NULL,
    purpose TEXT NOT NULL, filename TEXT NOT NULL, bytes INTEGER NOT NULL, lines INTEGER NOT NULL,
    sha256 TEXT NOT NULL, created_at INTEGER NOT NULL, expires_at INTEGER, UNIQUE (provider, id));
CREATE TABLE IF NOT EXISTS batches (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE NOT NULL, provider TEXT NOT NULL,
    input_file_id TEXT, lines INTEGER NOT NULL, sha256 TEXT, created_s REAL NOT NULL,
    visible_s REAL NOT NULL, phase TEXT NOT NULL, status TEXT NOT NULL, started INTEGER NOT NULL,
    done INTEGER NOT NULL DEFAULT 0, model TEXT, tokens INTEGER NOT NULL DEFAULT 0,
    live INTEGER NOT NULL DEFAULT 1, deleted INTEGER NOT NULL DEFAULT 0, plan TEXT NOT NULL,
    mark TEXT NOT NULL, doc TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS live_batches ON batches (live, model);
CREATE TABLE IF NOT EXISTS requests (
    id INTEGER PRIMARY KEY AUTOINCREMENT, time REAL NOT NULL, method TEXT NOT NULL, path TEXT NOT NULL,
    query TEXT NOT NULL, call TEXT NOT NULL, retry_count TEXT, status INTEGER,
    faults TEXT NOT NULL DEFAULT '[]');
CREATE TABLE IF NOT EXISTS marked_rows (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, row TEXT NOT NULL, batch_id TEXT NOT NULL, UNIQUE (row, batch_id));
"""


class Database:
    """One open SQLite file. Safe to use from several threads."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.RLock()
        self._connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._connection.row_factory = sqlite3.Row
        # A killed process loses nothing without syncing; only a power cut would, and no test cuts the power.
        self._connection.executescript(f"PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF; {_SCHEMA}")

    def run(self, statement: str, values: Sequence[Any] = ()) -> int:
        """Execute one statement and return the id of the last row it inserted."""
        with self._lock:
            return self._connection.execute(statement, values).lastrowid or 0

    def rows(self, statement: str, values: Sequence[Any] = ()) -> list[sqlite3.Row]:
        """Return every row of one query."""
        with self._lock:
            return self._connection.execute(statement, values).fetchall()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Make the statements inside one write, which no other thread sees halfway."""
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()
