"""Custom ids: any non-empty string up to 512 bytes, unique in its job.

Uniqueness is checked in bounded memory: digests are kept in a set, and once
there are many, on disk in partitions that each fit in memory.
"""

from __future__ import annotations

from hashlib import blake2b
from tempfile import TemporaryFile
from typing import IO, Final

from batchline_shared.errors import DuplicateCustomIdError, InvalidRequestError

__all__ = ["MAX_BYTES", "UniqueIds"]

MAX_BYTES: Final = 512
"""Longest custom id, in bytes of UTF-8."""

_IN_MEMORY: Final = 200_000
_PARTITIONS: Final = 256
_DIGEST_BYTES: Final = 16
_RECORD_BYTES: Final = _DIGEST_BYTES + 8


class UniqueIds:
    """The custom ids of one job, as they stream in."""

    def __init__(self, in_memory: int = _IN_MEMORY) -> None:
        """Args: in_memory: Ids that are kept in memory before the disk is used."""
        self._in_memory = in_memory
        self._seen: dict[bytes, int] = {}
        self._spilled: list[IO[bytes]] = []

    def add(self, custom_id: str, row: int) -> None:
        """Check one id, and compare it with those that are still in memory.

        Raises:
            InvalidRequestError: It is no string, empty, too long, or no valid text.
            DuplicateCustomIdError: A recent request bears it too.
        """
        digest = blake2b(_encoded(custom_id, row), digest_size=_DIGEST_BYTES).digest()
        first = self._seen.setdefault(digest, row)
        if first != row:
            raise _duplicate(first, row, custom_id)
        if len(self._seen) >= self._in_memory:
            self._spill()

    def finish(self) -> None:
        """Compare all ids, those on disk included.

        Raises:
            DuplicateCustomIdError: Two requests bear the same id.
        """
        if not self._spilled:
            return
        self._spill()
        for partition in self._spilled:
            partition.seek(0)
            seen: dict[bytes, int] = {}
            while record := partition.read(_RECORD_BYTES):
                row = int.from_bytes(record[_DIGEST_BYTES:])
                first = seen.setdefault(record[:_DIGEST_BYTES], row)
                if first != row:
                    raise _duplicate(first, row)

    def close(self) -> None:
        """Give the disk space back."""
        for partition in self._spilled:
            partition.close()

    def _spill(self) -> None:
        if not self._spilled:
            self._spilled = [
                TemporaryFile(prefix="batchline-ids-")  # noqa: SIM115 - closed by close()
                for _ in range(_PARTITIONS)
            ]
        for digest, row in self._seen.items():
            self._spilled[digest[0]].write(digest + row.to_bytes(8))
        self._seen.clear()


def _encoded(custom_id: object, row: int) -> bytes:
    if not isinstance(custom_id, str) or not custom_id:
        raise InvalidRequestError("custom_id must be a non-empty string", row=row)
    try:
        encoded = custom_id.encode()
    except UnicodeEncodeError:
        raise InvalidRequestError("custom_id holds a lone surrogate, which is no text", row=row) from None
    if len(encoded) > MAX_BYTES:
        raise InvalidRequestError(
            f"custom_id has {len(encoded)} bytes; at most {MAX_BYTES} are allowed", row=row
        )
    return encoded


def _duplicate(first: int, second: int, custom_id: str | None = None) -> DuplicateCustomIdError:
    name = f"custom_id {custom_id!r} is" if custom_id is not None else "the same custom_id is"
    return DuplicateCustomIdError(
        f"{name} borne by request {first} and by request {second}; ids must be unique in a job"
    )
