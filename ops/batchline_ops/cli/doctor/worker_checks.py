"""Celery's side: the broker, and the workers that answer through it."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from batchline_ops.cli.doctor.findings import fail, ok, warn
from batchline_shared.broker import broker_settings
from batchline_shared.errors import BatchlineError
from batchline_shared.ledger import connect, redis_errors, server_name
from batchline_shared.redis_url import is_redis

if TYPE_CHECKING:
    from batchline_ops.cli.doctor.findings import Finding
    from batchline_shared.settings import Settings

__all__ = ["check_workers"]


def check_workers(settings: Settings, *, active_jobs: int, timeout_s: float) -> list[Finding]:
    """Ask the broker, then every worker, for a sign of life."""
    broker = _broker(settings.effective_broker_url)
    if broker.advice:
        return [broker]
    return [broker, _workers(settings.effective_broker_url, active_jobs=active_jobs, timeout_s=timeout_s)]


def _broker(url: str) -> Finding:
    check = "Broker"
    if not is_redis(url):
        return ok(check, "is reached by other means than Redis' own; not asked")
    try:
        with contextlib.closing(connect(_for_redis_py(url))) as client, redis_errors(server_name(client)):
            client.ping()
            return ok(check, f"answers at {server_name(client)}")
    except BatchlineError as error:
        said = str(error).replace("BATCHLINE_REDIS_URL", "BATCHLINE_BROKER_URL")
        return fail(
            check, said, "Start it, or correct BATCHLINE_BROKER_URL; it defaults to the ledger's server"
        )


def _for_redis_py(url: str) -> str:
    """Celery's name for a socket is not redis-py's."""
    return url.replace("redis+socket://", "unix://", 1)


def _workers(broker_url: str, *, active_jobs: int, timeout_s: float) -> Finding:
    from celery import Celery  # noqa: PLC0415 - its import takes longer than all other checks

    check = "Workers"
    app = Celery("batchline-doctor", set_as_current=False)
    app.conf.update(result_backend=None, **broker_settings(broker_url))
    try:
        # An inspect with a limit of one returns early; how many there are, only the time-out tells.
        names = sorted(app.control.inspect(timeout=timeout_s).ping() or {})
    except Exception as error:  # noqa: BLE001 - kombu's errors have no common root
        return warn(check, f"could not be asked ({type(error).__name__})", "Look at the broker")
    finally:
        app.close()
    if names:
        return ok(check, f"{len(names)} answer: {', '.join(names)}")
    start = "Start one: batchline up, or celery -A batchline_worker.app worker"
    if active_jobs:
        return fail(check, f"none answers within {timeout_s:g} s, and {active_jobs:,} jobs wait", start)
    return warn(check, f"none answers within {timeout_s:g} s", start)
