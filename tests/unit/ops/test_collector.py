"""The gauges that stand beside Flower's own."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, generate_latest

from batchline_ops.flower.collector import LedgerCollector
from batchline_shared.ledger import Overview

OVERVIEW = Overview(
    jobs={"active": 2, "completed": 5},
    shards={"submitted": 3},
    requests={"succeeded": 100},
    oldest_due_s={"poll": 1.5},
)


def scrape(collector: LedgerCollector) -> list[str]:
    registry = CollectorRegistry()
    registry.register(collector)
    return generate_latest(registry).decode().splitlines()


def test_every_number_of_the_overview_becomes_a_gauge_with_its_label() -> None:
    lines = scrape(LedgerCollector(lambda: OVERVIEW))

    assert 'batchline_jobs{status="active"} 2.0' in lines
    assert 'batchline_jobs{status="completed"} 5.0' in lines
    assert 'batchline_shards{state="submitted"} 3.0' in lines
    assert 'batchline_requests{outcome="succeeded"} 100.0' in lines
    assert 'batchline_oldest_due_seconds{stage="poll"} 1.5' in lines
    assert "batchline_ledger_up 1.0" in lines


def test_a_ledger_that_does_not_answer_is_itself_a_number() -> None:
    def unreachable() -> Overview:
        raise ConnectionError

    lines = scrape(LedgerCollector(unreachable))

    assert "batchline_ledger_up 0.0" in lines
    assert not any(line.startswith("batchline_jobs{") for line in lines)


def test_registering_does_not_ask_the_ledger() -> None:
    asked: list[bool] = []

    def overview() -> Overview:
        asked.append(True)
        return OVERVIEW

    CollectorRegistry(auto_describe=True).register(LedgerCollector(overview))

    assert asked == []
