"""A job's deadline as its record holds it, and the timer that a worker leases when it is reached."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Self

from batchline_shared.errors import LedgerError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Deadline", "JobTimer", "OnDeadline", "timer_of"]


def timer_of(job_id: str) -> str:
    """The member of a due set, and of the work records, that stands for a job's deadline."""
    return f"{job_id}~deadline"


class OnDeadline(StrEnum):
    """What becomes of the requests that were not run when a job's deadline passes."""

    CANCEL = "cancel"
    """They end as `expired`."""
    LIVE = "live"
    """They are asked one by one through the provider's live API, at its full price."""


@dataclass(frozen=True, slots=True)
class Deadline:
    """Until when a job's requests may be run in batches, by Redis' clock."""

    at: datetime
    action: OnDeadline
    passed: bool
    """Whether a worker has seen it pass, while the job had neither ended nor been cancelled."""

    @classmethod
    def read(cls, record: Mapping[bytes, bytes]) -> Self | None:
        """Read it out of a whole `meta` hash; None where the job has none.

        Raises:
            ValueError: A field is malformed.
        """
        at_ms = record.get(b"deadline_ms")
        if not at_ms:
            return None
        return cls(
            at=datetime.fromtimestamp(int(at_ms) / 1000, UTC),
            action=OnDeadline(record.get(b"on_deadline", b"cancel").decode()),
            passed=record.get(b"overdue") == b"1",
        )

    def __str__(self) -> str:
        """The moment, for people."""
        return f"{self.at:%Y-%m-%d %H:%M:%S} UTC"

    @property
    def at_ms(self) -> int:
        """The same in milliseconds since 1970, as the ledger counts."""
        return round(self.at.timestamp() * 1000)


@dataclass(frozen=True, slots=True)
class JobTimer:
    """A timer's record, as a lease returns it."""

    id: str
    token: str
    job_id: str

    @classmethod
    def read(cls, member: str, record: Mapping[bytes, bytes]) -> Self:
        """Read a whole work hash.

        Raises:
            LedgerError: A field is missing.
        """
        try:
            return cls(id=member, token=record[b"token"].decode(), job_id=record[b"job"].decode())
        except KeyError as error:
            raise LedgerError(f"the record of timer {member} is malformed: no {error}") from error
