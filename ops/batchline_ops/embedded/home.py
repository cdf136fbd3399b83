"""The data directory of one server: its files, its lock, and the record of who runs.

The lock is an `flock` on a file that the server process itself inherits. So it
is held for exactly as long as a server uses the directory, whoever started it
and however that one ended; there is no stale lock to clean up, only a stale
record, and whoever gets the lock knows that the record is stale.
"""

from __future__ import annotations

import fcntl
import os
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Self

import orjson

from batchline_ops.embedded.errors import EmbeddedServerError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["HomeLock", "ServerHome", "ServerRecord", "write_atomically"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerRecord:
    """The server that ran last in a data directory; it may have ended since."""

    url: str
    """The ledger's URL: database 0."""

    port: int
    pid: int

    server: str
    """Name and version. An older server may not be able to read a newer one's files."""


class HomeLock:
    """The right to start a server in one data directory."""

    def __init__(self, descriptor: int) -> None:
        """Take over an open file that holds the lock."""
        self._descriptor = descriptor

    def fileno(self) -> int:
        """Descriptor to hand to the server, which then shares the lock."""
        return self._descriptor

    def close(self) -> None:
        """Let go of our share; a server that has its own keeps the lock. Harmless when repeated."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> Self:
        """Hold it for the block."""
        return self

    def __exit__(self, *_: object) -> None:
        """Let go of our share."""
        self.close()


@dataclass(frozen=True, slots=True)
class ServerHome:
    """Where a server keeps what. Everything lies inside `root`."""

    root: Path

    @property
    def data(self) -> Path:
        """The server's working directory, with its append-only files."""
        return self.root / "server"

    @property
    def logs(self) -> Path:
        """One log for each process."""
        return self.root / "logs"

    @property
    def log(self) -> Path:
        """The server's own log."""
        return self.logs / "server.log"

    def prepare(self) -> None:
        """Make the directories, readable by this user only: payloads are in them.

        Raises:
            EmbeddedServerError: The path cannot be used.
        """
        try:
            for folder in (self.root, self.data, self.logs):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                _require_writable(folder)
        except OSError as error:
            raise EmbeddedServerError(
                f"cannot use data directory {self.root}: {error.strerror or error}"
            ) from error

    def try_lock(self, name: str = "server.lock") -> HomeLock | None:
        """Take the lock, or None at once if somebody else has it."""
        descriptor = os.open(self.root / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            return None
        return HomeLock(descriptor)

    def read_record(self) -> ServerRecord | None:
        """Read who ran last; None if nobody did or the file is damaged."""
        try:
            return ServerRecord(**orjson.loads((self.root / "server.json").read_bytes()))
        except (OSError, TypeError, orjson.JSONDecodeError):
            return None

    def write_record(self, record: ServerRecord) -> None:
        """Say who runs now."""
        write_atomically(
            self.root / "server.json", orjson.dumps(asdict(record), option=orjson.OPT_APPEND_NEWLINE)
        )

    def log_tail(self, lines: int = 5) -> str:
        """The last lines of the server's log, for an error message."""
        try:
            return " | ".join(self.log.read_text(errors="replace").splitlines()[-lines:])
        except OSError:
            return "(no log)"


def write_atomically(path: Path, content: bytes) -> None:
    """Replace a file so that a reader sees the old content or the new, never a part."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_bytes(content)
    draft.replace(path)


def _require_writable(folder: Path) -> None:
    """Raise what writing would raise, now instead of in the server's log."""
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(13, "Permission denied", str(folder))
