"""Sending a task of the application's own Celery app, with a job's id and nothing else.

That app may live on our broker or on one of its own. Ours keeps its queues under a key prefix; the
application's are where Celery puts them by default, so that an app without any setting receives them.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from celery import Celery

from batchline_shared.broker import NO_PATIENCE, broker_settings
from batchline_shared.errors import InvalidInputError
from batchline_shared.hooks import parse_task
from batchline_shared.ledger import DeliveryError
from batchline_shared.redis_url import is_redis
from batchline_worker.hooks.base import Attempt

if TYPE_CHECKING:
    from batchline_shared.settings import Settings
    from batchline_worker.hooks.base import Message

__all__ = ["TaskSender"]


class TaskSender:
    """Publishes tasks that other apps define."""

    def __init__(self, settings: Settings) -> None:
        """Keep where to send; nothing is connected yet."""
        self._settings = settings
        self._lock = threading.Lock()
        self._app: Any = None

    def send(self, message: Message) -> Attempt:
        """Hand the task to the broker, under an id that is the same for every attempt."""
        try:
            target = parse_task(message.target)
        except InvalidInputError as error:
            return Attempt(DeliveryError.NOT_CONFIGURED, message=str(error))
        try:
            self._publisher().send_task(
                target.task,
                args=[message.job_id],
                task_id=message.id,
                queue=target.queue or self._settings.on_complete.queue,
                retry=False,
                ignore_result=True,
            )
        except Exception as error:  # noqa: BLE001 - kombu's errors have no common root
            # Its words may quote the broker's address, and that a password.
            text = (
                f"the broker did not take the task ({type(error).__name__}); look at BATCHLINE_ON_COMPLETE__…"
            )
            return Attempt(DeliveryError.BROKER, message=text)
        return Attempt()

    def _publisher(self) -> Any:
        with self._lock:
            if self._app is None:
                self._app = _app(self._settings)
            return self._app


def _app(settings: Settings) -> Any:
    broker_url = settings.on_complete.broker_url or settings.effective_broker_url
    app = Celery("batchline-hooks", set_as_current=False)
    options: dict[str, Any] = dict(NO_PATIENCE)
    if is_redis(broker_url):
        options["global_keyprefix"] = settings.on_complete.key_prefix
    app.conf.update(task_serializer="json", result_backend=None, **broker_settings(broker_url, **options))
    return app
