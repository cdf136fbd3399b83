"""Every batch that was ever created, with the provider's own object for it.

Rows are never removed, so that a checker can count what was really accepted; a
batch that its owner deleted is only hidden from the provider's calls.
"""

import json
import sqlite3
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from batchline_simulator.database import Database
from batchline_simulator.phases import Phase


@dataclass(frozen=True)
class StoredBatch:
    """One batch as it was when it was read."""

    id: str
    provider: str
    lines: int
    """Requests in it, as far as they are known."""
    status: str
    """The provider's word for where the batch stands."""
    doc: dict[str, Any]
    """The object as the provider shows it."""
    input_file_id: str | None = None
    """What its requests were read from; None where they came with the call."""
    sha256: str | None = None
    """Of the input; None where that did not exist."""
    plan: Mapping[str, Any] = field(default_factory=dict)
    """Faults drawn when the batch was created, by kind."""
    mark: Mapping[str, Any] = field(default_factory=dict)
    """By what its owner can tell it from others: `metadata`, `display_name` or `first_custom_id`."""
    phase: Phase = "checking"
    started: bool = False
    """Whether it has passed its checks, and so has an input of its own."""
    done: int = 0
    """Requests executed, as far as that was told."""
    model: str | None = None
    tokens: int = 0
    """Prompt tokens that count against the enqueued limit while the batch is live."""
    live: bool = True
    """False once the batch has reached a final phase."""
    deleted: bool = False
    created_s: float = 0.0
    """When it was accepted, in Unix seconds; the table sets it."""


class BatchTable:
    """Reads and writes batches."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, batch: StoredBatch, *, hidden_s: float) -> None:
        """Accept a batch, which lists leave out for `hidden_s` seconds."""
        now = time.time()
        row = {
            "id": batch.id,
            "provider": batch.provider,
            "input_file_id": batch.input_file_id,
            "lines": batch.lines,
            "sha256": batch.sha256,
            "created_s": now,
            "visible_s": now + hidden_s,
            "phase": batch.phase,
            "status": batch.status,
            "started": batch.started,
            "model": batch.model,
            "tokens": batch.tokens,
            "plan": json.dumps(batch.plan),
            "mark": json.dumps(batch.mark),
            "doc": json.dumps(batch.doc),
        }
        columns, holes = ", ".join(row), ", ".join("?" * len(row))
        self._database.run(f"INSERT INTO batches ({columns}) VALUES ({holes})", tuple(row.values()))  # noqa: S608 - our names

    def get(self, batch_id: str) -> StoredBatch | None:
        """Return one batch, whoever its provider is and though it be deleted."""
        found = self._read("SELECT * FROM batches WHERE id = ?", (batch_id,))
        return found[0] if found else None

    def visible(self, provider: str, batch_id: str) -> StoredBatch | None:
        """Return the batch that a provider knows by this id, or None."""
        batch = self.get(batch_id)
        return None if batch is None or batch.provider != provider or batch.deleted else batch

    def change(self, batch_id: str, fields: Mapping[str, Any], *, done: int | None = None) -> StoredBatch:
        """Set fields of the provider's object, and how many requests are done."""
        return self._merge(batch_id, fields, "done = COALESCE(?, done)", (done,))

    def enter(
        self, batch_id: str, phase: Phase, status: str, fields: Mapping[str, Any], *, live: bool
    ) -> StoredBatch:
        """Set the phase, with fields of the object; `live=False` ends the batch and frees its tokens."""
        sets = "phase = ?1, status = ?2, live = ?3, started = started OR ?1 = 'running'"
        return self._merge(batch_id, fields, sets, (phase, status, live))

    def set_lines(self, batch_id: str, lines: int) -> None:
        """Say how many requests a batch has, where that is not known before its input is read."""
        self._database.run("UPDATE batches SET lines = ? WHERE id = ?", (lines, batch_id))

    def hide(self, batch_id: str) -> None:
        """Delete a batch, as far as its owner can see."""
        self._database.run("UPDATE batches SET deleted = 1 WHERE id = ?", (batch_id,))

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

    def page(
        self,
        provider: str,
        *,
        limit: int,
        after: str | None = None,
        before: str | None = None,
        again: bool = False,
    ) -> list[StoredBatch]:
        """Return up to `limit` visible batches, newest first.

        With `after` those that come next below that id, with `before` those right above it; `again`
        begins with the one of that id.
        """
        step, order, cursor = (">", "ASC", before) if before is not None else ("<", "DESC", after)
        step += "=" if again else ""
        found = self._read(
            f"SELECT * FROM batches WHERE provider = ?1 AND visible_s <= ?2 AND NOT deleted"  # noqa: S608 - `step` and `order` are ours
            f" AND (?3 IS NULL OR seq {step} (SELECT seq FROM batches WHERE id = ?3))"
            f" ORDER BY seq {order} LIMIT ?4",
            (provider, time.time(), cursor, limit),
        )
        return found[::-1] if before is not None else found

    def all(self) -> list[StoredBatch]:
        """Return every batch of every provider, oldest first."""
        return self._read("SELECT * FROM batches ORDER BY seq", ())

    def live(self, provider: str) -> list[StoredBatch]:
        """Return the batches of a provider that have not ended, oldest first."""
        return self._read("SELECT * FROM batches WHERE live AND provider = ? ORDER BY seq", (provider,))

    def created_since(self, provider: str, since_s: float) -> int:
        """Count the batches accepted after a moment in Unix seconds."""
        rows = self._database.rows(
            "SELECT COUNT(*) AS n FROM batches WHERE provider = ? AND created_s > ?", (provider, since_s)
        )
        return int(rows[0]["n"])

    def _merge(
        self, batch_id: str, fields: Mapping[str, Any], sets: str, values: Sequence[Any]
    ) -> StoredBatch:
        with self._database.transaction():
            rows = self._database.rows("SELECT doc FROM batches WHERE id = ?", (batch_id,))
            doc = json.dumps({**json.loads(rows[0]["doc"]), **fields})
            places = len(values)
            self._database.run(
                f"UPDATE batches SET {sets}, doc = ?{places + 1} WHERE id = ?{places + 2}",  # noqa: S608 - `sets` is ours
                (*values, doc, batch_id),
            )
            return self._read("SELECT * FROM batches WHERE id = ?", (batch_id,))[0]

    def _read(self, query: str, values: Sequence[Any]) -> list[StoredBatch]:
        return [_stored(row) for row in self._database.rows(query, values)]


def _stored(row: sqlite3.Row) -> StoredBatch:
    return StoredBatch(
        id=row["id"],
        provider=row["provider"],
        lines=row["lines"],
        status=row["status"],
        doc=json.loads(row["doc"]),
        input_file_id=row["input_file_id"],
        sha256=row["sha256"],
        plan=json.loads(row["plan"]),
        mark=json.loads(row["mark"]),
        phase=row["phase"],
        started=bool(row["started"]),
        done=row["done"],
        model=row["model"],
        tokens=row["tokens"],
        live=bool(row["live"]),
        deleted=bool(row["deleted"]),
        created_s=row["created_s"],
    )
