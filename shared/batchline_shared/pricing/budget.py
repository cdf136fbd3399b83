"""Whether a job may spend more."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from batchline_shared.pricing.spent import cost_of_job

if TYPE_CHECKING:
    from batchline_shared.ledger import JobMeta

__all__ = ["over_budget"]


def over_budget(meta: JobMeta, *, in_flight: int = 0) -> str | None:
    """Say why no further part of a job may be sent; None while it may.

    What is in flight has no count of tokens yet. It is taken to cost, for each request, what those with an
    outcome cost; before the first outcome it counts as nothing, so what is sent at once is not bounded.

    Args:
        meta: The job's record, as it is now.
        in_flight: Its requests that a provider batch holds and that have no outcome yet.
    """
    if meta.max_cost_usd is None:
        return None
    spent = cost_of_job(meta).batch_usd
    if spent is None:
        return None
    landed = meta.succeeded + meta.errored - meta.copied  # a copy costs nothing, and is never in flight
    expected = spent * in_flight / landed if landed else Decimal(0)
    if spent + expected < meta.max_cost_usd:
        return None
    running = f" and about ${expected:.2f} under way" if expected else ""
    return (
        f"held: ${spent:.2f} spent{running}, of max_cost_usd ${meta.max_cost_usd:.2f}; "
        "cancel the job to end it with what is done"
    )
