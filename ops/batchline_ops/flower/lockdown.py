"""What Flower's options cannot close, closed at its own tables: the HTTP API and the open `/metrics`.

Each change names what it relies on; `tests/integration/ops/test_flower.py` sees it on a running Flower.
"""

from __future__ import annotations

import os
from typing import Any

from flower import urls
from flower.events import EventsState
from flower.views.monitor import Metrics
from tornado.web import authenticated

from batchline_ops.flower.redaction import strip_event

__all__ = ["close_api", "protect_metrics", "strip_stored_events"]


def close_api() -> None:
    """Take every `/api/…` handler away: it shows arguments and can run tasks.

    `flower.app` reads this list when it makes its application, after the configuration.
    """
    urls.handlers[:] = [handler for handler in urls.handlers if not _pattern(handler).startswith("/api/")]
    # Beside opening the API it would let any web page read the others (CORS `*`).
    os.environ.pop("FLOWER_UNAUTHENTICATED_API", None)


def protect_metrics() -> None:
    """Ask for the password on `/metrics` too, where one is set; Flower never does."""
    # setattr: Flower's annotation-free coroutine has an inferred type that no decorator can keep.
    setattr(Metrics, "get", authenticated(Metrics.get))  # noqa: B010 - as said


def strip_stored_events() -> None:
    """Redact events before Flower stores them."""
    store = EventsState.event

    def event(self: EventsState, event: dict[str, Any]) -> None:
        store(self, strip_event(event))

    EventsState.event = event


def _pattern(handler: Any) -> str:
    """A handler is Tornado's `url(...)` object or a plain tuple."""
    return str(handler[0]) if isinstance(handler, tuple) else str(handler.regex.pattern)
