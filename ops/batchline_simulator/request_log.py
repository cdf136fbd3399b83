"""The log of every provider call: what came in and what went out, never a body."""

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

from batchline_simulator.database import Database


class RequestLog:
    """Rows in the order in which calls arrived; they survive a restart."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def begin(
        self, *, time_s: float, method: str, path: str, query: str, call: str, retry_count: str | None
    ) -> int:
        """Note a call before anything is done about it, and return its number."""
        return self._database.run(
            "INSERT INTO requests (time, method, path, query, call, retry_count) VALUES (?, ?, ?, ?, ?, ?)",
            (time_s, method, path, query, call, retry_count),
        )

    def end(self, entry: int, status: int | None, faults: Sequence[str]) -> None:
        """Note the status that was sent; None where the connection was dropped."""
        self._database.run(
            "UPDATE requests SET status = ?, faults = ? WHERE id = ?", (status, json.dumps(faults), entry)
        )

    def page(self, *, after: int, limit: int) -> list[dict[str, Any]]:
        """Return up to `limit` entries with a number above `after`."""
        rows = self._database.rows("SELECT * FROM requests WHERE id > ? ORDER BY id LIMIT ?", (after, limit))
        return [{**dict(row), "faults": json.loads(row["faults"])} for row in rows]

    def counts(self) -> dict[str, int]:
        """Count the calls by name and status, as `batches.create 200`."""
        rows = self._database.rows("SELECT call, status, COUNT(*) AS n FROM requests GROUP BY call, status")
        return dict(Counter({f"{row['call']} {row['status'] or 'dropped'}": row["n"] for row in rows}))
