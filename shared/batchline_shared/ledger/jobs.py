"""One job's record, payload and outcomes.

`enqueue` writes it in three steps: `begin` (a record that goes by itself),
chunks, `commit`. From `commit` on it survives any crash. Outcomes land through
`land`, which gives every row exactly one, whoever calls it how often.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from batchline_shared.errors import JobNotFoundError, LedgerError, QueueUnavailableError
from batchline_shared.ledger import keys
from batchline_shared.ledger.chunks import pack, pack_json, unpack, unpack_json
from batchline_shared.ledger.durability import Durability
from batchline_shared.ledger.records import STAGING, JobMeta, JobStatus
from batchline_shared.ledger.scripts import Scripts

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from redis import Redis

__all__ = ["ChunkInfo", "InputChunk", "JobStore", "Landing"]

_STAGING_S = 24 * 3600
"""How long the parts of an enqueue that never ended are kept."""

_READ_AHEAD = 4
"""Chunks fetched in one round trip: hides the latency, bounds the memory."""


class ChunkInfo(NamedTuple):
    """What planning needs to know of a chunk."""

    first_row: int
    rows: int
    bytes: int
    """Bytes of its rows, unpacked, without newlines."""
    max_row_bytes: int


class InputChunk(NamedTuple):
    """One chunk of requests as `enqueue` writes it."""

    number: int
    info: ChunkInfo
    rows: list[bytes]
    custom_ids: list[str] | None
    """None where the ids are the default ones."""


class Landing(NamedTuple):
    """Outcome rows to be landed together, and what they add to the job's counts."""

    rows: list[int]
    lines: list[bytes]
    """One JSON object for each row (`outcome_rows`)."""
    counts: list[dict[str, int]]
    """For each row, what it adds: `succeeded`, `errored`, `err.<type>`, `input_tokens`, `output_tokens`."""


class JobStore:
    """Records, payload and outcomes of jobs (`keys.meta` and the other keys with a job's tag)."""

    def __init__(self, client: Redis, *, durable: bool = True) -> None:
        # redis-py types every reply as str or bytes, whatever the client decodes; ours are bytes.
        self._client: Any = client
        self._scripts = Scripts(client)
        self._durability = Durability(client, enabled=durable)

    # --- writing a job -----------------------------------------------------------------------

    def begin(self, job_id: str, fields: Mapping[str, str | int | bytes]) -> bool:
        """Open a record that expires by itself; False when the id is taken. Lists the job first."""
        now = self._scripts.begin_job(
            keys=[keys.meta(job_id)],
            args=[_STAGING_S * 1000, *(part for item in fields.items() for part in item)],
        )
        if now:
            self._client.zadd(keys.ALL_JOBS, {job_id: now})
        return bool(now)

    def write_chunks(self, job_id: str, chunks: Sequence[InputChunk]) -> None:
        """Write chunks of requests; writing one again changes nothing."""
        with self._client.pipeline(transaction=False) as pipe:
            for chunk in chunks:
                pipe.hset(keys.input_chunks(job_id), str(chunk.number), pack(chunk.rows))
                pipe.hset(keys.index(job_id), str(chunk.number), ",".join(map(str, chunk.info)))
                if chunk.custom_ids is not None:
                    pipe.hset(keys.identifiers(job_id), str(chunk.number), pack_json(chunk.custom_ids))
            # Tells others that this enqueue is alive; see `staged`.
            pipe.hincrby(keys.meta(job_id), "staged", len(chunks))
            for key in keys.job_keys(job_id):
                pipe.expire(key, _STAGING_S)
            pipe.execute()

    def staged(self, job_id: str) -> int | None:
        """Chunks written so far by an enqueue that is under way; None when none is."""
        status, written = self._client.hmget(keys.meta(job_id), "status", "staged")
        return int(written or 0) if status == STAGING.encode() else None

    def commit(self, job_id: str, fields: Mapping[str, str | int | bytes]) -> None:
        """Make the job real; when this returns, it survives any crash.

        Raises:
            QueueUnavailableError: The record is gone (Redis was wiped), or the disk did not confirm it.
        """
        done = self._durability.write(
            lambda pipe: self._scripts.commit_job(
                keys=keys.job_keys(job_id),
                args=[part for item in fields.items() for part in item],
                client=pipe,
            )
        )
        if done < 0:
            raise QueueUnavailableError(
                "the job's record vanished while it was being enqueued (was Redis wiped?); enqueue it again"
            )

    def abandon(self, job_id: str) -> bool:
        """Forget a job whose enqueue failed; False when it has been committed, and is kept."""
        gone = bool(self._scripts.abandon_job(keys=keys.job_keys(job_id), args=[]))
        if gone:
            self._client.zrem(keys.ALL_JOBS, job_id)
        return gone

    def claim(self, digest: str, job_id: str, *, instead_of: str | None = None) -> str:
        """Let an idempotency key stand for a job, unless it stands for another one already.

        Args:
            digest: SHA-256 of the key, in hex.
            job_id: The job to stand for.
            instead_of: A job whose enqueue is known to be dead, which may be replaced.

        Returns:
            The id that the key stands for now.
        """
        held = self._scripts.claim(keys=[keys.idempotency(digest)], args=[job_id, instead_of or ""])
        return str(held.decode())

    def unclaim(self, digest: str, job_id: str) -> None:
        """Free an idempotency key, if it still stands for this job."""
        self._scripts.unclaim(keys=[keys.idempotency(digest)], args=[job_id])

    # --- reading a job -----------------------------------------------------------------------

    def find(self, job_id: str) -> JobMeta | None:
        """The job's record, also while its enqueue is under way; None when there is none."""
        record = self._client.hgetall(keys.meta(job_id))
        return JobMeta.read(job_id, record) if record else None

    def meta(self, job_id: str) -> JobMeta:
        """The job's record.

        Raises:
            JobNotFoundError: There is none, or its enqueue has not ended.
        """
        found = self.find(job_id)
        if found is None or found.status == STAGING:
            raise JobNotFoundError(job_id)
        return found

    def recent(self) -> Iterator[JobMeta]:
        """Every job, newest first; ids whose record is gone are dropped from the list."""
        page = 100
        start = 0
        while names := self._client.zrevrange(keys.ALL_JOBS, start, start + page - 1):
            with self._client.pipeline(transaction=False) as pipe:
                for name in names:
                    pipe.hgetall(keys.meta(name.decode()))
                records = pipe.execute()
            gone = [name for name, record in zip(names, records, strict=True) if not record]
            for name, record in zip(names, records, strict=True):
                if record and record.get(b"status") != STAGING.encode():
                    yield JobMeta.read(name.decode(), record)
            if gone:
                self._client.zrem(keys.ALL_JOBS, *gone)
            start += len(names) - len(gone)

    def infos(self, job_id: str, start: int, stop: int) -> list[ChunkInfo]:
        """What planning needs of the chunks `start … stop - 1`."""
        if stop <= start:
            return []
        found = self._client.hmget(keys.index(job_id), [str(n) for n in range(start, stop)])
        return [ChunkInfo(*map(int, entry.split(b","))) for entry in _present(job_id, found)]

    def rows(self, job_id: str, chunks: Sequence[int]) -> Iterator[list[bytes]]:
        """The request rows of these chunks, chunk by chunk, in bounded memory."""
        yield from map(unpack, self._stream(job_id, keys.input_chunks(job_id), chunks))

    def custom_ids(self, job_id: str, chunks: Sequence[int]) -> Iterator[list[str]]:
        """The custom ids of these chunks' rows, chunk by chunk."""
        yield from map(unpack_json, self._stream(job_id, keys.identifiers(job_id), chunks))

    def outcome_rows(self, job_id: str, start: int, stop: int) -> Iterator[list[bytes]]:
        """The outcome rows of the landings `start … stop - 1`, landing by landing."""
        yield from map(unpack, self._stream(job_id, keys.outcomes(job_id), range(start, stop)))

    def _stream(self, job_id: str, key: str, chunks: Sequence[int]) -> Iterator[bytes]:
        for at in range(0, len(chunks), _READ_AHEAD):
            names = [str(n) for n in chunks[at : at + _READ_AHEAD]]
            yield from _present(job_id, self._client.hmget(key, names))

    def open_rows(self, job_id: str, first_row: int, rows: int) -> list[int]:
        """Those of `rows` rows from `first_row` on that have no outcome yet."""
        low, high = first_row // 8, (first_row + rows - 1) // 8
        bits = self._client.getrange(keys.done(job_id), low, high).ljust(high - low + 1, b"\0")
        return [
            row
            for row in range(first_row, first_row + rows)
            if not bits[row // 8 - low] & (0x80 >> (row % 8))
        ]

    def done_count(self, job_id: str) -> int:
        """How many rows have their outcome."""
        return int(self._client.bitcount(keys.done(job_id)))

    # --- outcomes and status -----------------------------------------------------------------

    def land(self, job_id: str, landing: Landing) -> int:
        """Give rows their outcome; a row that has one keeps it.

        Returns:
            How many rows got theirs by this call.

        Raises:
            JobNotFoundError: The job has been deleted.
        """
        while landing.rows:
            totals: dict[str, int] = {}
            for counts in landing.counts:
                for name, value in counts.items():
                    totals[name] = totals.get(name, 0) + value
            reply = self._scripts.land(
                keys=[keys.meta(job_id), keys.done(job_id), keys.outcomes(job_id)],
                args=[
                    ",".join(map(str, landing.rows)),
                    pack(landing.lines),
                    keys.events(job_id),
                    *(part for item in totals.items() for part in item),
                ],
            )
            if reply[0] == -1:
                raise JobNotFoundError(job_id)
            if reply[0] != 2:  # noqa: PLR2004 - see land.lua
                return len(landing.rows) if reply[0] else 0
            landing = Landing(*([part[i] for i in reply[1:]] for part in landing))
        return 0

    def set_status(self, job_id: str, to: JobStatus, *, since: Sequence[JobStatus], stamp: str = "") -> bool:
        """Move a job on, if its status is one of `since`; `stamp` names a time field to set once."""
        return bool(
            self._scripts.set_status(
                keys=[keys.meta(job_id)], args=[f",{','.join(since)},", to, keys.events(job_id), stamp]
            )
        )

    def explain(self, job_id: str, message: str) -> None:
        """Say what keeps a job waiting; shown beside its status."""
        if self._client.exists(keys.meta(job_id)):
            self._client.hset(keys.meta(job_id), "message", message)

    def finish(self, job_id: str, status: JobStatus, *, message: str, retention_s: int) -> bool:
        """Give a job its final status; False when it has one, or is gone."""
        reply = self._scripts.finish_job(
            keys=keys.job_keys(job_id), args=[status, message, retention_s * 1000, keys.events(job_id)]
        )
        return bool(reply > 0)

    def expire_claim(self, digest: str, retention_s: int) -> None:
        """Let an idempotency key go when its job does."""
        if retention_s:
            self._client.expire(keys.idempotency(digest), retention_s)

    # --- trying again ------------------------------------------------------------------------

    def begin_retry(self, job_id: str) -> int:
        """Reopen a finished job; its round, or 0 when it is not finished."""
        return int(self._scripts.begin_retry(keys=keys.job_keys(job_id), args=[keys.events(job_id)]))

    def outcome_chunk(self, job_id: str, landing: int) -> bytes:
        """A landing as it is stored, for `take_back`."""
        return _present(job_id, [self._client.hget(keys.outcomes(job_id), str(landing))])[0]

    def take_back(
        self,
        job_id: str,
        landing: int,
        before: bytes,
        kept: list[bytes],
        rows: list[int],
        counts: Mapping[str, int],
    ) -> bool:
        """Take the outcomes of `rows` out of a landing; False when it has changed since it was read."""
        return bool(
            self._scripts.take_back(
                keys=[keys.meta(job_id), keys.done(job_id), keys.outcomes(job_id)],
                args=[
                    landing,
                    before,
                    pack(kept),
                    ",".join(map(str, rows)),
                    *(part for item in counts.items() for part in item),
                ],
            )
        )

    def end_retry(self, job_id: str) -> None:
        """Let planning go on."""
        self._client.hdel(keys.meta(job_id), "retrying")


def _present(job_id: str, values: list[bytes | None]) -> list[bytes]:
    found = [value for value in values if value is not None]
    if len(found) != len(values):
        raise LedgerError(f"chunks of job {job_id} are missing; was part of Redis evicted or deleted?")
    return found
