"""Telling the workers that there is something to do.

A nudge is a Celery message without arguments. It may be lost or doubled: the
next tick looks at the ledger anyway. So a broker that cannot be reached is
logged and no error: the job is in the ledger already.
"""

from __future__ import annotations

import logging
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from batchline_shared.broker import NO_PATIENCE, NUDGE_EXPIRES_S, broker_settings, queue_of, task_of
from batchline_shared.ledger import keys

if TYPE_CHECKING:
    from batchline_shared.ledger import Stage
    from batchline_shared.settings import Settings

__all__ = ["nudge"]

_log = logging.getLogger("batchline")


@lru_cache(maxsize=8)
def _producer(broker_url: str) -> Any:
    # Celery takes longer to import than all the rest; only who enqueues pays for it.
    from celery import Celery  # noqa: PLC0415

    app = Celery("batchline-client", set_as_current=False)
    app.conf.update(task_serializer="json", result_backend=None, **broker_settings(broker_url, **NO_PATIENCE))
    return app


def nudge(client: Any, settings: Settings, stage: Stage) -> None:
    """Send one message for `stage`, unless somebody has just done so."""
    fresh_ms = max(1, int(settings.tick_interval_s * 250))
    if not client.set(keys.NUDGE % stage, 1, nx=True, px=fresh_ms):
        return
    try:
        _producer(settings.effective_broker_url).send_task(
            task_of(stage), queue=queue_of(stage), expires=NUDGE_EXPIRES_S, retry=False, ignore_result=True
        )
    except Exception as error:  # noqa: BLE001 - kombu's errors have no common root; see the module's text
        _log.warning(
            "the broker could not be nudged (%s); workers will see the job at their next tick",
            type(error).__name__,
        )
