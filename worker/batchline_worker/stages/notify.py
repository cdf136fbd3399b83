"""Notify: tell the application that a job has ended, at least once, whatever crashes.

Whoever is told twice can tell by the message's id. What was sent and not yet
written is sent again, when the lease of the worker that died ends.
"""

from __future__ import annotations

from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING

import orjson
import structlog

from batchline_shared.ledger import Attempted, DeliveryKind, DeliveryState, Stage
from batchline_worker.backoff import delay_s, jittered_s
from batchline_worker.hooks import Message
from batchline_worker.stages.quarantine import handling

if TYPE_CHECKING:
    from batchline_shared.ledger import DeliveryWork, JobMeta
    from batchline_worker.context import WorkerContext
    from batchline_worker.hooks import Attempt

__all__ = ["work"]

_log = structlog.get_logger("batchline.notify")

_TASK_WAIT_S = 600.0
"""Longest wait before a broker is tried again. It is ours to mend, so it is tried while the job is kept."""


def work(context: WorkerContext) -> int:
    """Make one attempt of one delivery that is due."""
    deliveries = context.work.lease_deliveries(1)
    for delivery in deliveries:
        with handling(context, delivery, Stage.NOTIFY):
            _deliver(context, delivery)
    return len(deliveries)


def _deliver(context: WorkerContext, delivery: DeliveryWork) -> None:
    meta = context.jobs.find(delivery.job_id)
    if meta is None:
        context.deliveries.note(delivery, DeliveryState.GIVEN_UP, None, message="the job is gone")
        return
    now_ms = context.work.now_ms()
    attempt = context.senders[delivery.kind].send(_message(delivery, meta, now_ms))
    state, wait_s = _next(context, delivery, attempt)
    tried = Attempted(now_ms, attempt.status_code, attempt.error)
    fields: dict[str, str | int | bytes] = {
        "tries": delivery.tries + 1,
        "attempts": delivery.with_attempt(tried),
        "message": attempt.message,
    }
    context.deliveries.note(delivery, state, wait_s, **fields)
    if attempt.error is None:
        _log.info("told", delivery=delivery.id, status_code=attempt.status_code)
    else:
        again_in_s = None if wait_s is None else round(wait_s, 1)
        _log.warning("not_told", delivery=delivery.id, again_in_s=again_in_s, reason=attempt.message)


def _message(delivery: DeliveryWork, meta: JobMeta, now_ms: int) -> Message:
    """The same but for the time, whenever it is sent."""
    data = {
        "id": meta.id,
        "status": delivery.status,
        "counts": delivery.counts,
        "metadata": meta.metadata,
    }
    ended_at = datetime.fromtimestamp(delivery.ended_ms / 1000, UTC)
    event = {"type": f"batch.{delivery.status}", "timestamp": ended_at.isoformat(), "data": data}
    return Message(
        id=delivery.message_id,
        target=delivery.target,
        job_id=meta.id,
        body=orjson.dumps(event),
        sent_at=datetime.fromtimestamp(now_ms / 1000, UTC),
    )


def _next(
    context: WorkerContext, delivery: DeliveryWork, attempt: Attempt
) -> tuple[DeliveryState, float | None]:
    """Where the delivery stands after an attempt, and the wait before the next one."""
    if attempt.error is None:
        return DeliveryState.DELIVERED, None
    if attempt.status_code == HTTPStatus.GONE:
        return DeliveryState.REFUSED, None
    if delivery.kind is DeliveryKind.TASK:
        return DeliveryState.PENDING, delay_s(delivery.tries, cap_s=_TASK_WAIT_S)
    waits_s = context.settings.webhook_waits_s
    if delivery.tries >= len(waits_s):
        return DeliveryState.GIVEN_UP, None
    return DeliveryState.PENDING, jittered_s(waits_s[delivery.tries])
