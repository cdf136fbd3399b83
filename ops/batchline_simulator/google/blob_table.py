"""What Google's storages hold: one row for each object, one file on disk.

A Cloud Storage object and a file of the Gemini API are the same to this table:
a name in a container. Containers whose name starts with a dot are no buckets.
"""

import json
import sqlite3
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from batchline_simulator.database import Database
from batchline_simulator.google.measuring import Measured

_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS google_blobs ("
    " container TEXT NOT NULL, name TEXT NOT NULL, generation INTEGER NOT NULL, bytes INTEGER NOT NULL,"
    " lines INTEGER NOT NULL, md5 TEXT NOT NULL, crc32c TEXT NOT NULL, sha256 TEXT NOT NULL,"
    " media_type TEXT NOT NULL, metadata TEXT NOT NULL, PRIMARY KEY (container, name))"
)
_LAST_CHARACTER = "\U0010ffff"
_PAGE = 1000


class PreconditionError(Exception):
    """The object is not of the generation that the caller expects."""


@dataclass(frozen=True)
class Blob:
    """What is known of one object without opening it."""

    container: str
    name: str
    generation: int
    """Microseconds since 1970 at which it was written; a later object of the same name has a higher one."""
    bytes: int
    lines: int
    md5: str
    """Base64, as is `crc32c`."""
    crc32c: str
    sha256: str
    """Hexadecimal."""
    media_type: str
    metadata: Mapping[str, str]
    """What its writer noted beside it."""


class BlobTable:
    """Every object that exists, with its content."""

    def __init__(self, database: Database, folder: Path) -> None:
        self._database = database
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        database.run(_SCHEMA)

    def path(self, blob: Blob) -> Path:
        """Say where the content of an object lies."""
        return self._folder / str(blob.generation)

    def draft(self, name: str) -> Path:
        """Say where content may be gathered that nobody sees yet; `name` must be unique."""
        return self._folder / f"{name}.draft"

    def add(
        self,
        container: str,
        name: str,
        content: Measured,
        *,
        media_type: str,
        metadata: Mapping[str, str],
        if_generation: int | None = None,
    ) -> Blob:
        """Move measured content into place and make the object visible.

        Args:
            container: A bucket, or a name with a dot in front.
            name: Of the object.
            content: Measured where it lies; the file is moved away.
            media_type: As the writer declares it.
            metadata: As the writer declares it.
            if_generation: The generation to replace; 0 writes only where there is no object.

        Raises:
            PreconditionError: Another generation is there; nothing changed.
        """
        with self._database.transaction():
            self.check(container, name, if_generation)
            blob = Blob(
                container=container,
                name=name,
                generation=self._next_generation(),
                bytes=content.bytes,
                lines=content.lines,
                md5=content.md5,
                crc32c=content.crc32c,
                sha256=content.sha256,
                media_type=media_type,
                metadata=metadata,
            )
            content.path.replace(self.path(blob))
            before = self.get(container, name)
            self._database.run(
                "REPLACE INTO google_blobs VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    blob.container,
                    blob.name,
                    blob.generation,
                    blob.bytes,
                    blob.lines,
                    blob.md5,
                    blob.crc32c,
                    blob.sha256,
                    blob.media_type,
                    json.dumps(dict(blob.metadata)),
                ),
            )
        if before is not None:
            self.path(before).unlink(missing_ok=True)
        return blob

    def get(self, container: str, name: str) -> Blob | None:
        """Return one object, or None where there is none of that name."""
        rows = self._database.rows(
            "SELECT * FROM google_blobs WHERE container = ? AND name = ?", (container, name)
        )
        return _blob(rows[0]) if rows else None

    def check(self, container: str, name: str, if_generation: int | None) -> None:
        """Compare the generation that is there with the expected one; None expects nothing.

        Raises:
            PreconditionError: They differ. Where there is no object, 0 is expected.
        """
        if if_generation is None:
            return
        blob = self.get(container, name)
        if (blob.generation if blob else 0) != if_generation:
            raise PreconditionError(name)

    def delete(self, blob: Blob) -> None:
        """Remove an object."""
        self._database.run(
            "DELETE FROM google_blobs WHERE container = ? AND name = ? AND generation = ?",
            (blob.container, blob.name, blob.generation),
        )
        self.path(blob).unlink(missing_ok=True)

    def named(self, container: str, *, prefix: str = "", start: str = "") -> Iterator[Blob]:
        """Return the objects whose name starts with `prefix`, by name, from `start` on.

        They are read in pages, so that a bucket of any size needs little memory.
        """
        at, step = max(prefix, start), ">="
        while True:
            rows = self._database.rows(
                f"SELECT * FROM google_blobs WHERE container = ? AND name {step} ? AND name < ?"  # noqa: S608 - `step` is ours
                " ORDER BY name LIMIT ?",
                (container, at, prefix + _LAST_CHARACTER, _PAGE),
            )
            yield from map(_blob, rows)
            if len(rows) < _PAGE:
                return
            at, step = rows[-1]["name"], ">"

    def _next_generation(self) -> int:
        rows = self._database.rows("SELECT MAX(generation) AS newest FROM google_blobs")
        return max(int(time.time() * 1_000_000), (rows[0]["newest"] or 0) + 1)


def _blob(row: sqlite3.Row) -> Blob:
    return Blob(**{**dict(row), "metadata": json.loads(row["metadata"])})
