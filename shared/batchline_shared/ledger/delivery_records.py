"""What is told of a job's end, to whom, and how it went: the work records of the stage `notify`."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, Self

import orjson

from batchline_shared.errors import LedgerError
from batchline_shared.ledger.records import as_int, as_text

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Attempted", "DeliveryError", "DeliveryKind", "DeliveryState", "DeliveryWork", "Ending"]

_LOGGED: Final = 20
"""Attempts of a delivery that are remembered, the newest."""


class DeliveryKind(StrEnum):
    """How it is told."""

    TASK = "task"
    """As a Celery task of the application's own, with the job's id."""
    WEBHOOK = "webhook"
    """As a signed HTTP request to an endpoint of the settings."""


class DeliveryState(StrEnum):
    """Where a delivery stands; the last three are final."""

    PENDING = "pending"
    """To be tried, or to be tried again."""
    DELIVERED = "delivered"
    """The broker took the task, or the endpoint answered with 2xx."""
    REFUSED = "refused"
    """The endpoint answered with 410: it wants no more."""
    GIVEN_UP = "given_up"
    """It was tried as often as the settings say."""


class DeliveryError(StrEnum):
    """Why an attempt failed."""

    NOT_CONFIGURED = "not_configured"
    """The worker has no endpoint of that name, or no usable secret for it."""
    UNREACHABLE = "unreachable"
    """There was no connection, or none that TLS trusts, or it broke."""
    TIMEOUT = "timeout"
    """The endpoint did not answer in time."""
    STATUS = "status"
    """The endpoint answered with another status than 2xx; redirects are not followed."""
    BROKER = "broker"
    """The broker did not take the task."""


@dataclass(frozen=True, slots=True)
class Ending:
    """That a job has ended, and who is to be told."""

    task: str
    """`task.name` or `task.name@queue`; empty: none."""
    webhook: str
    """Name of an endpoint; empty: none."""
    status: str
    counts: Mapping[str, int]
    """`total`, `succeeded`, `errored`."""
    round: int
    """The job's round that has ended; one that has been told is no further end."""

    @property
    def event(self) -> bytes:
        """What is told, as it is stored: as it was at this end, whatever a retry does later."""
        return orjson.dumps({"status": self.status, "counts": dict(self.counts)})


@dataclass(frozen=True, slots=True)
class Attempted:
    """One attempt to deliver."""

    at_ms: int
    status_code: int | None
    """The endpoint's answer; None without one."""
    error: str | None
    """A `DeliveryError`; None where it was delivered."""


@dataclass(frozen=True, slots=True)
class DeliveryWork:
    """A delivery's work record, as a lease returns it."""

    id: str
    token: str
    job_id: str
    number: int
    """Which of the job's ends it tells, from 1: a retry ends again."""
    kind: DeliveryKind
    target: str
    state: DeliveryState
    status: str
    """The job's status at that end."""
    counts: dict[str, int]
    ended_ms: int
    tries: int
    next_ms: int
    """When it is tried (again); 0 once it is not."""
    message: str
    """What the last attempt failed of, in words. May be empty."""
    attempts: tuple[Attempted, ...]
    """The newest, in their order."""

    @property
    def message_id(self) -> str:
        """What a receiver knows it by, who may get it twice; a task and a webhook tell of the same end."""
        return f"{self.job_id}-{self.number}"

    def with_attempt(self, attempt: Attempted) -> bytes:
        """The `attempts` field with one more."""
        kept = [*self.attempts, attempt][-_LOGGED:]
        return orjson.dumps([[one.at_ms, one.status_code, one.error] for one in kept])

    @classmethod
    def read(cls, member: str, record: Mapping[bytes, bytes]) -> Self:
        """Read a whole work hash.

        Raises:
            LedgerError: A field is missing or malformed.
        """
        try:
            event: dict[str, Any] = orjson.loads(record[b"event"])
            return cls(
                id=member,
                token=as_text(record, b"token"),
                job_id=record[b"job"].decode(),
                number=int(record[b"number"]),
                kind=DeliveryKind(record[b"kind"].decode()),
                target=record[b"target"].decode(),
                state=DeliveryState(record[b"state"].decode()),
                status=event["status"],
                counts=event["counts"],
                ended_ms=int(record[b"ended_ms"]),
                tries=as_int(record, b"tries"),
                next_ms=as_int(record, b"next_ms"),
                message=as_text(record, b"message"),
                attempts=tuple(Attempted(*one) for one in orjson.loads(record.get(b"attempts", b"[]"))),
            )
        except (KeyError, ValueError, TypeError) as error:
            raise LedgerError(
                f"the record of delivery {member} is malformed: {type(error).__name__}"
            ) from error
