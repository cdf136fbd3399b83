"""How shards come to be: planned from a job's rows, or cut from one that is too large."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchline_shared.ledger import keys
from batchline_shared.ledger.leasing import flat
from batchline_shared.ledger.shard_reading import ShardReading
from batchline_shared.ledger.work_records import Segment, ShardState, Stage, shard_id

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from batchline_shared.ledger.ride_records import Ride
    from batchline_shared.ledger.work_records import JobWork, Manifest, ShardWork

__all__ = ["ShardMaking"]


class ShardMaking(ShardReading):
    """Makes shards, and has those looked at that may go on."""

    def plan_shard(
        self,
        job: JobWork,
        *,
        cursor: tuple[str, str],
        route: str,
        manifest: Manifest,
        attempt: int,
        live: bool = False,
        ride: Ride | None = None,
    ) -> int | None:
        """Create a job's next shard and move its cursor from `cursor[0]` to `cursor[1]`, at once.

        A shard that is `live` gets no batch: its rows are asked one by one.

        Returns:
            The shard's number; None when the lease is lost or somebody else moved the cursor.
        """
        fields: dict[str, str | int | bytes] = {"job": job.id, "route": route, "attempt": attempt}
        fields |= manifest.fields()
        fields |= {} if ride is None else ride.fields()
        first = (ShardState.LIVE, Stage.LIVE) if live else (ShardState.PENDING, Stage.SUBMIT)
        return self._make_shard(job, cursor, *first, fields)

    def adopt_shard(self, job: JobWork, *, route: str, batch_id: str, attempt: int) -> int | None:
        """Create the one shard of an adopted job, whose batch is at the provider; as `plan_shard`."""
        fields: dict[str, str | int | bytes] = {
            "job": job.id,
            "route": route,
            "attempt": attempt,
            "segment": Segment(0, 0, 0, 0).encode(),
            "adopted": 1,
            "batch_id": batch_id,
            # What is at the provider is its owner's: it counts as cleaned up from the start.
            "cleaned": 1,
        }
        return self._make_shard(job, (job.cursor, "0,1"), ShardState.SUBMITTED, Stage.POLL, fields)

    def _make_shard(
        self,
        job: JobWork,
        cursor: tuple[str, str],
        state: ShardState,
        stage: Stage,
        fields: Mapping[str, str | int | bytes],
    ) -> int | None:
        partition = keys.partition_of(job.id)
        number = self._scripts.plan_shard(
            keys=[
                keys.work(partition, job.id),
                keys.tally(partition),
                keys.due(partition, stage),
                keys.shards(partition, job.id),
            ],
            args=[
                job.token,
                *cursor,
                keys.work_prefix(partition),
                shard_id(job.id, ""),
                state,
                *flat(fields),
            ],
        )
        return None if int(number) < 0 else int(number)

    def cut_shard(self, shard: ShardWork, pieces: Sequence[Manifest], *, no_room: int = 0) -> bool:
        """Let a shard keep the first of its pieces, and make shards of the others; False: the lease is lost.

        On the wire it has another name from then on: the same position is another row. `no_room`: how often
        the provider counts as having had no room for each of them.
        """
        partition = self._partition(shard)
        each = [flat({**piece.fields(), "no_room": no_room}) for piece in pieces]
        return bool(
            self._scripts.cut_shard(
                keys=[
                    keys.work(partition, shard.id),
                    keys.tally(partition),
                    keys.due(partition, Stage.SUBMIT),
                    keys.work(partition, shard.job_id),
                    keys.shards(partition, shard.job_id),
                ],
                args=[
                    shard.id,
                    shard.token,
                    keys.work_prefix(partition),
                    shard_id(shard.job_id, ""),
                    len(each[0]) // 2,
                    *(value for fields in each for value in fields),
                ],
            )
        )

    def unsent(self, job_id: str, numbers: range) -> int:
        """How many of the shards with these numbers still wait to be created."""
        partition = keys.partition_of(job_id)
        with self._client.pipeline(transaction=False) as pipe:
            for number in numbers:
                pipe.hget(keys.work(partition, shard_id(job_id, number)), "state")
            states = pipe.execute()
        waiting = {ShardState.PENDING.encode(), ShardState.UPLOADED.encode()}
        return sum(state in waiting for state in states)

    def wake_job(self, job_id: str) -> bool:
        """Make a job due for planning now; False when it is not being planned, or is just worked on."""
        return self._wake(job_id, job_id, Stage.PLAN)

    def wake_shard(self, job_id: str, shard: str) -> bool:
        """Make a shard due for submission now; False when it does not wait there, or is just worked on."""
        return self._wake(job_id, shard, Stage.SUBMIT)

    def _wake(self, job_id: str, member: str, stage: Stage) -> bool:
        partition = keys.partition_of(job_id)
        where = [keys.work(partition, member), keys.due(partition, stage)]
        return bool(self._scripts.wake(keys=where, args=[member]))
