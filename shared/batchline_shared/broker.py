"""The names and settings of Celery's side that the client and the workers must agree on.

Plain values: this package does not import Celery.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from batchline_shared.redis_url import SENTINEL, SentinelAddress, is_redis, tls_options

if TYPE_CHECKING:
    from batchline_shared.ledger import Stage

__all__ = [
    "BROKER_OPTIONS",
    "NO_PATIENCE",
    "NUDGE_EXPIRES_S",
    "TICK_QUEUE",
    "TICK_TASK",
    "broker_settings",
    "queue_of",
    "task_of",
]

TICK_TASK: Final = "batchline.tick"
TICK_QUEUE: Final = "batchline.tick"

NUDGE_EXPIRES_S: Final = 60
"""Seconds after which an undelivered nudge is dropped: by then, a tick has done its work."""

BROKER_OPTIONS: Final[dict[str, Any]] = {
    "global_keyprefix": "batchline:celery:",
    # Nudges need no acknowledgement: a lost one costs a tick. Keeping those that are under way in Redis would
    # have a worker end when the server is full, or goes away, before it has acknowledged one.
    "ack_emulation": False,
    # Without a time-out, publishing to a frozen Redis blocks for ever.
    "socket_timeout": 10,
    "socket_connect_timeout": 5,
    "socket_keepalive": True,
    "health_check_interval": 15,
    "retry_on_timeout": False,
}

NO_PATIENCE: Final = {"max_retries": 1, "interval_start": 0.1, "interval_step": 0.0, "interval_max": 0.1}
"""`retry=False` spares the message's retries, not the connection's: kombu would try for six seconds."""


def broker_settings(url: str, **options: Any) -> dict[str, Any]:
    """Celery's settings for the broker at `url`, from every process alike.

    Args:
        url: As `BATCHLINE_BROKER_URL`; see `redis_url`. One that is not Redis' is handed on as it is.
        options: Transport options beside ours.

    Raises:
        ConfigurationError: A `sentinel://` URL is malformed.
    """
    if not is_redis(url):
        return {"broker_url": url, "broker_transport_options": options}
    transport = {**BROKER_OPTIONS, **options}
    if urlsplit(url).scheme == SENTINEL:
        address = SentinelAddress.parse(url)
        transport |= {"master_name": address.master, "sentinel_kwargs": _patience(address)}
        return {"broker_url": address.for_celery(), "broker_transport_options": transport}
    found: dict[str, Any] = {"broker_url": url, "broker_transport_options": transport}
    if tls := tls_options(url):
        found["broker_use_ssl"] = tls
    return found


def _patience(address: SentinelAddress) -> dict[str, Any]:
    """Credentials of the Sentinels, and the time-outs: a frozen one must not hold up asking the next."""
    names = ("socket_timeout", "socket_connect_timeout")
    return {**address.sentinel_options, **dict.fromkeys(names, BROKER_OPTIONS["socket_connect_timeout"])}


def task_of(stage: Stage) -> str:
    """The name of the task that works on a stage."""
    return f"batchline.{stage}"


def queue_of(stage: Stage) -> str:
    """The queue of a stage; each has its own, so that polls do not wait behind uploads."""
    return f"batchline.{stage}"
