"""The work in progress: who may do what next, and when.

Any number of processes lease due work; each lease carries a token, and every
write by its holder is refused once a newer lease exists. So a worker that was
frozen, or a message that came twice, cannot write over its successor.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

from batchline_shared.errors import LedgerError
from batchline_shared.ledger import keys
from batchline_shared.ledger.durability import Durability
from batchline_shared.ledger.records import JobWork, Segment, ShardState, ShardWork, Stage
from batchline_shared.ledger.scripts import Scripts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from redis import Redis

__all__ = ["Advanced", "WorkQueue"]

_JOB_STAGES = frozenset({Stage.PLAN, Stage.SETTLE})


class Advanced:
    """What a successful write by a lease holder returns."""

    __slots__ = ("cancel", "now_ms")

    def __init__(self, now_ms: int, *, cancel: bool) -> None:
        self.now_ms = now_ms
        self.cancel = cancel


def _flat(fields: Mapping[str, Any]) -> list[str | int | bytes]:
    return [part for item in fields.items() for part in item]


class WorkQueue:
    """Due sets and work records (`keys.due`, `keys.work`)."""

    def __init__(self, client: Redis, *, lease_s: float, durable: bool = True) -> None:
        """Args: lease_s: Seconds for which a lease holds unless renewed."""
        # redis-py types every reply as str or bytes, whatever the client decodes; ours are bytes.
        self._client: Any = client
        self._scripts = Scripts(client)
        self._durability = Durability(client, enabled=durable)
        self.lease_s = lease_s
        self._lease_ms = int(lease_s * 1000)

    # --- taking work -------------------------------------------------------------------------

    def lease_jobs(self, stage: Stage, limit: int) -> list[JobWork]:
        """Lease up to `limit` jobs that are due in `stage`."""
        return [JobWork.read(member, record) for member, record in self._lease(stage, limit)]

    def lease_shards(self, stage: Stage, limit: int) -> list[ShardWork]:
        """Lease up to `limit` shards that are due in `stage`.

        A malformed record is set aside, so that it cannot stop the others.
        """
        leased = []
        for member, record in self._lease(stage, limit):
            try:
                leased.append(ShardWork.read(member, record))
            except LedgerError:
                self._set_aside(stage, member)
        return leased

    def _lease(self, stage: Stage, limit: int) -> list[tuple[str, dict[bytes, bytes]]]:
        taken: list[tuple[str, dict[bytes, bytes]]] = []
        # A random first partition, so that competing workers do not queue at the same one.
        start = random.randrange(keys.PARTITIONS)  # noqa: S311 - spreading load, no secret
        for offset in range(keys.PARTITIONS):
            partition = (start + offset) % keys.PARTITIONS
            _, rows = self._scripts.lease(
                keys=[keys.due(partition, stage)],
                args=[keys.work_prefix(partition), limit - len(taken), self._lease_ms],
            )
            for member, flat in zip(rows[::2], rows[1::2], strict=True):
                taken.append((member.decode(), dict(zip(flat[::2], flat[1::2], strict=True))))
            if len(taken) >= limit:
                break
        return taken

    def _set_aside(self, stage: Stage, member: str) -> None:
        for partition in range(keys.PARTITIONS):
            self._client.zrem(keys.due(partition, stage), member)

    def renew(self, member: ShardWork | JobWork, stage: Stage) -> bool:
        """Lengthen a lease by its full time; False when it is lost."""
        partition = self._partition(member)
        return bool(
            self._scripts.renew(
                keys=[keys.work(partition, member.id), keys.due(partition, stage)],
                args=[member.id, member.token, self._lease_ms],
            )
        )

    def now_ms(self) -> int:
        """The ledger's clock."""
        seconds, microseconds = self._client.time()
        return int(seconds) * 1000 + int(microseconds) // 1000

    def due_counts(self) -> dict[Stage, int]:
        """How many jobs or shards are due now, by stage."""
        now_ms = self.now_ms()
        with self._client.pipeline(transaction=False) as pipe:
            for stage in Stage:
                for partition in range(keys.PARTITIONS):
                    pipe.zcount(keys.due(partition, stage), "-inf", now_ms)
            counts = pipe.execute()
        each = keys.PARTITIONS
        return {stage: sum(counts[i * each : (i + 1) * each]) for i, stage in enumerate(Stage)}

    # --- jobs --------------------------------------------------------------------------------

    def open_job(self, job_id: str, *, delay_s: float, sparse: bool = False) -> bool:
        """Create or reopen a job's work, due for planning in `delay_s`; False when it is open already."""
        partition = keys.partition_of(job_id)
        values: dict[str, Any] = {"cursor": "0,0", "waited": 0, "sparse": int(sparse)}
        return bool(
            self._scripts.open_job(
                keys=[keys.work(partition, job_id), keys.tally(partition), keys.due(partition, Stage.PLAN)],
                args=[job_id, int(delay_s * 1000), *_flat(values)],
            )
        )

    def wake_job(self, job_id: str) -> None:
        """Make a job due for planning now."""
        partition = keys.partition_of(job_id)
        self._scripts.wake(
            keys=[keys.work(partition, job_id), keys.due(partition, Stage.PLAN)], args=[job_id]
        )

    def postpone_job(self, job: JobWork, stage: Stage, delay_s: float, **fields: str | int) -> bool:
        """Give a job's lease back; it is due again in `delay_s`."""
        return self._advance(job, "job", job.state, stage, stage, delay_s, fields) is not None

    def drop_job(self, job: JobWork) -> None:
        """Forget the work of a job whose record is gone: its enqueue was never finished."""
        partition = keys.partition_of(job.id)
        with self._client.pipeline(transaction=True) as pipe:
            for stage in _JOB_STAGES:
                pipe.zrem(keys.due(partition, stage), job.id)
            pipe.hincrby(keys.tally(partition), f"job.{job.state}", -1)
            pipe.delete(keys.work(partition, job.id))
            pipe.execute()

    def plan_shard(
        self,
        job: JobWork,
        *,
        shard_id: str,
        number: int,
        cursor: tuple[str, str],
        provider: str,
        segment: Segment,
    ) -> bool:
        """Create a shard and move the job's cursor from `cursor[0]` to `cursor[1]`, at once.

        Returns:
            False when the lease is lost or somebody else moved the cursor.
        """
        partition = keys.partition_of(job.id)
        fields: dict[str, Any] = {"job": job.id, "provider": provider, "segment": segment.encode()}
        return bool(
            self._scripts.plan_shard(
                keys=[
                    keys.work(partition, job.id),
                    keys.tally(partition),
                    keys.work(partition, shard_id),
                    keys.due(partition, Stage.SUBMIT),
                    keys.shards(partition, job.id),
                ],
                args=[job.token, *cursor, shard_id, number, *_flat(fields)],
            )
        )

    def plan_done(self, job: JobWork) -> bool:
        """End planning: the job settles once its last shard has ended."""
        partition = keys.partition_of(job.id)
        return bool(
            self._scripts.plan_done(
                keys=[
                    keys.work(partition, job.id),
                    keys.tally(partition),
                    keys.due(partition, Stage.PLAN),
                    keys.due(partition, Stage.SETTLE),
                ],
                args=[job.id, job.token],
            )
        )

    def replan(self, job: JobWork) -> bool:
        """Send a job that still has rows without outcome back to planning, for those rows only."""
        fields: dict[str, Any] = {"cursor": "0,0", "sparse": 1}
        return self._advance(job, "job", "plan", Stage.SETTLE, Stage.PLAN, 0.0, fields) is not None

    def close_job(self, job: JobWork, *, retention_s: int, counts: Mapping[str, int]) -> bool:
        """End a job's work; `counts` go to the gauges (`job.completed`, `request.succeeded`, …)."""
        partition = keys.partition_of(job.id)
        return bool(
            self._scripts.close_job(
                keys=[
                    keys.work(partition, job.id),
                    keys.tally(partition),
                    keys.due(partition, Stage.SETTLE),
                    keys.shards(partition, job.id),
                ],
                args=[job.id, job.token, keys.work_prefix(partition), retention_s * 1000, *_flat(counts)],
            )
        )

    def cancel(self, job_id: str) -> int:
        """Mark a job and its open shards as to be cancelled; safe to repeat. Returns how many were marked."""
        partition = keys.partition_of(job_id)
        return int(
            self._scripts.cancel_work(
                keys=[
                    keys.work(partition, job_id),
                    keys.shards(partition, job_id),
                    keys.due(partition, Stage.PLAN),
                    keys.due(partition, Stage.SUBMIT),
                    keys.due(partition, Stage.POLL),
                ],
                args=[job_id, keys.work_prefix(partition)],
            )
        )

    # --- shards ------------------------------------------------------------------------------

    def shards_of(self, job_id: str) -> list[ShardWork]:
        """All shards of a job, in order."""
        partition = keys.partition_of(job_id)
        names = [name.decode() for name in self._client.zrange(keys.shards(partition, job_id), 0, -1)]
        with self._client.pipeline(transaction=False) as pipe:
            for name in names:
                pipe.hgetall(keys.work(partition, name))
            records = pipe.execute()
        return [ShardWork.read(name, record) for name, record in zip(names, records, strict=True) if record]

    def keep(self, shard: ShardWork, state: ShardState, stage: Stage, **fields: str | int) -> Advanced | None:
        """Write what was found out and go on working under the same lease; None when it is lost."""
        return self._advance(shard, "shard", state, stage, stage, None, fields, keep=True)

    def announce(self, shard: ShardWork) -> Advanced | None:
        """Write the intent to create a batch, durably, before the call; None when the lease is lost.

        From this state on, nobody creates without looking first.

        Raises:
            QueueUnavailableError: The disk did not confirm; do not create.
        """
        fields: dict[str, Any] = {
            "intent_ms": "@now",
            "attempts": shard.attempts + 1,
            "absent": 0,
        }
        call = self._call(
            shard, "shard", ShardState.SUBMITTING, Stage.SUBMIT, Stage.SUBMIT, None, fields, keep=True
        )
        return _advanced(self._durability.write(lambda pipe: self._scripts.advance(client=pipe, **call)))

    def release(
        self,
        shard: ShardWork,
        state: ShardState,
        stages: tuple[Stage, Stage],
        delay_s: float | None,
        **fields: str | int,
    ) -> Advanced | None:
        """Write what was found out and give the lease back.

        Args:
            shard: As it was leased.
            state: The state that it is in now.
            stages: The stage it was leased in, and the one that goes on with it.
            delay_s: Seconds until it is due there; None: never by itself (`in_doubt`).
            fields: Fields to write.

        Returns:
            None when the lease was lost; nothing was written then.
        """
        return self._advance(shard, "shard", state, *stages, delay_s, fields)

    def close_shard(self, shard: ShardWork, stage: Stage, **fields: str | int) -> bool:
        """End a shard whose rows all have their outcome; False when the lease is lost."""
        partition = self._partition(shard)
        return bool(
            self._scripts.close_shard(
                keys=[
                    keys.work(partition, shard.id),
                    keys.tally(partition),
                    keys.due(partition, stage),
                    keys.work(partition, shard.job_id),
                    keys.due(partition, Stage.SETTLE),
                ],
                args=[shard.id, shard.token, ShardState.DONE, shard.job_id, *_flat(fields)],
            )
        )

    def reopen_shard(self, job: JobWork, shard: ShardWork) -> bool:
        """Collect a finished shard again, because outcomes of it were lost; the job waits for it."""
        partition = self._partition(shard)
        return bool(
            self._scripts.reopen_shard(
                keys=[
                    keys.work(partition, shard.id),
                    keys.tally(partition),
                    keys.due(partition, Stage.COLLECT),
                    keys.work(partition, job.id),
                    keys.due(partition, Stage.SETTLE),
                ],
                args=[shard.id, job.id, job.token],
            )
        )

    # --- shared by both ----------------------------------------------------------------------

    @staticmethod
    def _partition(member: ShardWork | JobWork) -> int:
        return keys.partition_of(member.job_id if isinstance(member, ShardWork) else member.id)

    def _call(
        self,
        member: ShardWork | JobWork,
        kind: str,
        state: str,
        stage: Stage,
        next_stage: Stage,
        delay_s: float | None,
        fields: Mapping[str, Any],
        *,
        keep: bool = False,
    ) -> dict[str, Any]:
        partition = self._partition(member)
        delay = "" if delay_s is None else int(delay_s * 1000)
        return {
            "keys": [
                keys.work(partition, member.id),
                keys.tally(partition),
                keys.due(partition, stage),
                keys.due(partition, next_stage),
            ],
            "args": [member.id, member.token, kind, state, delay, int(keep), *_flat(fields)],
        }

    def _advance(
        self,
        member: ShardWork | JobWork,
        kind: str,
        state: str,
        stage: Stage,
        next_stage: Stage,
        delay_s: float | None,
        fields: Mapping[str, Any],
        *,
        keep: bool = False,
    ) -> Advanced | None:
        call = self._call(member, kind, state, stage, next_stage, delay_s, fields, keep=keep)
        return _advanced(self._scripts.advance(**call))


def _advanced(reply: list[int]) -> Advanced | None:
    return Advanced(reply[1], cancel=bool(reply[2])) if reply[0] else None
