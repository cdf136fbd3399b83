"""Uploaded and produced files: one row in the database, one file on disk."""

import sqlite3
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from batchline_simulator.database import Database


@dataclass(frozen=True)
class StoredFile:
    """What is known of one file without opening it."""

    id: str
    purpose: str
    filename: str
    bytes: int
    lines: int
    """Lines in the file; a last one without a line feed counts."""
    sha256: str
    created_at: int
    expires_at: int | None


class FileTable:
    """Every file that one provider has, with its content."""

    def __init__(self, database: Database, folder: Path, *, provider: str) -> None:
        self._database = database
        self._folder = folder
        self._provider = provider
        folder.mkdir(parents=True, exist_ok=True)

    def path(self, file_id: str) -> Path:
        """Say where the content of a file lies, whether or not it exists."""
        return self._folder / Path(file_id).name

    def add(self, stored: StoredFile, content: Path) -> None:
        """Move `content` into place and make the file visible."""
        content.replace(self.path(stored.id))
        values = {"provider": self._provider, **asdict(stored)}
        columns, holes = ", ".join(values), ", ".join("?" * len(values))
        # Replaced, not inserted: a batch that is executed again after a restart writes its files again.
        self._database.run(f"REPLACE INTO files ({columns}) VALUES ({holes})", tuple(values.values()))  # noqa: S608 - our names

    def get(self, file_id: str) -> StoredFile | None:
        """Return one file, or None where there is none of that id."""
        rows = self._database.rows(
            "SELECT * FROM files WHERE provider = ? AND id = ?", (self._provider, file_id)
        )
        return _stored(rows[0]) if rows else None

    def delete(self, file_id: str) -> bool:
        """Remove a file; say whether it was there."""
        known = self.get(file_id) is not None
        self._database.run("DELETE FROM files WHERE provider = ? AND id = ?", (self._provider, file_id))
        self.path(file_id).unlink(missing_ok=True)
        return known

    def page(
        self, *, purpose: str | None, limit: int, newest_first: bool, after: str | None
    ) -> list[StoredFile]:
        """Return up to `limit` files that follow the file `after`."""
        step, order = ("<", "DESC") if newest_first else (">", "ASC")
        rows = self._database.rows(
            f"SELECT * FROM files WHERE provider = ?1 AND (?2 IS NULL OR purpose = ?2)"  # noqa: S608 - `step` and `order` are ours
            f" AND (?3 IS NULL OR seq {step} (SELECT seq FROM files WHERE provider = ?1 AND id = ?3))"
            f" ORDER BY seq {order} LIMIT ?4",
            (self._provider, purpose, after, limit),
        )
        return [_stored(row) for row in rows]


def _stored(row: sqlite3.Row) -> StoredFile:
    return StoredFile(**{field.name: row[field.name] for field in fields(StoredFile)})
