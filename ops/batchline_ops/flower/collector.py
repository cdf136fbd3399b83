"""Batchline's gauges on Flower's `/metrics`: jobs, shards, requests, and how late the oldest work is.

Flower counts Celery's tasks, which here are nudges; these numbers come from the ledger.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from prometheus_client import Metric

    from batchline_shared.ledger import Overview

__all__ = ["LedgerCollector", "ledger_overview"]

_TIMEOUT_S = 2.0
"""A scrape blocks Flower's only thread for at most about this long."""


class LedgerCollector(Collector):
    """Asks the ledger anew for every scrape. A ledger that does not answer is itself a number."""

    def __init__(self, overview: Callable[[], Overview]) -> None:
        """Take the question to ask; it may raise, and is then counted as `batchline_ledger_up 0`."""
        self._overview = overview

    def describe(self) -> Iterator[Metric]:
        """Nothing: so that registering does not ask the ledger."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """Ask, and turn the answer into gauges."""
        up = GaugeMetricFamily("batchline_ledger_up", "1 if the ledger answered this scrape, else 0.")
        try:
            overview = self._overview()
        except Exception:  # noqa: BLE001 - Flower's own numbers must be served all the same
            up.add_metric([], 0)
            yield up
            return
        up.add_metric([], 1)
        yield up
        yield _gauge("batchline_jobs", "Jobs by status.", "status", overview.jobs)
        yield _gauge("batchline_shards", "Shards (provider batches) by state.", "state", overview.shards)
        yield _gauge("batchline_requests", "Requests by outcome.", "outcome", overview.requests)
        yield _gauge(
            "batchline_oldest_due_seconds",
            "Seconds by which the oldest work of a stage is overdue.",
            "stage",
            overview.oldest_due_s,
        )
        aside = GaugeMetricFamily("batchline_set_aside", "Jobs, shards and others that wait for a person.")
        aside.add_metric([], overview.set_aside)
        yield aside


def ledger_overview() -> Overview:
    """Ask the ledger that this process's settings name.

    Imported late: a Flower whose ledger cannot be imported or reached still serves Celery's numbers.
    """
    from redis import Redis  # noqa: PLC0415 - see above

    from batchline_shared.ledger import overview  # noqa: PLC0415 - see above
    from batchline_shared.settings import Settings  # noqa: PLC0415 - see above

    url = Settings.load().redis_url
    with Redis.from_url(
        url, socket_timeout=_TIMEOUT_S, socket_connect_timeout=_TIMEOUT_S, retry=None
    ) as client:
        return overview(client)


def _gauge(name: str, text: str, label: str, values: Mapping[str, float]) -> Metric:
    family = GaugeMetricFamily(name, text, labels=[label])
    for key, value in values.items():
        family.add_metric([key], value)
    return family
