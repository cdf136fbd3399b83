"""What the work records hold (`keys.work`), as typed values: a lease returns them.

Like a job's record, each is read whole and never written back.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple, Self

import orjson

from batchline_shared.errors import LedgerError
from batchline_shared.ledger.records import as_int, as_text
from batchline_shared.ledger.ride_records import Carriage, Ride
from batchline_shared.ledger.runs import rows_of, runs_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["JobWork", "Manifest", "Segment", "ShardState", "ShardWork", "Stage", "job_of", "shard_id"]

_JOB = "job_"

_POOL = "pool-"

_SUSPECT_FROM = 2
"""Crashes in a row from which on something is handled with no other such work anywhere: one may be chance."""

_JOB_STATES = {name.encode(): name for name in ("plan", "wait", "settle", "closed")}
"""Those of a job's work; see `docs/state_machine.md`."""


def shard_id(job_id: str, number: int | str) -> str:
    """The id of a job's shard or a pool's carrier: at most 40 of `[a-z0-9-]`; no number: how all begin."""
    return f"{job_id.removeprefix(_JOB)}-{number}".replace("_", "-")


def job_of(shard: str) -> str:
    """The job that a shard's id belongs to; of a carrier, the pool."""
    owner = shard.rpartition("-")[0]
    return owner.replace("-", "_") if shard.startswith(_POOL) else _JOB + owner


class Stage(StrEnum):
    """What a worker does with due work; each has its own due sets, task and queue."""

    PLAN = "plan"
    SUBMIT = "submit"
    POLL = "poll"
    COLLECT = "collect"
    SETTLE = "settle"
    CLEAN = "clean"
    DEADLINE = "deadline"
    LIVE = "live"
    NOTIFY = "notify"
    AUDIT = "audit"


class ShardState(StrEnum):
    """Where a shard stands. `docs/state_machine.md` draws the moves."""

    POOLED = "pooled"
    """A rider: waits for company in its pool, or rides in the batch of a carrier."""
    GATHERING = "gathering"
    """A carrier that riders may still join."""
    PENDING = "pending"
    """To be built and uploaded; a rider: to join its pool."""
    UPLOADED = "uploaded"
    """Its input file is at the provider; no batch has been asked for."""
    SUBMITTING = "submitting"
    """A batch has, or may have, been asked for: never ask again without looking first."""
    SUBMITTED = "submitted"
    """Its batch is known and followed."""
    COLLECTING = "collecting"
    """Its batch has ended; outcomes are being landed."""
    LIVE = "live"
    """Its rows are asked one by one through the live API: its job's deadline has passed."""
    IN_DOUBT = "in_doubt"
    """It cannot be told whether a batch exists; a person decides."""
    DONE = "done"
    """Each of its rows has its outcome."""


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
    crashes: int
    """Leases in a row that ran out, as of a shard."""

    @property
    def is_suspect(self) -> bool:
        """Whether it may be what kills its workers."""
        return self.crashes >= _SUSPECT_FROM

    @classmethod
    def read(cls, member: str, record: Mapping[bytes, bytes]) -> Self:
        """Read a whole work hash.

        Raises:
            LedgerError: A field is missing or malformed.
        """
        try:
            return cls(
                id=member,
                token=as_text(record, b"token"),
                state=_JOB_STATES[record[b"state"]],
                cursor=as_text(record, b"cursor") or "0,0",
                next_shard=as_int(record, b"next_shard"),
                sparse=record.get(b"sparse") == b"1",
                cancel=record.get(b"cancel") == b"1",
                open=as_int(record, b"open"),
                waited=as_int(record, b"waited"),
                crashes=as_int(record, b"crashes"),
            )
        except (KeyError, ValueError) as error:
            raise LedgerError(
                f"the work record of job {member} is malformed: {type(error).__name__}"
            ) from error


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

    @classmethod
    def of(cls, rows: Sequence[int], chunk_from: int, chunk_to: int) -> Self:
        """A segment of these rows, in ascending order and at least one, of these chunks."""
        first, count = rows[0], len(rows)
        dense = rows[-1] - first + 1 == count
        return cls(first, count, chunk_from, chunk_to, () if dense else tuple(rows))

    def encode(self) -> bytes:
        """As it is stored; picked rows as runs, `[first, length, first, length, …]`."""
        return orjson.dumps([self.first_row, self.rows, self.chunk_from, self.chunk_to, runs_of(self.picked)])

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Read what `encode` wrote."""
        first_row, rows, chunk_from, chunk_to, runs = orjson.loads(data)
        return cls(first_row, rows, chunk_from, chunk_to, rows_of(runs))


class Manifest(NamedTuple):
    """What a shard holds, and how much that is."""

    segment: Segment
    inputs: int
    """What its rows count of a batch's requests: each text of an embedding is one."""
    tokens: int
    """Input tokens as estimated (`tokens.estimate_tokens`)."""

    def fields(self) -> dict[str, bytes | int]:
        """As fields of a shard's record."""
        return {"segment": self.segment.encode(), "inputs": self.inputs, "tokens": self.tokens}


def _owner(shard: str, record: Mapping[bytes, bytes]) -> str:
    """The job or pool that a shard's record names, which its id has to agree with: keys are made of it."""
    owner = record[b"job"].decode()
    if owner != job_of(shard):
        msg = "another owner"
        raise ValueError(msg)
    return owner


@dataclass(frozen=True, slots=True)
class ShardWork:
    """A shard's work record, as a lease returns it."""

    id: str
    token: str
    state: str
    job_id: str
    """Whose rows it holds; of a carrier, its pool."""
    route: str
    """Provider and account: `openai` or `openai@groq`."""
    segment: Segment
    inputs: int
    """What its rows count of a batch's requests."""
    tokens: int
    """Input tokens of all its rows, as estimated; 0: nobody has estimated them."""
    adopted: bool
    """Its batch was made by somebody else: it is never created again, nor deleted."""
    cancel: bool
    cancel_sent: bool
    attempt: int
    """The attempt of its job that it belongs to, from 1."""
    cuts: int
    """How often it was sent again without rows that its provider had blamed for the refusal of all."""
    file_id: str
    left_files: tuple[str, ...]
    """Inputs that it had before, which may still be at the provider."""
    batch_id: str
    unconfirmed: bool
    """Its batch was found by time and size alone: only the results' ids can prove that it is ours."""
    dead_batches: tuple[str, ...]
    """Batches that are not its own after all: refused unread, or another's; a look-up must not take one."""
    provider_status: str
    completed: int
    failed: int
    attempts: int
    """Creations and refusals since a batch was last accepted: what the next wait grows with."""
    vanished: int
    """Creations since then that proved to have made no batch: what bounds trying again."""
    uploads: int
    """Uploads that the provider took and then could not find."""
    no_room: int
    """Times that the provider had no room for it although we had."""
    idle_polls: int
    """Polls since the batch last changed, or failures in a row: what the next interval grows with."""
    unseen: int
    """Times in a row that the provider did not show what it has: the batch, or the lines that it counts."""
    gone: int
    """Times in a row that the provider said that the results are not there, or not whole."""
    absent: int
    """Look-ups since the intent that did not find a batch."""
    blind_ms: int
    """When look-ups since the intent began to fail; 0 while they do not."""
    intent_ms: int
    """When the last creation was announced; 0 before the first."""
    refused_ms: int
    """When the provider first refused to take the shard; 0 if it has not."""
    created_ms: int
    message: str
    decision: str
    """What was decided of it and is to be carried out (`decisions`); mostly empty."""
    crashes: int
    """Leases in a row that ran out: whoever held them died over it, or never came to an end."""
    quarantine: str
    """Why it is set aside (`set_aside`); empty where it is not."""
    ride: Ride | None = None
    """Where it rides, if it shares another's batch: a rider."""
    carriage: Carriage | None = None
    """What its riders agree in, if it is a carrier; `job_id` is its pool then, and `segment` counts rows."""

    @property
    def is_suspect(self) -> bool:
        """Whether it may be what kills its workers."""
        return self.crashes >= _SUSPECT_FROM

    @property
    def requests(self) -> int:
        """Lines of its batch."""
        return self.segment.rows - (len(self.carriage.left_out) if self.carriage is not None else 0)

    @property
    def wire_name(self) -> str:
        """What its batches and lines bear at the provider.

        Cut, it is another one there: the same position is another row.
        """
        if self.ride is not None and self.ride.wire_name:
            return self.ride.wire_name
        return f"{self.id}-c{self.cuts}" if self.cuts else self.id

    @classmethod
    def read(cls, member: str, record: Mapping[bytes, bytes]) -> Self:
        """Read a whole work hash.

        Raises:
            LedgerError: A field is missing or malformed.
        """
        try:
            return cls(
                id=member,
                token=as_text(record, b"token"),
                state=ShardState(as_text(record, b"state")),
                job_id=_owner(member, record),
                route=as_text(record, b"route"),
                segment=Segment.decode(record[b"segment"]),
                inputs=as_int(record, b"inputs"),
                tokens=as_int(record, b"tokens"),
                adopted=record.get(b"adopted") == b"1",
                cancel=record.get(b"cancel") == b"1",
                cancel_sent=record.get(b"cancel_sent") == b"1",
                attempt=as_int(record, b"attempt"),
                cuts=as_int(record, b"cuts"),
                file_id=as_text(record, b"file_id"),
                left_files=tuple(as_text(record, b"left_files").split()),
                batch_id=as_text(record, b"batch_id"),
                unconfirmed=record.get(b"unconfirmed") == b"1",
                dead_batches=tuple(as_text(record, b"dead_batches").split()),
                provider_status=as_text(record, b"provider_status"),
                completed=as_int(record, b"completed"),
                failed=as_int(record, b"failed"),
                attempts=as_int(record, b"attempts"),
                vanished=as_int(record, b"vanished"),
                uploads=as_int(record, b"uploads"),
                no_room=as_int(record, b"no_room"),
                idle_polls=as_int(record, b"idle_polls"),
                unseen=as_int(record, b"unseen"),
                gone=as_int(record, b"gone"),
                absent=as_int(record, b"absent"),
                blind_ms=as_int(record, b"blind_ms"),
                intent_ms=as_int(record, b"intent_ms"),
                refused_ms=as_int(record, b"refused_ms"),
                created_ms=as_int(record, b"created_ms"),
                message=as_text(record, b"message"),
                decision=as_text(record, b"decision"),
                crashes=as_int(record, b"crashes"),
                quarantine=as_text(record, b"quarantine"),
                ride=Ride.read(record),
                carriage=Carriage.read(record),
            )
        except (KeyError, ValueError, TypeError) as error:
            raise LedgerError(f"the record of shard {member} is malformed: {type(error).__name__}") from error
