"""What the audit of a provider account keeps: its work record, how it went, and what it found."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final, Self

from batchline_shared.errors import LedgerError
from batchline_shared.ledger.records import as_int, as_text

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["AuditRun", "AuditWork", "Finding", "Verdict", "audit_of"]

_COUNTS: Final = ("batches", "paired", "others", "findings")


def audit_of(route: str) -> str:
    """The member of a due set, and of the work records, that stands for an account's audit."""
    return f"audit~{route}"


class Verdict(StrEnum):
    """What is wrong with a batch."""

    SECOND = "second"
    """Its shard has another batch, or has ended without one: it is paid for and not wanted."""
    LOST = "lost"
    """Its shard did not know of it."""
    ORPHAN = "orphan"
    """It is of this ledger, and its shard is gone."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What an audit found, and what was done about it."""

    route: str
    batch_id: str
    shard: str
    verdict: Verdict
    done: str
    """For a person: `cancelled`, `adopted`, or why nothing was done."""

    @property
    def name(self) -> str:
        """Whose finding it is: a batch has one."""
        return f"{self.route} {self.batch_id}"


@dataclass(frozen=True, slots=True)
class AuditRun:
    """How the last audit of an account went."""

    batches: int = 0
    """Batches that the provider listed."""
    paired: int = 0
    """Those that are known to be a shard's."""
    others: int = 0
    """Those that are none of this ledger's, or bear no mark by which that could be told."""
    findings: int = 0
    error: str = ""
    """Why it came to no end; empty where it did."""


@dataclass(frozen=True, slots=True)
class AuditWork:
    """An account's audit, as a lease returns it."""

    id: str
    token: str
    job_id: str
    """Whose partition it lies in: the account's own."""
    ended_ms: int
    """When the last one ended; 0: there was none."""
    run: AuditRun
    crashes: int
    """Leases in a row that ran out, as of a shard."""

    @property
    def route(self) -> str:
        """Provider and account."""
        return self.job_id

    @classmethod
    def read(cls, member: str, record: Mapping[bytes, bytes]) -> Self:
        """Read a whole work hash.

        Raises:
            LedgerError: A field is missing or malformed.
        """
        try:
            route = record[b"job"].decode()
            if member != audit_of(route):
                raise LedgerError(f"the record of audit {member} is malformed: another account")
            counts = {
                name: as_int(record, name.encode()) for name in ("batches", "paired", "others", "findings")
            }
            run = AuditRun(**counts, error=as_text(record, b"error"))
            return cls(
                member,
                as_text(record, b"token"),
                route,
                as_int(record, b"ended_ms"),
                run,
                as_int(record, b"crashes"),
            )
        except (KeyError, ValueError) as error:
            raise LedgerError(f"the record of audit {member} is malformed: {type(error).__name__}") from error
