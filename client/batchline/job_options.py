"""What `enqueue` takes by name, said once for every way to enqueue."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypedDict

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime, timedelta
    from decimal import Decimal

    from batchline.deadline import Action
    from batchline.policy import RetryPolicy
    from batchline.prompt_cache import PromptCache
    from batchline_shared.ledger import Priority

__all__ = ["EnqueueOptions", "JobOptions"]


class JobOptions(TypedDict, total=False):
    """How a job is run, whoever made its requests; `BatchClient.enqueue` tells what each means."""

    metadata: Mapping[str, Any] | None
    idempotency_key: str | None
    max_cost_usd: Decimal | float | None
    retention_s: int | None
    retry: RetryPolicy | None
    priority: Priority | str
    deadline: timedelta | datetime | None
    on_deadline: Action
    deduplicate: bool
    on_complete: str | None
    webhook: str | None
    linger_s: float | None


class EnqueueOptions(JobOptions, total=False):
    """What `BatchClient.enqueue` takes beside model, requests and endpoint; the defaults are those there."""

    custom_ids: Iterable[str] | None
    max_tokens: int | None
    temperature: float | None
    options: Mapping[str, Any] | None
    prompt_cache: PromptCache | None
    reask: int
