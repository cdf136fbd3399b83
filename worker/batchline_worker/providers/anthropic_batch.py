"""An Anthropic batch object, as JSON, read into ours.

There is no mark, model or file in it: times and counts are all there is to know
a batch by. The counts of what has ended stay 0 until all of it has.

Source: Anthropic's Message Batches API reference; see `docs/providers.md`.
"""

from __future__ import annotations

from datetime import UTC, datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from batchline_worker.providers.base import BatchPhase, RemoteBatch

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["remote_batch"]

_PHASES: Mapping[str, BatchPhase] = MappingProxyType(
    {
        "in_progress": BatchPhase.RUNNING,
        "canceling": BatchPhase.CANCELLING,
        "ended": BatchPhase.COMPLETED,
    }
)


def remote_batch(body: Any) -> RemoteBatch | None:
    """Read a batch object.

    Args:
        body: The reply, parsed. Any JSON value is borne.

    Returns:
        The batch; None where the reply is no batch object.
    """
    if not isinstance(body, dict) or body.get("type") != "message_batch":
        return None
    batch_id, status = body.get("id"), body.get("processing_status")
    if not isinstance(batch_id, str) or not batch_id:
        return None
    counts = body.get("request_counts")
    ended = _counts(counts if isinstance(counts, dict) else {})
    failed = ended["errored"] + ended["canceled"] + ended["expired"]
    phase = _phase(status, ended, cancelled=bool(body.get("cancel_initiated_at")))
    return RemoteBatch(
        id=batch_id,
        status=status if isinstance(status, str) else "",
        phase=phase,
        total=ended["processing"] + ended["succeeded"] + failed,
        completed=ended["succeeded"],
        failed=failed,
        # `results_url` is not followed: the key would go wherever a reply says.
        result_files=(batch_id,) if phase.is_final else (),
        created_at_s=_seconds(body.get("created_at")),
    )


def _phase(status: Any, counts: Mapping[str, int], *, cancelled: bool) -> BatchPhase:
    """Tell apart how a batch ended: Anthropic has one word for it, whatever became of the requests."""
    phase = _PHASES.get(status, BatchPhase.UNKNOWN) if isinstance(status, str) else BatchPhase.UNKNOWN
    if phase is not BatchPhase.COMPLETED:
        return phase
    if cancelled or counts["canceled"]:
        return BatchPhase.CANCELLED
    return BatchPhase.EXPIRED if counts["expired"] else phase


def _counts(counts: Mapping[str, Any]) -> dict[str, int]:
    names = ("processing", "succeeded", "errored", "canceled", "expired")
    return {name: value if type(value := counts.get(name)) is int and value > 0 else 0 for name in names}


def _seconds(value: Any) -> float | None:
    """Read a time of RFC 3339 as Unix seconds; one without a zone counts as UTC."""
    try:
        moment = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
