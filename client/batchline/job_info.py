"""What is known of a job, at one moment."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field

from batchline_shared.ledger import JobStatus, OnDeadline
from batchline_shared.pricing import Cost, Spent, Usd, price, rate_card

if TYPE_CHECKING:
    from batchline_shared.ledger import JobMeta

__all__ = ["JobInfo", "job_info"]


class JobInfo(BaseModel):
    """What is known of a job, at one moment."""

    model_config = ConfigDict(frozen=True)

    id: str
    status: JobStatus
    model: str
    total: int
    """Requests."""
    succeeded: int
    errored: int
    errors: dict[str, int]
    """Error type → requests."""
    duplicates: int = 0
    """Requests that equal an earlier one and are not sent: `enqueue(deduplicate=True)`."""
    input_tokens: int
    output_tokens: int
    cached_input_tokens: int = 0
    """The part of `input_tokens` that was read from the provider's cache."""
    price_list: str = ""
    """Whose prices hold for it; empty where nobody knows."""
    max_cost_usd: Usd | None = None
    """What it may cost; None: whatever it does."""
    deadline: datetime | None = None
    """Until when its requests may be run in batches; None: it takes what it takes."""
    on_deadline: OnDeadline | None = None
    """What becomes of those that were not; None where it has no deadline."""
    message: str
    """Why the job failed as a whole, or what keeps it waiting. May be empty."""
    metadata: dict[str, Any]
    retries: int
    """How often `retry_failed` has reopened it."""
    created_at: datetime
    submitted_at: datetime | None
    """When its first batch was accepted."""
    finished_at: datetime | None
    spent: Spent = Field(default=Spent(), exclude=True, repr=False)
    """Its tokens, as `cost` needs them."""

    @property
    def cost(self) -> Cost:
        """What it has cost so far, at the prices of the day on which it was enqueued."""
        return price(rate_card(self.model, self.price_list, self.created_at.date()), self.spent)

    @property
    def pending(self) -> int:
        """Requests without an outcome so far."""
        return self.total - self.succeeded - self.errored


def job_info(meta: JobMeta) -> JobInfo:
    """A job's record as users see it."""
    return JobInfo(
        id=meta.id,
        status=JobStatus(meta.status),
        model=meta.model,
        total=meta.total,
        succeeded=meta.succeeded,
        errored=meta.errored,
        errors=meta.errors,
        duplicates=meta.duplicates,
        input_tokens=meta.input_tokens,
        output_tokens=meta.output_tokens,
        cached_input_tokens=meta.spent.cached,
        price_list=meta.price_list,
        max_cost_usd=meta.max_cost_usd,
        spent=meta.spent,
        deadline=meta.deadline and meta.deadline.at,
        on_deadline=meta.deadline and meta.deadline.action,
        message=meta.message,
        metadata=meta.metadata,
        retries=meta.round,
        created_at=meta.created_at,
        submitted_at=meta.submitted_at,
        finished_at=meta.finished_at,
    )
