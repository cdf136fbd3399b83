"""Following a batch that somebody else made: a job without requests, whose one shard has its batch already.

Until the provider has shown the batch, and it is none of ours, nothing is done to it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import structlog

from batchline_shared.accounts import parse_model
from batchline_shared.errors import ProviderAuthError, ProviderRejectedError
from batchline_shared.ledger import Segment, Stage
from batchline_shared.ledger.work_records import job_of

if TYPE_CHECKING:
    from batchline_shared.errors import ProviderError
    from batchline_shared.ledger import JobMeta, JobWork, ShardWork
    from batchline_worker.context import WorkerContext
    from batchline_worker.providers.base import RemoteBatch

__all__ = [
    "UNKNOWN_AFTER",
    "accepts",
    "denied",
    "is_ours",
    "is_unseen",
    "make_shard",
    "noted",
    "refuse",
    "taken",
]

_log = structlog.get_logger("batchline.adoption")

UNKNOWN_AFTER: Final = 3
"""How often in a row the provider must not show a batch that it never showed: nothing was paid for by us, and
whoever gave a wrong id, or adopts a moment after creating, wants to know soon."""

_FORBIDDEN: Final = 403

_OURS: Final = re.compile(r"bl-([0-9a-f]{20}-\d+)(?:-c\d+)?-\d+")
"""A line's id that `building.wire_prefix` began."""

_CUT: Final = re.compile(r"-c\d+$")


def make_shard(context: WorkerContext, job: JobWork, meta: JobMeta) -> bool:
    """Create the job's one shard, also where it is to be cancelled: its batch may run; False if others do."""
    if job.next_shard:
        return True
    route = parse_model(meta.model).route
    made = context.work.adopt_shard(job, route=route, batch_id=meta.adopted, attempt=meta.attempt)
    if made is not None:
        context.nudge(Stage.POLL)
    return made is not None


def is_unseen(shard: ShardWork) -> bool:
    """Whether nobody has looked yet at an adopted batch, so that it may be none, or one of ours."""
    return shard.adopted and not shard.provider_status


def denied(error: ProviderError) -> bool:
    """Whether an error says that there is no such batch, or none that this account may see."""
    if isinstance(error, ProviderAuthError):
        return error.status_code == _FORBIDDEN
    return isinstance(error, ProviderRejectedError)


def accepts(context: WorkerContext, shard: ShardWork, batch: RemoteBatch) -> bool:
    """Look at an adopted batch for the first time; False when it was refused: a shard of ours has it."""
    owner = batch.shard_id and _CUT.sub("", batch.shard_id)
    if not owner and not context.gates.noted(shard.route, [batch.id]):
        return True
    refuse(context, shard, Stage.POLL, taken(context, batch.id, owner))
    return False


def is_ours(line_id: str) -> str:
    """The shard of ours, perhaps of another ledger, that a result line's id names; empty for others."""
    found = _OURS.fullmatch(line_id)
    return found[1] if found else ""


def refuse(context: WorkerContext, shard: ShardWork, stage: Stage, reason: str) -> None:
    """End an adoption that cannot be: the job fails, without requests."""
    context.naming.set_total(shard.job_id, 0)
    context.jobs.explain(shard.job_id, reason)
    if context.work.close_shard(shard, stage, message=reason):
        context.nudge(Stage.SETTLE)
        _log.warning("adoption_refused", shard=shard.id, batch=shard.batch_id, reason=reason)


def noted(context: WorkerContext, shard: ShardWork, batch: RemoteBatch) -> dict[str, Any]:
    """Show how many requests the provider counts; returns what to write of it in the shard."""
    if not shard.adopted or batch.total == shard.segment.rows:
        return {}
    context.naming.set_total(shard.job_id, batch.total)
    return {"segment": Segment(0, batch.total, 0, 0).encode()}


def taken(context: WorkerContext, batch_id: str, owner: str | None) -> str:
    """Say whose a batch is that must not be adopted."""
    start = f"batch {batch_id} was made by Batchline"
    if not owner:
        return f"{start}, for a job of this ledger, which has its results"
    known = context.work.shard(owner) is not None
    job = f"job {job_of(owner)}"
    return (
        f"{start}: it belongs to {job}, read that one" if known else f"{start}, for {job} of another ledger"
    )
