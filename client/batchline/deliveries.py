"""How telling of a job's ends has gone, as users see it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from batchline_shared.ledger import Deliveries, DeliveryError, DeliveryKind, DeliveryState, JobStatus

if TYPE_CHECKING:
    from batchline.connection import Connection
    from batchline_shared.ledger import DeliveryWork

__all__ = ["Delivery", "DeliveryAttempt", "deliveries_of"]


class DeliveryAttempt(BaseModel):
    """One attempt to tell of a job's end."""

    model_config = ConfigDict(frozen=True)

    at: datetime
    status_code: int | None
    """The endpoint's answer; None without one."""
    error: DeliveryError | None
    """Why it failed; None where it was delivered."""


class Delivery(BaseModel):
    """That a job has ended, to be told to a task or to an endpoint."""

    model_config = ConfigDict(frozen=True)

    id: str
    """What the receiver sees as the task's id or as `webhook-id`; the same for every attempt."""
    kind: DeliveryKind
    target: str
    """The task, or the endpoint's name."""
    state: DeliveryState
    status: JobStatus
    """The job's status at that end; a retry ends again."""
    ended_at: datetime
    tries: int
    attempts: list[DeliveryAttempt]
    """The newest twenty, the latest last."""
    next_try_at: datetime | None
    """When it is tried (again); None once it is not."""
    message: str
    """What the last attempt failed of. May be empty."""


def deliveries_of(connection: Connection, job_id: str) -> list[Delivery]:
    """See `Job.deliveries`."""
    connection.jobs.meta(job_id)
    return [_public(work) for work in Deliveries(connection.redis).of_job(job_id)]


def _public(work: DeliveryWork) -> Delivery:
    return Delivery(
        id=work.message_id,
        kind=work.kind,
        target=work.target,
        state=work.state,
        status=JobStatus(work.status),
        ended_at=_moment(work.ended_ms),
        tries=work.tries,
        attempts=[
            DeliveryAttempt(
                at=_moment(one.at_ms),
                status_code=one.status_code,
                error=None if one.error is None else DeliveryError(one.error),
            )
            for one in work.attempts
        ],
        next_try_at=_moment(work.next_ms) if work.next_ms else None,
        message=work.message,
    )


def _moment(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)
