"""Keeping what cannot be handled from stopping the rest: work that ends its workers, broken records.

What may be decided without a person is: requests that were never sent end as errors, riders of a shared
batch go out again in two halves until the one that is to blame stands alone, a creation of unknown outcome
is in doubt. Everything else may have been paid for: it is set aside as it is, until a person has it worked
on again, or gives it up (`Job.release`).
"""

from __future__ import annotations

import errno
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import structlog
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import OutOfMemoryError, RedisError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from batchline_shared.errors import LedgerError, ProviderError, QueueUnavailableError
from batchline_shared.ledger import JobWork, ShardState, ShardWork, Stage, decided_batch, is_given_up
from batchline_shared.outcomes import ErrorType
from batchline_worker.backoff import jittered_s
from batchline_worker.stages import admitting, gating
from batchline_worker.stages.closing import close_unanswered
from batchline_worker.stages.reconcile import doubt
from batchline_worker.stages.refusing import turned_away
from batchline_worker.stages.telling import explain

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from batchline_shared.ledger import AuditWork, DeliveryWork, JobTimer
    from batchline_worker.context import WorkerContext
    from batchline_worker.leases import Hold

    _Member = ShardWork | JobWork | JobTimer | DeliveryWork | AuditWork

__all__ = ["due_jobs", "due_shards", "handling", "uncounted"]

_log = structlog.get_logger("batchline.quarantine")

_LOOKS = 4
"""How often in the length of a lease a suspect looks whether it may be handled."""

_OF_THE_MACHINE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE, errno.EROFS})
"""Errors that any member would have met: a disk is full or read-only, too many files are open."""

_UNSENT = (ShardState.GATHERING, ShardState.PENDING, ShardState.UPLOADED)
"""States in which nothing of a shard has been sent, nor may be without it."""


def due_shards(context: WorkerContext, stage: Stage, limit: int) -> list[ShardWork]:
    """Lease shards that are due; those that are quarantined or given up are seen to, and not among them."""
    while shards := context.work.lease_shards(stage, limit):
        with uncounted(context, shards, stage):
            healthy = [shard for shard in shards if not _is_seen_to(context, shard, stage)]
        if healthy:
            return healthy
    return []


def _is_seen_to(context: WorkerContext, shard: ShardWork, stage: Stage) -> bool:
    if shard.crashes >= context.settings.quarantine_after:
        with handling(context, shard, stage):
            _quarantine(context, shard, stage)
        return True
    if is_given_up(shard.decision) and shard.state != ShardState.DONE:
        with handling(context, shard, stage):
            _give_up(context, shard, stage)
        return True
    return _is_put_off(context, shard, stage)


def _is_put_off(context: WorkerContext, member: ShardWork | JobWork, stage: Stage) -> bool:
    """Whether a suspect has to wait for another one: were both lost, nobody could tell over which."""
    if not member.is_suspect or context.work.enter_alone(member, stage):
        return False
    context.work.put_off(member, stage, jittered_s(context.settings.lease_s / _LOOKS))
    return True


def due_jobs(context: WorkerContext, stage: Stage, limit: int) -> list[JobWork]:
    """Lease jobs that are due; those that are quarantined are set aside, and not among them."""
    while jobs := context.work.lease_jobs(stage, limit):
        with uncounted(context, jobs, stage):
            healthy = [job for job in jobs if not _is_job_seen_to(context, job, stage)]
        if healthy:
            return healthy
    return []


def _is_job_seen_to(context: WorkerContext, job: JobWork, stage: Stage) -> bool:
    if job.crashes >= context.settings.quarantine_after:
        _set_aside(context, job, stage, _reason(job, stage))
        return True
    return _is_put_off(context, job, stage)


@contextmanager
def uncounted(context: WorkerContext, members: Sequence[_Member], stage: Stage) -> Iterator[None]:
    """Give leases back when Redis or this machine is in trouble, as far as it lets us: no member's crash."""
    try:
        yield
    except (
        RedisConnectionError,
        RedisTimeoutError,
        OutOfMemoryError,
        QueueUnavailableError,
        OSError,
    ) as error:
        if not isinstance(error, OSError) or error.errno in _OF_THE_MACHINE:
            with suppress(RedisError):
                for member in members:
                    if isinstance(member, ShardWork | JobWork):
                        context.work.put_off(member, stage, jittered_s(context.settings.lease_s / _LOOKS))
        raise


@contextmanager
def handling(context: WorkerContext, member: _Member, stage: Stage) -> Iterator[Hold]:
    """Hold a lease while its member is handled; one whose records cannot be read is set aside."""
    with uncounted(context, [member], stage), context.leases.holding(member, stage) as hold:
        try:
            yield hold
        except LedgerError as error:
            _broken(context, member, stage, str(error))
        except ResponseError as error:
            if "WRONGTYPE" not in str(error):
                raise
            _broken(context, member, stage, "one of its keys holds something of another type")
        if isinstance(member, ShardWork | JobWork) and member.is_suspect:
            context.work.leave_alone(member, stage)


def _broken(context: WorkerContext, member: _Member, stage: Stage, reason: str) -> None:
    """What is wrong with one rider's job must not stop the others: they part, until it stands alone."""
    if isinstance(member, ShardWork) and member.carriage is not None and _is_unsent(member, stage):
        with suppress(LedgerError, ResponseError):
            turned_away(context, member, reason)
            return
    _set_aside(context, member, stage, reason)


def _reason(member: ShardWork | JobWork, stage: Stage) -> str:
    workers = f"{member.crashes} workers in a row have died over it, or come to no end"
    return f"quarantined in the stage {stage}: {workers}"


def _is_unsent(shard: ShardWork, stage: Stage) -> bool:
    # A batch that an audit has found for it may have run it, whatever its state says.
    return stage is Stage.SUBMIT and shard.state in _UNSENT and not decided_batch(shard.decision)


def _quarantine(context: WorkerContext, shard: ShardWork, stage: Stage) -> None:
    reason = _reason(shard, stage)
    if shard.state == ShardState.SUBMITTING:
        _free_gate(context, shard)
        doubt(context, shard, reason)
    elif _is_unsent(shard, stage) and shard.crashes == context.settings.quarantine_after:
        # Were this to end the worker too, the next one sets it aside.
        _log.error("quarantined", member=shard.id, stage=str(stage), reason=reason)
        turned_away(context, shard, f"{reason}; nothing of it was sent")
    else:
        _set_aside(context, shard, stage, reason)


def _set_aside(context: WorkerContext, member: _Member, stage: Stage, reason: str) -> None:
    if not context.work.set_aside(member, stage, reason):
        return
    _log.error("set_aside", member=member.id, stage=str(stage), reason=reason)
    with suppress(LedgerError, ResponseError):
        if isinstance(member, ShardWork):
            if _is_unsent(member, stage):
                admitting.leave(context, member)
            explain(context, member, f"shard {member.id} is set aside: {reason}")
        else:
            context.jobs.explain(getattr(member, "job_id", member.id), f"set aside: {reason}")


def _free_gate(context: WorkerContext, shard: ShardWork) -> None:
    """Let the account go on with others; the gate may be held under the lease of a worker that died."""
    with suppress(ProviderError):
        if gating.enter(context, shard):
            gating.leave(context, shard)


def _give_up(context: WorkerContext, shard: ShardWork, stage: Stage) -> None:
    """A person has given a shard up: what has no outcome ends without one."""
    if shard.state == ShardState.SUBMITTED and not shard.unconfirmed and not shard.adopted:
        try:
            context.provider(shard.route).cancel(shard.batch_id)
        except ProviderError as error:
            _log.warning("cancel_failed", shard=shard.id, reason=str(error))
    if _is_unsent(shard, stage):
        kind, message = ErrorType.INVALID_REQUEST, "given up by a person; it was not sent"
    else:
        # The audit that found a batch for it finds that it is not wanted now, and cancels it.
        batch_id = shard.batch_id or decided_batch(shard.decision)
        batch = f" (batch {batch_id})" if batch_id else ""
        kind, message = ErrorType.UNKNOWN, f"given up by a person; it may have been paid for{batch}"
    close_unanswered(context, shard, stage, kind, message)
    context.nudge(Stage.SETTLE)
    _log.warning("given_up_by_a_person", shard=shard.id, batch=shard.batch_id)
