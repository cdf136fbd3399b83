"""The objects that Anthropic's API shows: batches, pages, and their ids.

A stored batch keeps its `results_url` without a host, as only a call knows
under which name the client reached us.
"""

import random
import string
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from batchline_simulator.phases import Phase

WORDS: Mapping[Phase, str] = {
    "checking": "in_progress",
    "running": "in_progress",
    "finishing": "in_progress",
    "cancelling": "canceling",
    "failed": "ended",
    "completed": "ended",
    "expired": "ended",
    "cancelled": "ended",
}
"""Values of `processing_status`. How the requests ended stands in the counts only."""

COUNTED = ("processing", "succeeded", "errored", "canceled", "expired")

_ALPHABET = string.digits + string.ascii_letters


def new_id(prefix: str, rng: random.Random) -> str:
    """Make an id such as `msgbatch_01MxdL3LT4Dizo9t3j6FY9Ap`."""
    return f"{prefix}_01{''.join(rng.choices(_ALPHABET, k=22))}"


def moment(at: datetime | None = None) -> str:
    """Write a moment, by default this one, as the recordings do."""
    return (at or datetime.now(UTC)).isoformat(timespec="microseconds")


def new_batch(batch_id: str, requests: int) -> dict[str, Any]:
    """Show a batch that has just been accepted."""
    now = datetime.now(UTC)
    return {
        "id": batch_id,
        "type": "message_batch",
        "processing_status": WORDS["running"],
        "request_counts": counts({"processing": requests}),
        "ended_at": None,
        "created_at": moment(now),
        "expires_at": moment(now + timedelta(days=1)),
        "archived_at": None,
        "cancel_initiated_at": None,
        "results_url": None,
    }


def counts(numbers: Mapping[str, int]) -> dict[str, int]:
    """Show how many requests ended how; they stay in `processing` until all have."""
    return {name: numbers.get(name, 0) for name in COUNTED}


def results_path(batch_id: str) -> str:
    """Say where results are, without a host."""
    return f"/v1/messages/batches/{batch_id}/results"


def page(items: Sequence[dict[str, Any]], *, has_more: bool) -> dict[str, Any]:
    """Show one page of a list."""
    return {
        "data": list(items),
        "has_more": has_more,
        "first_id": items[0]["id"] if items else None,
        "last_id": items[-1]["id"] if items else None,
    }
