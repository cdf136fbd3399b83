"""Tests of reading Anthropic's batch objects."""

from __future__ import annotations

from typing import Any

import pytest

from batchline_worker.providers.anthropic_batch import remote_batch
from batchline_worker.providers.base import BatchPhase
from recordings import recorded

COUNTS = {"processing": 0, "succeeded": 2, "errored": 1, "canceled": 0, "expired": 0}


def ended(**fields: Any) -> dict[str, Any]:
    counts = COUNTS | fields.pop("counts", {})
    return {
        "type": "message_batch",
        "id": "b",
        "processing_status": "ended",
        "request_counts": counts,
    } | fields


@pytest.mark.parametrize(
    ("name", "phase", "total"),
    [
        ("anthropic_batch_create_in_progress.json", BatchPhase.RUNNING, 3),
        ("anthropic_batch_retrieve_in_progress.json", BatchPhase.RUNNING, 3),
        ("anthropic_batch_canceling.json", BatchPhase.CANCELLING, 3),
        ("anthropic_batch_ended.json", BatchPhase.COMPLETED, 3),
    ],
)
def test_a_recorded_batch_is_read(name: str, phase: BatchPhase, total: int) -> None:
    body = recorded(name)

    batch = remote_batch(body)

    assert batch is not None
    assert (batch.id, batch.status) == (body["id"], body["processing_status"])
    assert (batch.phase, batch.total) == (phase, total)
    assert bool(batch.result_files) == phase.is_final
    assert batch.created_at_s is not None
    assert batch.created_at_s % 1 > 0


def test_every_batch_of_a_recorded_list_is_read() -> None:
    batches = [remote_batch(one) for one in recorded("anthropic_list_page.json")["data"]]

    assert [batch.total for batch in batches if batch is not None] == [200]


@pytest.mark.parametrize(
    ("fields", "phase"),
    [
        ({}, BatchPhase.COMPLETED),
        ({"counts": {"expired": 1}}, BatchPhase.EXPIRED),
        ({"counts": {"canceled": 1, "expired": 1}}, BatchPhase.CANCELLED),
        ({"cancel_initiated_at": "2026-11-01T00:00:00Z"}, BatchPhase.CANCELLED),
        ({"processing_status": "archiving"}, BatchPhase.UNKNOWN),
        ({"processing_status": None}, BatchPhase.UNKNOWN),
    ],
    ids=str,
)
def test_how_a_batch_ended_is_read_from_its_counts(fields: dict[str, Any], phase: BatchPhase) -> None:
    batch = remote_batch(ended(**fields))

    assert batch is not None
    assert batch.phase is phase


def test_requests_that_ended_otherwise_than_answered_count_as_failed() -> None:
    batch = remote_batch(ended(counts={"canceled": 3, "expired": 4}))

    assert batch is not None
    assert (batch.total, batch.completed, batch.failed) == (10, 2, 8)


@pytest.mark.parametrize("counts", [None, [], "3", {"processing": "many", "succeeded": -1, "errored": True}])
def test_odd_counts_are_zeros(counts: Any) -> None:
    batch = remote_batch({"type": "message_batch", "id": "b", "request_counts": counts})

    assert batch is not None
    assert (batch.total, batch.completed, batch.failed) == (0, 0, 0)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1970-01-01T00:01:40.250000+00:00", 100.25),
        ("1970-01-01T00:01:40Z", 100.0),
        ("1970-01-01T00:01:40", 100.0),
        ("1970-01-01T02:01:40+02:00", 100.0),
        ("yesterday", None),
        (100, None),
        (None, None),
    ],
)
def test_a_time_is_read_in_unix_seconds(text: Any, seconds: float | None) -> None:
    batch = remote_batch(ended(created_at=text))

    assert batch is not None
    assert batch.created_at_s == seconds


@pytest.mark.parametrize(
    "body", [None, [], "x", {}, {"id": "b"}, {"type": "message_batch"}, {"type": "message_batch", "id": ""}]
)
def test_what_is_no_batch_is_none(body: Any) -> None:
    assert remote_batch(body) is None
