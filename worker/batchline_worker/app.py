"""The Celery app: `celery -A batchline_worker.app worker -P threads -c 8` (and `… beat`, if you like).

Messages carry no arguments: each task looks at the ledger, leases what is due
and does it. Losing or doubling a message changes nothing.
"""

from __future__ import annotations

import threading
import time
from typing import Any

import structlog
from celery import Celery, bootsteps
from celery.signals import setup_logging, worker_shutting_down
from kombu.entity import Exchange, Queue
from kombu.transport.redis import Channel

from batchline_shared.broker import (
    NO_PATIENCE,
    NUDGE_EXPIRES_S,
    TICK_QUEUE,
    TICK_TASK,
    broker_settings,
    queue_of,
    task_of,
)
from batchline_shared.errors import QueueUnavailableError
from batchline_shared.ledger import Stage, redis_errors, server_name
from batchline_shared.ledger.safety import dangers
from batchline_worker.context import WorkerContext
from batchline_worker.drain import Drains
from batchline_worker.logs import set_up_logs
from batchline_worker.settings import WorkerSettings, load_provider_keys
from batchline_worker.ticking import Ticker, tick

__all__ = ["app"]

_log = structlog.get_logger("batchline.worker")

_PAUSE_S = 2.0
"""Seconds between two attempts to consume from the broker."""

# A message that is not acknowledged when the broker goes away would be put back, or, as that fails, be
# written to a file: it is a nudge, and the next tick repeats it.
Channel.do_restore = False

load_provider_keys()
settings = WorkerSettings.load()


def _queue(name: str) -> Any:
    # An exchange of its own: queues that share one would each get every message.
    return Queue(name, Exchange(name), routing_key=name)  # type: ignore[no-untyped-call]


app = Celery("batchline")
app.conf.update(
    # Of nudges, which the work at hand must not wait for; consuming has its own, see `broker_connection_…`.
    **broker_settings(settings.effective_broker_url, **NO_PATIENCE),
    task_serializer="json",
    accept_content=["json"],
    result_backend=None,
    task_ignore_result=True,
    task_acks_late=False,  # messages are hints; the lease is the redelivery
    worker_prefetch_multiplier=1,
    task_default_queue=TICK_QUEUE,
    task_queues=[_queue(name) for name in (TICK_QUEUE, *map(queue_of, Stage))],
    task_routes={TICK_TASK: {"queue": TICK_QUEUE}, **{task_of(s): {"queue": queue_of(s)} for s in Stage}},
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    broker_channel_error_retry=True,  # a full server or a replica refuses; that passes, as an outage does
    broker_pool_limit=10,
    task_publish_retry_policy={"max_retries": 2, "interval_start": 0.1, "interval_max": 1},
    worker_soft_shutdown_timeout=60,
    worker_enable_soft_shutdown_on_idle=False,
    worker_cancel_long_running_tasks_on_connection_loss=False,  # it would kill a create under way
    worker_send_task_events=True,
    worker_redirect_stdouts=False,
    enable_utc=True,
    beat_schedule={
        "tick": {
            "task": TICK_TASK,
            "schedule": settings.tick_interval_s,
            "options": {"expires": max(1.0, settings.tick_interval_s), "queue": TICK_QUEUE},
        }
    },
    beat_max_loop_interval=max(1.0, settings.tick_interval_s),
)


class _Process:
    """What this process's tasks work with; made by the first of them, after any fork."""

    def __init__(self) -> None:
        self.stopping = threading.Event()
        self._lock = threading.Lock()
        self._made: tuple[WorkerContext, Drains] | None = None

    def parts(self) -> tuple[WorkerContext, Drains]:
        """The context and the drains.

        Raises:
            QueueUnavailableError, LedgerError, ConfigurationError: The ledger cannot be opened.
        """
        with self._lock:
            if self._made is None:
                context = WorkerContext(settings, send=_send)
                with redis_errors(server_name(context.redis)):
                    for danger in dangers(context.redis):
                        _log.error("redis_may_lose_jobs", reason=danger)
                self._made = context, Drains(context, settings)
            return self._made

    def stop(self) -> None:
        """Take no more work."""
        self.stopping.set()
        if self._made is not None:
            self._made[0].stopping.set()


process = _Process()


def _send(stage: Stage) -> None:
    try:
        app.send_task(task_of(stage), queue=queue_of(stage), expires=NUDGE_EXPIRES_S, retry=False)
    except Exception as error:  # noqa: BLE001 - kombu's errors have no common root; the next tick nudges again
        _log.warning("nudge_failed", stage=str(stage), error=type(error).__name__)


def _stage_task(stage: Stage) -> None:
    @app.task(name=task_of(stage))  # type: ignore[untyped-decorator]
    def run() -> int:
        """Work on what is due in one stage."""
        _, drains = process.parts()
        return drains.drain(stage)


for _stage in Stage:
    _stage_task(_stage)


# Without events: one each second would bury all else in Flower.
@app.task(name=TICK_TASK, send_events=False)  # type: ignore[untyped-decorator]
def run_tick() -> dict[str, int]:
    """Nudge the stages that have due work."""
    context, _ = process.parts()
    return {str(stage): count for stage, count in tick(context).items()}


class TickerStep(bootsteps.StartStopStep):  # type: ignore[misc]
    """Ticks from every worker, so that the queue moves on with no beat at all."""

    requires = {"celery.worker.components:Pool"}  # noqa: RUF012 - Celery reads a plain set

    def __init__(self, worker: Any, **kwargs: Any) -> None:
        super().__init__(worker, **kwargs)
        self._ticker: Ticker | None = None

    def start(self, parent: Any) -> None:  # noqa: ARG002 - Celery's signature
        """Open the ledger, so that a wrong setting stops the worker at its start, and begin to tick.

        A ledger that is away is waited for, as the broker is.
        """
        try:
            process.parts()
        except QueueUnavailableError as error:
            _log.warning("ledger_unavailable", reason=str(error))
        self._ticker = Ticker(lambda: process.parts()[0], interval_s=settings.tick_interval_s)
        self._ticker.start()

    def stop(self, parent: Any) -> None:  # noqa: ARG002 - Celery's signature
        """Tick no more."""
        if self._ticker is not None:
            self._ticker.stop()


class PauseStep(bootsteps.StartStopStep):  # type: ignore[misc]
    """Waits between two attempts at a broker that answers but refuses: Celery would make six a second."""

    def __init__(self, consumer: Any, **kwargs: Any) -> None:
        super().__init__(consumer, **kwargs)
        self._tried_at = -_PAUSE_S

    def stop(self, parent: Any) -> None:  # noqa: ARG002 - Celery's signature
        """Called between two attempts. Wait until the last is long enough ago, unless the worker ends."""
        process.stopping.wait(max(0.0, self._tried_at + _PAUSE_S - time.monotonic()))
        self._tried_at = time.monotonic()


steps: Any = app.steps  # Celery types it as maybe None; it is filled when the app is made
steps["worker"].add(TickerStep)
steps["consumer"].add(PauseStep)


@setup_logging.connect  # type: ignore[untyped-decorator]
def _on_setup_logging(**_: Any) -> None:
    set_up_logs(settings)


@worker_shutting_down.connect  # type: ignore[untyped-decorator]
def _on_shutdown(**_: Any) -> None:
    """Finish the rows at hand and take no others; what is leased but not begun runs out of its lease."""
    process.stop()
