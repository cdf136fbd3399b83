"""What the ledger's hashes hold, as typed values.

Each record is read from a whole hash at once and never written back: changes
go through the scripts, field by field.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Self

import orjson

from batchline_shared.errors import LedgerError
from batchline_shared.outcomes import ErrorType

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["FINAL", "JobMeta", "JobStatus", "JobWork", "Segment", "ShardState", "ShardWork", "Stage"]


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
    """The provider's window ended before any request was answered."""

    @property
    def is_final(self) -> bool:
        """Whether the job has ended."""
        return self in FINAL


FINAL = frozenset({JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED, JobStatus.EXPIRED})
"""The statuses in which a job has ended and every request has its outcome."""

STAGING = "staging"
"""Status of a job whose `enqueue` has not returned; no caller ever sees it."""


class Stage(StrEnum):
    """What a worker does with due work; each has its own due sets, task and queue."""

    PLAN = "plan"
    SUBMIT = "submit"
    POLL = "poll"
    COLLECT = "collect"
    SETTLE = "settle"


class ShardState(StrEnum):
    """Where a shard stands. `docs/state_machine.md` draws the moves."""

    PENDING = "pending"
    """To be built and uploaded."""
    UPLOADED = "uploaded"
    """Its input file is at the provider; no batch has been asked for."""
    SUBMITTING = "submitting"
    """A batch has, or may have, been asked for: never ask again without looking first."""
    SUBMITTED = "submitted"
    """Its batch is known and followed."""
    COLLECTING = "collecting"
    """Its batch has ended; outcomes are being landed."""
    IN_DOUBT = "in_doubt"
    """It cannot be told whether a batch exists; a person decides."""
    DONE = "done"
    """Each of its rows has its outcome."""


def _int(record: Mapping[bytes, bytes], name: bytes) -> int:
    return int(record.get(name) or 0)


def _text(record: Mapping[bytes, bytes], name: bytes) -> str:
    return record.get(name, b"").decode()


def _time(record: Mapping[bytes, bytes], name: bytes) -> datetime | None:
    value = record.get(name)
    return datetime.fromtimestamp(int(value) / 1000, UTC) if value else None


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
    chunks: int
    succeeded: int
    errored: int
    landed: int
    """Chunks of outcomes that have landed."""
    input_tokens: int
    output_tokens: int
    round: int
    """0, and 1 more for every `retry_failed`."""
    retrying: bool
    """Whether a `retry_failed` is taking outcomes back just now."""
    idempotency: str
    """SHA-256 of its idempotency key; empty where it has none."""
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
                status=_text(record, b"status"),
                model=_text(record, b"model"),
                provider=_text(record, b"provider"),
                endpoint=_text(record, b"endpoint"),
                template=record.get(b"template", b"{}"),
                structured=record.get(b"structured") == b"1",
                given_ids=record.get(b"given_ids") == b"1",
                total=_int(record, b"total"),
                chunks=_int(record, b"chunks"),
                succeeded=_int(record, b"succeeded"),
                errored=_int(record, b"errored"),
                landed=_int(record, b"landed"),
                input_tokens=_int(record, b"input_tokens"),
                output_tokens=_int(record, b"output_tokens"),
                round=_int(record, b"round"),
                retrying=record.get(b"retrying") == b"1",
                idempotency=_text(record, b"idem"),
                message=_text(record, b"message"),
                metadata=orjson.loads(record.get(b"metadata", b"{}")),
                errors={str(kind): n for kind in ErrorType if (n := _int(record, b"err." + kind.encode()))},
                created_at=datetime.fromtimestamp(int(record[b"created_ms"]) / 1000, UTC),
                submitted_at=_time(record, b"submitted_ms"),
                finished_at=_time(record, b"finished_ms"),
            )
        except (KeyError, ValueError, UnicodeDecodeError) as error:
            raise LedgerError(f"the record of job {job_id} is malformed: {type(error).__name__}") from error

    @property
    def is_final(self) -> bool:
        """Whether the job has ended and every request has its outcome."""
        return self.status in FINAL

    def default_id(self, row: int) -> str:
        """The custom id of a row whose user gave none."""
        return f"request-{row}"


@dataclass(frozen=True, slots=True)
class JobWork:
    """A job's work record, as a lease returns it."""

    id: str
    token: str
    state: str
    cursor: str
    """`chunk,row`: where planning goes on."""
    next_shard: int
    sparse: bool
    """Plan only rows without an outcome: a retry."""
    cancel: bool
    open: int
    """Shards that have not ended."""
    waited: int
    """How often planning has waited for a retry that does not end."""

    @classmethod
    def read(cls, member: str, record: Mapping[bytes, bytes]) -> Self:
        """Read a whole work hash."""
        return cls(
            id=member,
            token=_text(record, b"token"),
            state=_text(record, b"state"),
            cursor=_text(record, b"cursor") or "0,0",
            next_shard=_int(record, b"next_shard"),
            sparse=record.get(b"sparse") == b"1",
            cancel=record.get(b"cancel") == b"1",
            open=_int(record, b"open"),
            waited=_int(record, b"waited"),
        )


@dataclass(frozen=True, slots=True)
class Segment:
    """Which rows of a job a shard holds, in order: the shard's manifest."""

    first_row: int
    rows: int
    chunk_from: int
    chunk_to: int
    """One past the last chunk."""
    picked: tuple[int, ...] = ()
    """The rows, where they are not simply `first_row …`: a retry's."""

    def row(self, position: int) -> int:
        """The job's row at a position of the shard, which is what its line bears on the wire."""
        return self.picked[position] if self.picked else self.first_row + position

    def encode(self) -> bytes:
        """As it is stored."""
        return orjson.dumps([self.first_row, self.rows, self.chunk_from, self.chunk_to, self.picked])

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Read what `encode` wrote."""
        first_row, rows, chunk_from, chunk_to, picked = orjson.loads(data)
        return cls(first_row, rows, chunk_from, chunk_to, tuple(picked))


@dataclass(frozen=True, slots=True)
class ShardWork:
    """A shard's work record, as a lease returns it."""

    id: str
    token: str
    state: str
    job_id: str
    provider: str
    segment: Segment
    cancel: bool
    cancel_sent: bool
    file_id: str
    batch_id: str
    dead_batches: tuple[str, ...]
    """Batches of it that the provider refused unread; a look-up must not take one for the running one."""
    provider_status: str
    completed: int
    failed: int
    attempts: int
    """Creations of unknown outcome, plus refusals: what bounds trying again."""
    idle_polls: int
    """Polls since the batch last changed."""
    absent: int
    """Look-ups since the intent that did not find a batch."""
    intent_ms: int
    """When the last creation was announced; 0 before the first."""
    refused_ms: int
    """When the provider first refused to take the shard; 0 if it has not."""
    created_ms: int
    message: str

    @classmethod
    def read(cls, member: str, record: Mapping[bytes, bytes]) -> Self:
        """Read a whole work hash.

        Raises:
            LedgerError: A field is missing or malformed.
        """
        try:
            return cls(
                id=member,
                token=_text(record, b"token"),
                state=_text(record, b"state"),
                job_id=record[b"job"].decode(),
                provider=_text(record, b"provider"),
                segment=Segment.decode(record[b"segment"]),
                cancel=record.get(b"cancel") == b"1",
                cancel_sent=record.get(b"cancel_sent") == b"1",
                file_id=_text(record, b"file_id"),
                batch_id=_text(record, b"batch_id"),
                dead_batches=tuple(_text(record, b"dead_batches").split()),
                provider_status=_text(record, b"provider_status"),
                completed=_int(record, b"completed"),
                failed=_int(record, b"failed"),
                attempts=_int(record, b"attempts"),
                idle_polls=_int(record, b"idle_polls"),
                absent=_int(record, b"absent"),
                intent_ms=_int(record, b"intent_ms"),
                refused_ms=_int(record, b"refused_ms"),
                created_ms=_int(record, b"created_ms"),
                message=_text(record, b"message"),
            )
        except (KeyError, ValueError, UnicodeDecodeError) as error:
            raise LedgerError(f"the record of shard {member} is malformed: {type(error).__name__}") from error
