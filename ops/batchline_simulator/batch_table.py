"""Every batch that was ever created, with the provider's own object for it.

Rows are never deleted, so that a checker can count what was really accepted.
"""

import json
import sqlite3
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from batchline_simulator.database import Database


@dataclass(frozen=True)
class StoredBatch:
    """One batch as it was when it was read."""

    id: str
    provider: str
    input_file_id: str
    lines: int
    sha256: str | None
    """Of the input file; None where that did not exist."""
    model: str | None
    tokens: int
    """Prompt tokens that count against the enqueued limit while the batch is live."""
    live: bool
    """False once the batch has reached a final status."""
    plan: Mapping[str, Any]
    """Faults drawn when the batch was created, by kind."""
    doc: dict[str, Any]
    """The object as the provider shows it."""

    @property
    def status(self) -> str:
        """The provider's word for where the batch stands."""
        return str(self.doc["status"])


class BatchTable:
    """Reads and writes batches."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, batch: StoredBatch, *, hidden_s: float) -> None:
        """Accept a batch, which lists leave out for `hidden_s` seconds."""
        now = time.time()
        self._database.run(
            "INSERT INTO batches (id, provider, input_file_id, lines, sha256, created_s, visible_s,"
            " plan, doc) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                batch.id,
                batch.provider,
                batch.input_file_id,
                batch.lines,
                batch.sha256,
                now,
                now + hidden_s,
                json.dumps(batch.plan),
                json.dumps(batch.doc),
            ),
        )

    def get(self, batch_id: str) -> StoredBatch | None:
        """Return one batch, or None where there is none of that id."""
        rows = self._database.rows("SELECT * FROM batches WHERE id = ?", (batch_id,))
        return _stored(rows[0]) if rows else None

    def change(self, batch_id: str, changes: Mapping[str, Any], *, live: bool = True) -> StoredBatch:
        """Set fields of the provider's object; `live=False` ends the batch and frees its tokens."""
        with self._database.transaction():
            rows = self._database.rows("SELECT doc FROM batches WHERE id = ?", (batch_id,))
            doc = json.dumps({**json.loads(rows[0]["doc"]), **changes})
            self._database.run("UPDATE batches SET doc = ?, live = ? WHERE id = ?", (doc, live, batch_id))
            return _stored(self._database.rows("SELECT * FROM batches WHERE id = ?", (batch_id,))[0])

    def enqueue(self, batch_id: str, model: str, tokens: int, limit: int | None) -> bool:
        """Count a batch against the tokens of its model, or say that they do not fit.

        One transaction: two batches validated at once must not both take the last tokens.
        """
        with self._database.transaction():
            row = self._database.rows(
                "SELECT SUM(tokens) AS used FROM batches WHERE live AND model = ?", (model,)
            )[0]
            if limit is not None and (row["used"] or 0) + tokens > limit:
                return False
            self._database.run(
                "UPDATE batches SET model = ?, tokens = ? WHERE id = ?", (model, tokens, batch_id)
            )
            return True

    def page(self, provider: str, *, limit: int, after: str | None) -> list[StoredBatch]:
        """Return up to `limit` visible batches, newest first, that are older than `after`."""
        rows = self._database.rows(
            "SELECT * FROM batches WHERE provider = ?1 AND visible_s <= ?2"
            " AND (?3 IS NULL OR seq < (SELECT seq FROM batches WHERE id = ?3)) ORDER BY seq DESC LIMIT ?4",
            (provider, time.time(), after, limit),
        )
        return [_stored(row) for row in rows]

    def all(self) -> list[StoredBatch]:
        """Return every batch, oldest first."""
        return [_stored(row) for row in self._database.rows("SELECT * FROM batches ORDER BY seq")]

    def live(self, provider: str) -> list[StoredBatch]:
        """Return the batches of a provider that have not ended, oldest first."""
        rows = self._database.rows(
            "SELECT * FROM batches WHERE live AND provider = ? ORDER BY seq", (provider,)
        )
        return [_stored(row) for row in rows]

    def created_since(self, provider: str, since_s: float) -> int:
        """Count the batches accepted after a moment in Unix seconds."""
        rows = self._database.rows(
            "SELECT COUNT(*) AS n FROM batches WHERE provider = ? AND created_s > ?", (provider, since_s)
        )
        return int(rows[0]["n"])


def _stored(row: sqlite3.Row) -> StoredBatch:
    return StoredBatch(
        id=row["id"],
        provider=row["provider"],
        input_file_id=row["input_file_id"],
        lines=row["lines"],
        sha256=row["sha256"],
        model=row["model"],
        tokens=row["tokens"],
        live=bool(row["live"]),
        plan=json.loads(row["plan"]),
        doc=json.loads(row["doc"]),
    )
