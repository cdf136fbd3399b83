"""The moves of jobs and shards through their stages: which state, which due set, which fields.

Each move is one script under the mover's lease (`leasing`), so that a crash
leaves a record either before it or after it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from batchline_shared.ledger import keys
from batchline_shared.ledger.deadlines import timer_of
from batchline_shared.ledger.decisions import Resolved
from batchline_shared.ledger.leasing import Advanced, advanced, flat
from batchline_shared.ledger.shard_making import ShardMaking
from batchline_shared.ledger.timers import timer_keys
from batchline_shared.ledger.work_records import JobWork, ShardState, ShardWork, Stage, job_of

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from batchline_shared.ledger.delivery_records import Ending

__all__ = ["WorkQueue"]

_DROPPED_S = 24 * 3600
"""How long the work of a job is kept whose record is gone."""

_CLEAN_BY = 0.9
"""The part of a job's retention after which its files are deleted at the latest: later, nobody knows them."""


class WorkQueue(ShardMaking):
    """Due sets and work records (`keys.due`, `keys.work`)."""

    # --- jobs --------------------------------------------------------------------------------

    def open_job(
        self,
        job_id: str,
        *,
        delay_s: float,
        sparse: bool = False,
        deadline_ms: int | None = None,
        opener: str = "",
    ) -> bool:
        """Create or reopen a job's work, due for planning in `delay_s`; False when it is open already.

        With a deadline, its timer is set in the same step. To its `opener` it is never open already.
        """
        partition = keys.partition_of(job_id)
        values: dict[str, Any] = {"cursor": "0,0", "waited": 0, "sparse": int(sparse)}
        return bool(
            self._scripts.open_job(
                keys=[
                    keys.work(partition, job_id),
                    keys.tally(partition),
                    keys.due(partition, Stage.PLAN),
                    keys.shards(partition, job_id),
                    *timer_keys(job_id),
                ],
                args=[
                    job_id,
                    int(delay_s * 1000),
                    keys.work_prefix(partition),
                    timer_of(job_id),
                    "" if deadline_ms is None else deadline_ms,
                    opener,
                    *flat(values),
                ],
            )
        )

    def postpone_job(self, job: JobWork, stage: Stage, delay_s: float, **fields: str | int | bytes) -> bool:
        """Give a job's lease back; it is due again in `delay_s`."""
        return self._advance(job, "job", job.state, stage, stage, delay_s, fields) is not None

    def drop_job(self, job: JobWork, stage: Stage, *, clean_after_s: float | None) -> bool:
        """End the work of a job whose record is gone: its enqueue was never finished, or it was deleted."""
        return self._close_job(job, stage, _DROPPED_S, clean_after_s, {})

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

    def replan(self, job: JobWork, *, delay_s: float = 0.0) -> bool:
        """Send a job that still has rows without outcome back to planning, for those rows only."""
        fields: dict[str, Any] = {"cursor": "0,0", "sparse": 1}
        return self._advance(job, "job", "plan", Stage.SETTLE, Stage.PLAN, delay_s, fields) is not None

    def close_job(
        self,
        job: JobWork,
        *,
        retention_s: int,
        clean_after_s: float | None,
        counts: Mapping[str, int],
        ending: Ending | None = None,
    ) -> bool:
        """End a job's work; `counts` go to the gauges (`ended.completed`, `request.succeeded`, …).

        The counts of a job that ends again, after a retry, replace its earlier ones. After
        `clean_after_s`, but while the records are still there, its shards are due for `Stage.CLEAN`.
        Whom `ending` names is due for `Stage.NOTIFY`.
        """
        return self._close_job(job, Stage.SETTLE, retention_s, clean_after_s, counts, ending)

    def _close_job(
        self,
        job: JobWork,
        stage: Stage,
        retention_s: int,
        clean_after_s: float | None,
        counts: Mapping[str, int],
        ending: Ending | None = None,
    ) -> bool:
        if clean_after_s is not None and retention_s:
            clean_after_s = min(clean_after_s, retention_s * _CLEAN_BY)
        clean_after = "" if clean_after_s is None else int(clean_after_s * 1000)
        told = (
            ("", "", "", 0) if ending is None else (ending.event, ending.task, ending.webhook, ending.round)
        )
        partition = keys.partition_of(job.id)
        return bool(
            self._scripts.close_job(
                keys=[
                    keys.work(partition, job.id),
                    keys.tally(partition),
                    keys.due(partition, stage),
                    keys.shards(partition, job.id),
                    keys.due(partition, Stage.CLEAN),
                    *timer_keys(job.id),
                    keys.due(partition, Stage.NOTIFY),
                ],
                args=[
                    job.id,
                    job.token,
                    keys.work_prefix(partition),
                    retention_s * 1000,
                    clean_after,
                    timer_of(job.id),
                    *told,
                    *flat(counts),
                ],
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

    def hasten_poll(self, shard_id: str) -> bool:
        """Make a shard's poll due now; False where it is not polled, or just looked at."""
        return self._wake(job_of(shard_id), shard_id, Stage.POLL)

    # --- shards ------------------------------------------------------------------------------

    def keep(
        self, shard: ShardWork, state: ShardState, stage: Stage, **fields: str | int | bytes
    ) -> Advanced | None:
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
            "blind_ms": 0,
            "idle_polls": 0,
        }
        call = self._call(
            shard, "shard", ShardState.SUBMITTING, Stage.SUBMIT, Stage.SUBMIT, None, fields, keep=True
        )
        return advanced(self._durability.write(lambda pipe: self._scripts.advance(client=pipe, **call)))

    def release(
        self,
        shard: ShardWork,
        state: ShardState,
        stages: tuple[Stage, Stage],
        delay_s: float | None,
        **fields: str | int | bytes,
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

    def close_shard(self, shard: ShardWork, stage: Stage, **fields: str | int | bytes) -> bool:
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
                args=[shard.id, shard.token, shard.job_id, *flat(fields)],
            )
        )

    def resolve(
        self, shard: str, decision: str, *, states: Collection[ShardState] = (ShardState.IN_DOUBT,)
    ) -> Resolved:
        """Note what was decided of a shard in doubt (`decisions`), for a worker; safe to repeat.

        Only an audit, which has proof, decides in other `states`.
        """
        partition = keys.partition_of(job_of(shard))
        where = [keys.work(partition, shard), keys.due(partition, Stage.SUBMIT)]
        return Resolved(
            self._scripts.resolve_shard(keys=where, args=[shard, decision, f",{','.join(states)},"])
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
