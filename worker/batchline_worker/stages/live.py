"""Live: ask rows one by one through the provider's live API, once their job's deadline has passed.

Every batch that might have run a row has been collected before it comes here. A live call cannot be looked
for afterwards, as a batch can: a row is marked on disk before it is asked, and one whose answer was lost
ends as `unknown`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from batchline_shared.errors import ProviderBusyError
from batchline_shared.ledger import JobStatus, Segment, ShardState, Stage
from batchline_shared.outcomes import ErrorType
from batchline_shared.pricing import over_budget
from batchline_worker.attempts import Attempt
from batchline_worker.backoff import delay_s
from batchline_worker.cutting import chunk_infos
from batchline_worker.landing import Lander, RowNames, lost_rows_of
from batchline_worker.live_session import LOST, LiveSession
from batchline_worker.reasking import Rounds
from batchline_worker.stages.quarantine import due_shards, handling
from batchline_worker.stages.refusing import MAX_WAIT_S, kind_of
from batchline_worker.stages.telling import mark_started

if TYPE_CHECKING:
    from batchline_shared.ledger import JobMeta, ShardWork
    from batchline_worker.context import WorkerContext
    from batchline_worker.leases import Hold

__all__ = ["give_up_asked", "work"]

_log = structlog.get_logger("batchline.live")

_AGAIN = (Stage.LIVE, Stage.LIVE)

_Words = tuple[ErrorType, str]
"""What to say of a row that gets no answer."""


def work(context: WorkerContext) -> int:
    """Ask the rows of one shard that is due."""
    shards = due_shards(context, Stage.LIVE, 1)
    for shard in shards:
        with handling(context, shard, Stage.LIVE) as hold:
            _work_on(context, shard, hold)
    return len(shards)


def _work_on(context: WorkerContext, shard: ShardWork, hold: Hold) -> None:
    meta = context.jobs.find(shard.job_id)
    if meta is None:
        context.work.close_shard(shard, Stage.LIVE, message="the job was deleted")
        return
    names = RowNames(context.jobs, meta, shard.segment)
    rounds = Rounds(context.jobs, meta, shard.segment, shard.attempt)
    lander = Lander(context.jobs, meta.id, names, Attempt(shard.attempt), rounds, live=True)
    session = LiveSession(context, meta, shard, hold, lander)
    _give_up_lost(context, shard, lander)
    rows = lost_rows_of(context.jobs, meta.id, shard.segment)
    if rows and _last_word(meta) is None:
        mark_started(context, shard)
        session.run(rows, lambda: _goes_on(context, meta.id))
    # Whoever lost the lease knows less than its successor: it must not say what becomes of the rest.
    if context.leases.renew(hold):
        rest = Lander(context.jobs, meta.id, names, Attempt(shard.attempt), rounds)
        _leave(context, meta, shard, session, rest)


def _leave(
    context: WorkerContext, meta: JobMeta, shard: ShardWork, session: LiveSession, rest: Lander
) -> None:
    """End the shard, or give it back with what is left of it."""
    left = lost_rows_of(context.jobs, meta.id, shard.segment)
    if left:
        words = _last_word(context.jobs.find(meta.id) or meta) or _given_up(context, shard, session)
        if words is None:
            _give_back(context, shard, session)
            return
        for row in left:
            rest.unanswered(row, *words)
        rest.flush()
    if context.work.close_shard(shard, Stage.LIVE):
        context.nudge(Stage.SETTLE)
        _log.info("asked_live", shard=shard.id, landed=session.landed, not_asked=len(left))


def _given_up(context: WorkerContext, shard: ShardWork, session: LiveSession) -> _Words | None:
    """What to say of the rest once the account has refused for too long."""
    error = session.refusal
    if error is None or session.landed or not shard.refused_ms:
        return None
    refused_for_s = (context.work.now_ms() - shard.refused_ms) / 1000
    return (kind_of(error), str(error)) if refused_for_s > context.settings.submit_give_up_s else None


def _give_back(context: WorkerContext, shard: ShardWork, session: LiveSession) -> None:
    """Give the lease back; the rows that are left are asked in the account's next turn."""
    error = session.refusal
    if error is None:
        context.work.release(
            shard, ShardState.LIVE, _AGAIN, session.wait_s, attempts=0, refused_ms=0, message=""
        )
        return
    # What the account has answered meanwhile was no refusal.
    fresh = bool(session.landed) or not shard.refused_ms
    attempts = 0 if fresh else shard.attempts + 1
    wait_s = delay_s(attempts)
    if isinstance(error, ProviderBusyError) and error.retry_after_s is not None:
        wait_s = min(max(wait_s, error.retry_after_s), MAX_WAIT_S)
    context.live_calls.pause(shard.route, wait_s)
    fields: dict[str, str | int] = {"attempts": attempts, "message": str(error)}
    if fresh:
        fields["refused_ms"] = "@now"
    context.work.release(shard, ShardState.LIVE, _AGAIN, wait_s, **fields)
    context.jobs.explain(shard.job_id, str(error))
    _log.warning("live_refused", shard=shard.id, again_in_s=round(wait_s, 1), reason=str(error))


def _give_up_lost(context: WorkerContext, shard: ShardWork, lander: Lander) -> None:
    """End rows that were asked, or were about to be, when their worker was lost."""
    lost = lost_rows_of(context.jobs, shard.job_id, shard.segment)
    if not lost:
        return
    asked = set(context.jobs.asked_rows(shard.job_id, lost[0], lost[-1] - lost[0] + 1))
    for row in asked.intersection(lost):
        lander.unanswered(row, ErrorType.UNKNOWN, LOST)
    lander.flush()


def give_up_asked(context: WorkerContext, meta: JobMeta) -> int:
    """End every row of a job without open shards that was asked and has no outcome; how many there were.

    Redis lost them: its last moment, or a shard that was closed early.
    """
    given_up = 0
    for number, info in chunk_infos(context.jobs, meta, 0):
        lost = context.jobs.lost_rows(meta.id, info.first_row, info.rows)
        asked = set(context.jobs.asked_rows(meta.id, info.first_row, info.rows)).intersection(lost)
        if asked:
            segment = Segment(info.first_row, info.rows, number, number + 1)
            rounds = Rounds(context.jobs, meta, segment, meta.attempt)
            names = RowNames(context.jobs, meta, segment)
            lander = Lander(context.jobs, meta.id, names, Attempt(meta.attempt), rounds, live=True)
            for row in asked:
                lander.unanswered(row, ErrorType.UNKNOWN, LOST)
            lander.flush()
            given_up += lander.landed
    return given_up


def _goes_on(context: WorkerContext, job_id: str) -> bool:
    meta = context.jobs.find(job_id)
    return meta is not None and _last_word(meta) is None


def _last_word(meta: JobMeta) -> _Words | None:
    """What to say of rows that are not to be asked any more; None while they are."""
    if meta.status == JobStatus.CANCELLING:
        return ErrorType.CANCELLED, "the job was cancelled before this request was asked live"
    if over_budget(meta) is not None:
        return (
            ErrorType.EXPIRED,
            f"the job's deadline, {meta.deadline}, passed before it was run, and max_cost_usd is spent",
        )
    return None
