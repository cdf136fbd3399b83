"""The timers of jobs' deadlines: leased once they are reached, and gone once that has been seen to."""

from __future__ import annotations

from batchline_shared.ledger import keys
from batchline_shared.ledger.deadlines import JobTimer, timer_of
from batchline_shared.ledger.leasing import Leasing
from batchline_shared.ledger.work_records import Stage

__all__ = ["Timers", "timer_keys"]

_STATE = "waiting"
"""Of every timer's record, as `open_job.lua` makes it."""


def timer_keys(job_id: str) -> list[str]:
    """The record of a job's timer, and the due set that it is in, as scripts take them."""
    partition = keys.partition_of(job_id)
    return [keys.work(partition, timer_of(job_id)), keys.due(partition, Stage.DEADLINE)]


class Timers(Leasing):
    """Timers have work records of their own, so that leasing one leaves the job's lease alone."""

    def lease(self, limit: int) -> list[JobTimer]:
        """Lease up to `limit` timers that have been reached."""
        return self._leased(Stage.DEADLINE, limit, JobTimer.read)

    def postpone(self, timer: JobTimer, delay_s: float) -> None:
        """Give a timer's lease back; it is due again in `delay_s`."""
        record, due = timer_keys(timer.job_id)
        self._scripts.advance(
            keys=[record, keys.tally(keys.partition_of(timer.job_id)), due, due],
            args=[timer.id, timer.token, "timer", _STATE, int(delay_s * 1000), 0, 0],
        )

    def drop(self, timer: JobTimer) -> None:
        """Forget a timer, unless the lease is lost."""
        self._scripts.drop_timer(keys=timer_keys(timer.job_id), args=[timer.id, timer.token])
