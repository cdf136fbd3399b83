"""The names and settings of Celery's side that the client and the workers must agree on.

Plain values: this package does not import Celery.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from batchline_shared.ledger import Stage

__all__ = [
    "BROKER_OPTIONS",
    "NO_PATIENCE",
    "NUDGE_EXPIRES_S",
    "TICK_QUEUE",
    "TICK_TASK",
    "queue_of",
    "task_of",
]

TICK_TASK: Final = "batchline.tick"
TICK_QUEUE: Final = "batchline.tick"

NUDGE_EXPIRES_S: Final = 60
"""Seconds after which an undelivered nudge is dropped: by then, a tick has done its work."""

BROKER_OPTIONS: Final[dict[str, Any]] = {
    "global_keyprefix": "batchline:celery:",
    "visibility_timeout": 3600,
    # Without a time-out, publishing to a frozen Redis blocks for ever.
    "socket_timeout": 10,
    "socket_connect_timeout": 5,
    "socket_keepalive": True,
    "health_check_interval": 15,
    "retry_on_timeout": False,
}

NO_PATIENCE: Final = {"max_retries": 1, "interval_start": 0.1, "interval_step": 0.0, "interval_max": 0.1}
"""`retry=False` spares the message's retries, not the connection's: kombu would try for six seconds."""


def task_of(stage: Stage) -> str:
    """The name of the task that works on a stage."""
    return f"batchline.{stage}"


def queue_of(stage: Stage) -> str:
    """The queue of a stage; each has its own, so that polls do not wait behind uploads."""
    return f"batchline.{stage}"
