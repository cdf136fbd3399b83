"""Uploads in pieces: a session, its bytes on disk, and what it becomes.

The session is in the database and its length is that of its file, so an
upload goes on after a restart where the last byte that arrived lies.
"""

import asyncio
import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from starlette.requests import Request

from batchline_simulator.database import Database
from batchline_simulator.google.blob_table import Blob, BlobTable
from batchline_simulator.google.measuring import measured

_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS google_uploads (id TEXT PRIMARY KEY, container TEXT NOT NULL,"
    " name TEXT NOT NULL, media_type TEXT NOT NULL, metadata TEXT NOT NULL, if_generation INTEGER,"
    " finished INTEGER NOT NULL DEFAULT 0)"
)


class GapError(Exception):
    """A piece begins after the last byte that is there."""


@dataclass(frozen=True)
class Session:
    """One upload in pieces."""

    id: str
    container: str
    name: str
    media_type: str
    metadata: Mapping[str, str]
    if_generation: int | None
    finished: bool


class Sessions:
    """Every upload that was begun."""

    def __init__(self, database: Database, blobs: BlobTable) -> None:
        self._database = database
        self._blobs = blobs
        database.run(_SCHEMA)

    def begin(
        self,
        container: str,
        name: str,
        *,
        media_type: str,
        metadata: Mapping[str, str],
        if_generation: int | None = None,
    ) -> Session:
        """Open a session; see `BlobTable.add` for the arguments."""
        session = Session(uuid.uuid4().hex, container, name, media_type, metadata, if_generation, False)  # noqa: FBT003 - the last field
        self._database.run(
            "INSERT INTO google_uploads VALUES (?, ?, ?, ?, ?, ?, 0)",
            (session.id, container, name, media_type, json.dumps(dict(metadata)), if_generation),
        )
        self._path(session).touch()
        return session

    def get(self, session_id: str) -> Session | None:
        """Return one session, or None where there is none of that id."""
        rows = self._database.rows("SELECT * FROM google_uploads WHERE id = ?", (session_id,))
        if not rows:
            return None
        row = dict(rows[0])
        return Session(**{**row, "metadata": json.loads(row["metadata"]), "finished": bool(row["finished"])})

    def stored_bytes(self, session: Session) -> int:
        """Count the bytes that have arrived."""
        return self._path(session).stat().st_size

    async def append(self, session: Session, request: Request, offset: int) -> None:
        """Write a piece to disk as it arrives; bytes that are there already are passed over.

        Raises:
            GapError: `offset` lies behind the end of what is there.
        """
        known = self.stored_bytes(session) - offset
        if known < 0:
            raise GapError(session.id)
        with self._path(session).open("ab") as sink:
            async for chunk in request.stream():
                sink.write(chunk[known:])
                known = max(0, known - len(chunk))

    async def finish(self, session: Session) -> Blob:
        """Make the object.

        Raises:
            PreconditionError: Another generation is there than the session was begun for.
        """
        content = await asyncio.to_thread(measured, self._path(session))
        blob = self._blobs.add(
            session.container,
            session.name,
            content,
            media_type=session.media_type,
            metadata=session.metadata,
            if_generation=session.if_generation,
        )
        self._database.run("UPDATE google_uploads SET finished = 1 WHERE id = ?", (session.id,))
        return blob

    def discard(self, session: Session) -> None:
        """Forget a session and its bytes."""
        self._database.run("DELETE FROM google_uploads WHERE id = ?", (session.id,))
        self._path(session).unlink(missing_ok=True)

    def _path(self, session: Session) -> Path:
        return self._blobs.draft(session.id)
