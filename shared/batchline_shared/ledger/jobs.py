"""One job's record, from `begin` to its final status; what its rows do stands in `row_moves`.

`enqueue` writes it in three steps: `begin` (a record that goes by itself),
chunks, `commit`. From `commit` on it survives any crash.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final

from batchline_shared.errors import JobNotFoundError, LedgerError, QueueUnavailableError
from batchline_shared.ledger import keys
from batchline_shared.ledger.clock import server_ms
from batchline_shared.ledger.duplicates import Duplicates
from batchline_shared.ledger.durability import Durability
from batchline_shared.ledger.payload import STAGING_S, Written
from batchline_shared.ledger.records import STAGING, JobMeta, JobStatus

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from redis import Redis

__all__ = ["JobStore"]

_CLAIM_STAGING_S: Final = STAGING_S + 3600
"""How long an idempotency key stands for an enqueue that stands still: longer than its record, so that no
two enqueues with one key can both become real."""

_NOTHING: Final = Written()
_NOT_NOW: Final = -3

_COMMIT_WITHIN_MS: Final = 8000
"""How long after it was sent a commit may be taken up. Shorter than the socket's time-out: a server that
stood still for longer must not make a job real whose client has given up, and may enqueue it again."""

_PAGE = 100


class JobStore(Duplicates):
    """Records, payload and outcomes of jobs (`keys.meta` and the other keys with a job's tag)."""

    def __init__(self, client: Redis, *, durable: bool = True) -> None:
        super().__init__(client)
        self._durability = Durability(client, enabled=durable)

    # --- writing a job -----------------------------------------------------------------------

    def begin(self, job_id: str, fields: Mapping[str, str | int | bytes]) -> bool:
        """Open a record that expires by itself; False when the id is taken. Lists the job first."""
        now = self._scripts.begin_job(
            keys=[keys.meta(job_id)],
            args=[STAGING_S * 1000, *(part for item in fields.items() for part in item)],
        )
        if now:
            self._client.zadd(keys.ALL_JOBS, {job_id: now})
        return bool(now)

    def staged(self, job_id: str) -> int | None:
        """A number that grows while an enqueue that is under way moves; None when none is."""
        status, written = self._client.hmget(keys.meta(job_id), "status", "staged")
        return int(written or 0) if status == STAGING.encode() else None

    def commit(
        self, job_id: str, fields: Mapping[str, str | int | bytes], written: Written = _NOTHING
    ) -> bool:
        """Make the job real; when this returns True, it survives any crash.

        Returns:
            False when the server was restarted, or failed over, since the job was begun: its parts are there,
            but not for sure what was written elsewhere; or when it stood still. `begin` it again, write
            that, and commit.

        Raises:
            QueueUnavailableError: The record or a part is gone, or the disk did not confirm it.
        """
        latest_ms = server_ms(self._client) + _COMMIT_WITHIN_MS
        done = self._durability.write(
            lambda pipe: self._scripts.commit_job(
                keys=keys.job_keys(job_id),
                args=[*written, latest_ms, *(part for item in fields.items() for part in item)],
                client=pipe,
            )
        )
        if done == _NOT_NOW:
            return False
        if done < 0:
            raise QueueUnavailableError(
                "a part of the job vanished while it was being enqueued "
                "(was Redis wiped, or did it lose power?); enqueue it again"
            )
        return True

    def abandon(self, job_id: str) -> bool:
        """Forget a job whose enqueue failed; False when it has been committed, and is kept."""
        gone = bool(self._scripts.abandon_job(keys=keys.job_keys(job_id), args=[]))
        if gone:
            self._client.zrem(keys.ALL_JOBS, job_id)
        return gone

    def claim(self, digest: str, job_id: str, *, instead_of: str | None = None, staging: bool = True) -> str:
        """Let an idempotency key stand for a job, unless it stands for another one already.

        Args:
            digest: SHA-256 of the key, in hex.
            job_id: The job to stand for.
            instead_of: A job whose enqueue is known to be dead, which may be replaced; the job itself, to let
                the key stand longer.
            staging: Its enqueue is under way: the key goes by itself, a little after the job's record would.

        Returns:
            The id that the key stands for now.
        """
        held = self._scripts.claim(
            keys=[keys.idempotency(digest)],
            args=[job_id, instead_of or "", _CLAIM_STAGING_S if staging else ""],
        )
        return str(held.decode())

    def unclaim(self, digest: str, job_id: str) -> None:
        """Free an idempotency key, if it still stands for this job."""
        self._scripts.unclaim(keys=[keys.idempotency(digest)], args=[job_id])

    # --- reading a job -----------------------------------------------------------------------

    def find(self, job_id: str) -> JobMeta | None:
        """The job's record, also while its enqueue is under way; None when there is none.

        What an enqueue writes on whose record was taken from it, or lost, is none.
        """
        record = self._client.hgetall(keys.meta(job_id))
        return JobMeta.read(job_id, record) if record.keys() - {b"staged"} else None

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
        """Every job, newest first; ids whose record is gone are dropped from the list.

        A malformed record is left out, so that one cannot hide the others; `meta` says what is wrong with it.
        """
        start = 0
        before: set[bytes] = set()
        while names := self._client.zrevrange(keys.ALL_JOBS, start, start + _PAGE - 1):
            with self._client.pipeline(transaction=False) as pipe:
                for name in names:
                    pipe.hgetall(keys.meta(name.decode()))
                records = pipe.execute()
            gone = [name for name, record in zip(names, records, strict=True) if not record]
            for name, record in zip(names, records, strict=True):
                # Jobs that were enqueued meanwhile move the others on, into the next page.
                if name in before or not record or record.get(b"status") == STAGING.encode():
                    continue
                with suppress(LedgerError):
                    yield JobMeta.read(name.decode(), record)
            if gone:
                self._client.zrem(keys.ALL_JOBS, *gone)
            before = set(names)
            start += len(names) - len(gone)

    def drop_gone(self) -> int:
        """Take jobs off the list whose record is gone; returns how many.

        As Redis expires keys: of a sample, and again while a tenth of it was gone.
        """
        dropped = 0
        while True:
            names = self._client.zrandmember(keys.ALL_JOBS, _PAGE)
            with self._client.pipeline(transaction=False) as pipe:
                for name in names:
                    pipe.exists(keys.meta(name.decode()))
                found = pipe.execute()
            # A record is there before its job is listed, and ids never come again.
            gone = [name for name, there in zip(names, found, strict=True) if not there]
            if gone:
                self._client.zrem(keys.ALL_JOBS, *gone)
            dropped += len(gone)
            if len(gone) * 10 <= len(names):
                return dropped

    # --- outcomes and status -----------------------------------------------------------------

    def set_status(self, job_id: str, to: JobStatus, *, since: Sequence[JobStatus], stamp: str = "") -> bool:
        """Move a job on, if its status is one of `since`; `stamp` names a time field to set once."""
        return bool(
            self._scripts.set_status(
                keys=[keys.meta(job_id)], args=[f",{','.join(since)},", to, keys.events(job_id), stamp]
            )
        )

    def pass_deadline(self, job_id: str, message: str) -> int:
        """Note that a job's deadline has passed.

        Returns:
            1 when it has, by this call or before; 0 when the job has ended, is being cancelled or has none;
            less than 0 when it has not been reached: the milliseconds that are left.
        """
        return int(self._scripts.pass_deadline(keys=[keys.meta(job_id)], args=[message, keys.events(job_id)]))

    def explain(self, job_id: str, message: str) -> None:
        """Say what keeps a job waiting; shown beside its status."""
        self._scripts.explain(keys=[keys.meta(job_id)], args=[message])

    def finish(
        self, job_id: str, status: JobStatus, *, message: str, retention_s: int, done: int = 0
    ) -> bool:
        """Give a job its final status, unless it has one.

        False while a retry is open, when it is gone, or has fewer than `done` outcomes (any more).
        """
        reply = self._scripts.finish_job(
            keys=keys.job_keys(job_id),
            args=[status, message, retention_s * 1000, keys.events(job_id), done],
        )
        return bool(reply > 0)

    def expire_claim(self, digest: str, retention_s: int) -> None:
        """Let an idempotency key go when its job does."""
        if retention_s:
            self._client.expire(keys.idempotency(digest), retention_s)

    def keep_claim(self, digest: str) -> None:
        """Let an idempotency key live on, because its job does."""
        self._client.persist(keys.idempotency(digest))
