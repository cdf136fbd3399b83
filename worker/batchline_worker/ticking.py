"""The tick: look what is due, and nudge. Idempotent, so that any number of clocks may run it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import structlog

from batchline_shared.errors import BatchlineError
from batchline_shared.ledger import Stage, keys, ledger_id, redis_errors, server_name
from batchline_shared.ledger.connection import check_schema
from batchline_worker.stages import admitting

if TYPE_CHECKING:
    from collections.abc import Callable

    from batchline_worker.context import WorkerContext

__all__ = ["Ticker", "tick"]

_log = structlog.get_logger("batchline.tick")

_MOST_NUDGES = 4
"""Messages for one stage in one tick: each drains until nothing is due, so a few suffice."""


_LIST_SWEEP_S = 60
"""Seconds between two looks for jobs on the list that are gone."""


def tick(context: WorkerContext) -> dict[Stage, int]:
    """Nudge every stage that has due work, unless somebody has ticked within the interval.

    Returns:
        Due rows by stage; empty when this was not our tick.
    """
    interval_ms = max(1, int(context.settings.tick_interval_s * 900))
    if not context.redis.set(keys.TICK, 1, nx=True, px=interval_ms):
        return {}
    _notice_a_wipe(context)
    due = {stage: count for stage, count in context.work.due_counts().items() if count}
    for stage, count in due.items():
        for _ in range(min(count, _MOST_NUDGES)):
            context.nudge(stage)
    admitting.sweep(context)
    if context.redis.set(keys.LIST_SWEEP, 1, nx=True, ex=_LIST_SWEEP_S):
        context.jobs.drop_gone()
        context.aside.drop_gone()
    return due


def _notice_a_wipe(context: WorkerContext) -> None:
    """Say so, once, when the ledger is no longer the one that this process began with, and go on with it.

    Nothing that this process still holds of the old one can be written: its leases are gone.
    """
    found = ledger_id(context.redis)
    if found == context.ledger_id:
        return
    check_schema(context.redis)
    context.ledger_id = found
    # The new one knows of no audit yet.
    context.audited.clear()
    _log.error(
        "ledger_wiped",
        reason="Redis was emptied, restored or replaced: jobs that are not in it any more are lost, and "
        "their batches may still run at the provider; restore a backup, or enqueue them again",
    )


class Ticker:
    """Ticks from a thread of every worker process, so that no beat is needed."""

    def __init__(self, find_context: Callable[[], WorkerContext], *, interval_s: float) -> None:
        """Args: find_context: Opens the ledger, if it is not; tried again with each tick while it fails."""
        self._find_context = find_context
        self._interval_s = interval_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="ticker", daemon=True)

    def start(self) -> None:
        """Begin to tick."""
        self._thread.start()

    def stop(self) -> None:
        """Tick no more."""
        self._stop.set()

    def _run(self) -> None:
        while not self._stop.wait(self._interval_s):
            try:
                context = self._find_context()
                with redis_errors(server_name(context.redis)):
                    tick(context)
            except BatchlineError as error:
                _log.warning("tick_failed", reason=str(error))
            except Exception:  # noqa: BLE001 - the next tick may succeed
                _log.exception("tick_failed")
