"""What a nudge does: work on a stage until nothing is due."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import structlog

from batchline_shared.errors import QueueUnavailableError
from batchline_shared.ledger import Stage, redis_errors, server_name
from batchline_worker.stages import audit, clean, collect, deadline, live, notify, plan, poll, settle, submit

if TYPE_CHECKING:
    from collections.abc import Callable

    from batchline_worker.context import WorkerContext
    from batchline_worker.settings import WorkerSettings

__all__ = ["Drains"]

_log = structlog.get_logger("batchline.worker")

_SLICE_S = 30.0
"""Seconds after which a drain makes room for other stages in its pool, and is nudged again."""

_WORK: dict[Stage, Callable[[WorkerContext], int]] = {
    Stage.PLAN: plan.work,
    Stage.SUBMIT: submit.work,
    Stage.POLL: poll.work,
    Stage.COLLECT: collect.work,
    Stage.SETTLE: settle.work,
    Stage.CLEAN: clean.work,
    Stage.DEADLINE: deadline.work,
    Stage.LIVE: live.work,
    Stage.NOTIFY: notify.work,
    Stage.AUDIT: audit.work,
}


class Drains:
    """Runs the stages of one process, each in a bounded number of threads.

    The bound keeps memory bounded, and keeps a hundred slow uploads from
    holding every thread while polls wait.
    """

    def __init__(self, context: WorkerContext, settings: WorkerSettings) -> None:
        self._context = context
        counts = dict.fromkeys(Stage, 1)
        counts[Stage.SUBMIT] = settings.parallel_uploads
        counts[Stage.COLLECT] = settings.parallel_collects
        counts[Stage.NOTIFY] = settings.parallel_notices
        self._room = {stage: threading.BoundedSemaphore(count) for stage, count in counts.items()}

    def drain(self, stage: Stage) -> int:
        """Work on what is due in `stage`, until nothing is, or the process is to stop.

        Returns:
            How many jobs or shards were worked on; 0 when all threads of the stage are busy,
            which then see to it.
        """
        room = self._room[stage]
        if not room.acquire(blocking=False):
            return 0
        try:
            return self._drain(stage)
        finally:
            room.release()

    def _drain(self, stage: Stage) -> int:
        context = self._context
        total = 0
        until = time.monotonic() + _SLICE_S
        while not context.stopping.is_set():
            try:
                with redis_errors(server_name(context.redis)):
                    count = _WORK[stage](context)
            except QueueUnavailableError as error:
                # The lease runs out and somebody tries again; nothing else to do without Redis.
                _log.warning("ledger_unavailable", stage=str(stage), reason=str(error))
                return total
            except Exception:  # noqa: BLE001 - logged; see below
                # A row that cannot be handled keeps its lease until it ends, so
                # it cannot stop the others; the log says where to look.
                _log.exception("stage_failed", stage=str(stage))
                return total
            total += count
            if not count:
                return total
            if time.monotonic() > until:
                context.nudge(stage)
                return total
        return total
