"""What a job's record holds (`keys.meta`), as a typed value.

It is read from a whole hash at once and never written back: changes go
through the scripts, field by field.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Self

import orjson

from batchline_shared.errors import LedgerError
from batchline_shared.ledger.deadlines import Deadline, OnDeadline
from batchline_shared.outcomes import ErrorType
from batchline_shared.pricing.rates import price_list_of
from batchline_shared.pricing.spent import spent_in

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batchline_shared.pricing.spent import Spent

__all__ = ["FINAL", "STAGING", "JobMeta", "JobStatus", "Priority", "as_int", "as_text"]


class JobStatus(StrEnum):
    """Where a job stands. The last four are final."""

    QUEUED = "queued"
    """Enqueued; no worker has planned it yet."""
    SUBMITTING = "submitting"
    """Cut into shards, which are being built and sent."""
    IN_PROGRESS = "in_progress"
    """At least one provider batch runs."""
    CANCELLING = "cancelling"
    """To be cancelled; what runs is being stopped and collected."""
    COMPLETED = "completed"
    """Every request has its outcome, and at least one succeeded."""
    FAILED = "failed"
    """Every request has its outcome, and none succeeded."""
    CANCELLED = "cancelled"
    """Stopped by the user; what was done before is kept."""
    EXPIRED = "expired"
    """The provider's window, or the job's deadline, ended before any request was answered."""

    @property
    def is_final(self) -> bool:
        """Whether the job has ended."""
        return self in FINAL


class Priority(StrEnum):
    """How much of the room that jobs wait for is a job's."""

    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"

    @property
    def weight(self) -> float:
        """Its share beside others: the next higher priority gets 8 times as much."""
        return {Priority.LOW: 1 / 8, Priority.NORMAL: 1.0, Priority.HIGH: 8.0}[self]


FINAL = frozenset({JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED, JobStatus.EXPIRED})
"""The statuses in which a job has ended and every request has its outcome."""

STAGING = "staging"
"""Status of a job whose `enqueue` has not returned; no caller ever sees it."""


def as_int(record: Mapping[bytes, bytes], name: bytes) -> int:
    """A number; 0 where there is none."""
    return int(record.get(name) or 0)


def as_text(record: Mapping[bytes, bytes], name: bytes) -> str:
    """A text; empty where there is none."""
    return record.get(name, b"").decode()


def _time(record: Mapping[bytes, bytes], name: bytes) -> datetime | None:
    value = record.get(name)
    return datetime.fromtimestamp(int(value) / 1000, UTC) if value else None


def _usd(record: Mapping[bytes, bytes], name: bytes) -> Decimal | None:
    value = as_text(record, name)
    return Decimal(value) if value else None


def _price_list(record: Mapping[bytes, bytes]) -> str:
    """As it was enqueued; a job of an earlier version goes by its model's name."""
    found = record.get(b"price_list")
    return price_list_of(as_text(record, b"model")) if found is None else found.decode()


@dataclass(frozen=True, slots=True)
class JobMeta:
    """A job's record (`keys.meta`)."""

    id: str
    status: str
    """A `JobStatus`, or `STAGING`."""
    model: str
    """As the user gave it: `provider/model-name`."""
    provider: str
    endpoint: str
    """The provider's path of one request, such as `/v1/chat/completions`."""
    template: bytes
    """JSON object: the request body without what differs from row to row."""
    structured: bool
    """Whether answers are JSON."""
    given_ids: bool
    """Whether custom ids lie in `keys.identifiers`; else row n is `request-n`."""
    total: int
    """Requests."""
    duplicates: int
    """Those of them that equal an earlier one and are not sent."""
    copied: int
    """Those of the duplicates that have their outcome."""
    """Requests; of an adopted job that runs, as its provider counts them."""
    chunks: int
    named: int
    """Requests of an adopted job whose custom ids are known."""
    succeeded: int
    errored: int
    landed: int
    """Chunks of outcomes that have landed."""
    attempt: int
    """The attempt that is under way, from 1; all requests that are tried again are so together."""
    max_attempts: int
    """How often a request is sent at most, in each round."""
    last_attempt: int
    """The attempt whose failures are final."""
    retry_on: frozenset[str]
    """Error types that are tried again."""
    backoff_s: float
    """Seconds before the second attempt; twice as long before each further one."""
    priority: Priority
    linger_s: float
    """Seconds for which its requests may wait for others to share a batch with; 0: they have their own."""
    reask: int
    """How often answers of a request that do not fit are sent back at most; 0: never."""
    answer_schema: bytes
    """JSON schema that answers must fit, or be sent back; empty: only the reader can tell."""
    failed_attempt: int
    """The last attempt that had failures of the provider's which are tried again; 0: none yet."""
    logged: int
    """Chunks of failures that were tried again."""
    input_tokens: int
    output_tokens: int
    spent: Spent
    """The same tokens as they are priced: by kind, and long requests apart."""
    price_list: str
    """Whose prices hold for it; empty where nobody knows."""
    max_cost_usd: Decimal | None
    """What it may cost; None: whatever it does."""
    round: int
    """0, and 1 more for every `retry_failed`."""
    retrying: bool
    """Whether a `retry_failed` is taking outcomes back just now."""
    retention_s: int | None
    """Seconds for which it is kept once it has ended, 0 for ever; None: as the workers' settings say."""
    idempotency: str
    """SHA-256 of its idempotency key; empty where it has none."""
    deadline: Deadline | None
    """None: it has none."""
    on_complete: str
    """The Celery task that is sent once it has ended, `task.name` or `task.name@queue`; empty: none."""
    webhook: str
    """The endpoint that is told then, by its name in the settings; empty: none."""
    adopted: str
    """The provider's id of the batch that it took over; empty where it makes its batches itself."""
    message: str
    """Why the job failed as a whole, or what keeps it waiting. May be empty."""
    metadata: dict[str, Any]
    errors: dict[str, int]
    """Error type → number of requests."""
    created_at: datetime
    submitted_at: datetime | None
    finished_at: datetime | None

    @classmethod
    def read(cls, job_id: str, record: Mapping[bytes, bytes]) -> Self:
        """Read a whole `meta` hash.

        Raises:
            LedgerError: A field is missing or malformed.
        """
        try:
            return cls(
                id=job_id,
                status=as_text(record, b"status"),
                model=as_text(record, b"model"),
                provider=as_text(record, b"provider"),
                endpoint=as_text(record, b"endpoint"),
                template=record.get(b"template", b"{}"),
                structured=record.get(b"structured") == b"1",
                given_ids=record.get(b"given_ids") == b"1",
                total=as_int(record, b"total"),
                duplicates=as_int(record, b"duplicates"),
                copied=as_int(record, b"copied"),
                chunks=as_int(record, b"chunks"),
                named=as_int(record, b"named"),
                succeeded=as_int(record, b"succeeded"),
                errored=as_int(record, b"errored"),
                landed=as_int(record, b"landed"),
                attempt=as_int(record, b"attempt"),
                max_attempts=as_int(record, b"max_attempts"),
                last_attempt=as_int(record, b"last_attempt"),
                retry_on=frozenset(as_text(record, b"retry_on").split()),
                backoff_s=float(as_text(record, b"backoff_s") or 0),
                priority=Priority(as_text(record, b"priority") or Priority.NORMAL),
                linger_s=float(as_text(record, b"linger_s") or 0),
                reask=as_int(record, b"reask"),
                answer_schema=record.get(b"answer_schema", b""),
                failed_attempt=as_int(record, b"failed_attempt"),
                logged=as_int(record, b"logged"),
                input_tokens=as_int(record, b"input_tokens"),
                output_tokens=as_int(record, b"output_tokens"),
                spent=spent_in(record),
                price_list=_price_list(record),
                max_cost_usd=_usd(record, b"max_cost_usd"),
                round=as_int(record, b"round"),
                retrying=record.get(b"retrying") == b"1",
                retention_s=as_int(record, b"retention_s") if b"retention_s" in record else None,
                idempotency=as_text(record, b"idem"),
                deadline=Deadline.read(record),
                on_complete=as_text(record, b"on_complete"),
                webhook=as_text(record, b"webhook"),
                adopted=as_text(record, b"adopted"),
                message=as_text(record, b"message"),
                metadata=orjson.loads(record.get(b"metadata", b"{}")),
                errors={str(kind): n for kind in ErrorType if (n := as_int(record, b"err." + kind.encode()))},
                created_at=datetime.fromtimestamp(int(record[b"created_ms"]) / 1000, UTC),
                submitted_at=_time(record, b"submitted_ms"),
                finished_at=_time(record, b"finished_ms"),
            )
        except (KeyError, ValueError, UnicodeDecodeError, InvalidOperation) as error:
            raise LedgerError(f"the record of job {job_id} is malformed: {type(error).__name__}") from error

    @property
    def is_final(self) -> bool:
        """Whether the job has ended and every request has its outcome."""
        return self.status in FINAL

    @property
    def overdue(self) -> bool:
        """Whether its deadline has ended its batches; not, once a user cancels what is left."""
        return self.deadline is not None and self.deadline.passed and self.status != JobStatus.CANCELLING

    @property
    def goes_live(self) -> bool:
        """Whether what was not run is to be asked through the live API."""
        return self.overdue and self.deadline is not None and self.deadline.action is OnDeadline.LIVE

    def default_id(self, row: int) -> str:
        """The custom id of a row whose user gave none."""
        return f"request-{row}"
