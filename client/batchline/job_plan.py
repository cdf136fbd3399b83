"""What a job's requests share, checked before anything is written."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

import orjson

from batchline.deadline import JobDeadline
from batchline.estimating import dollars
from batchline.hooks import Hooks
from batchline.policy import RetryPolicy
from batchline.reask_plan import NEVER, ReaskPlan
from batchline_shared.accounts import parse_model
from batchline_shared.errors import InvalidInputError
from batchline_shared.ledger import Priority
from batchline_shared.pricing import price_list_of
from batchline_shared.settings import LONGEST_LINGER_S

if TYPE_CHECKING:
    from datetime import datetime, timedelta
    from decimal import Decimal

    from batchline.deadline import Action
    from batchline_shared.dialects.base import Dialect
    from batchline_shared.ledger import JobMeta
    from batchline_shared.settings import Settings

__all__ = ["JobPlan"]

_MAX_METADATA_BYTES = 64 * 1024

_LONGEST_S = 100 * 365 * 24 * 3600
"""A retention that is longer is a mistake, and Redis may refuse it only when the job ends."""


@dataclass(frozen=True)
class JobPlan:
    """What a job's requests share."""

    model: str
    dialect: Dialect
    template: dict[str, Any]
    metadata: Mapping[str, Any] = field(default_factory=dict)
    idempotency_key: str | None = None
    max_cost_usd: Decimal | None = field(default=None, kw_only=True)
    price_list: str = field(default="", kw_only=True)
    """Whose prices hold; empty: nobody knows."""
    retention_s: int | None = None
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    priority: Priority | str = "normal"
    linger_s: float = field(default=0.0, kw_only=True)
    """Seconds for which its requests may wait for others to share a provider batch with."""
    deadline: JobDeadline | None = field(default=None, kw_only=True)
    deduplicate: bool = field(default=False, kw_only=True)
    """Whether equal requests are sent once."""
    hooks: Hooks = field(default=Hooks(), kw_only=True)
    """Who is told of its end."""
    reask: ReaskPlan = NEVER

    def __post_init__(self) -> None:
        """Refuse what cannot be stored.

        Raises:
            InvalidInputError: The metadata is no mapping, not JSON, or too large; an option is not JSON;
                the idempotency key is no text; the retention or the linger is no time.
        """
        try:
            _ = self.encoded_template
        except TypeError as error:
            raise InvalidInputError(f"options must be JSON values: {error}") from None
        if not isinstance(self.metadata, Mapping):
            raise InvalidInputError(f"metadata must be a dict, not {type(self.metadata).__name__}")
        try:
            encoded = orjson.dumps(dict(self.metadata))
        except (TypeError, ValueError) as error:
            raise InvalidInputError(f"metadata must be a dict of JSON values: {error}") from None
        if len(encoded) > _MAX_METADATA_BYTES:
            raise InvalidInputError(
                f"metadata has {len(encoded)} bytes as JSON; at most {_MAX_METADATA_BYTES}"
            )
        if self.idempotency_key is not None and (
            not isinstance(self.idempotency_key, str) or not self.idempotency_key
        ):
            raise InvalidInputError("idempotency_key must be a non-empty string")
        if self.retention_s is not None and (
            type(self.retention_s) is not int or not 0 <= self.retention_s <= _LONGEST_S
        ):
            raise InvalidInputError(f"retention_s must be whole seconds, 0 (for ever) to {_LONGEST_S}")
        if self.priority not in list(Priority):
            raise InvalidInputError(f"priority must be one of {', '.join(Priority)}, not {self.priority!r}")
        if type(self.linger_s) not in (int, float) or not 0 <= self.linger_s <= LONGEST_LINGER_S:
            raise InvalidInputError(f"linger_s must be seconds, 0 (own batches) to {LONGEST_LINGER_S:g}")

    @classmethod
    def of(
        cls,
        settings: Settings,
        model: str,
        speech: Dialect,
        template: dict[str, Any],
        *,
        reask: ReaskPlan = NEVER,
        metadata: Mapping[str, Any] | None = None,
        idempotency_key: str | None = None,
        max_cost_usd: Decimal | float | None = None,
        retention_s: int | None = None,
        retry: RetryPolicy | None = None,
        priority: Priority | str = "normal",
        deadline: timedelta | datetime | None = None,
        on_deadline: Action = "cancel",
        deduplicate: bool = False,
        on_complete: str | None = None,
        webhook: str | None = None,
        linger_s: float | None = None,
    ) -> Self:
        """Plan a job from what `enqueue` was given; what is None is as the settings say.

        Raises:
            InvalidInputError: One of them is wrong.
        """
        return cls(
            model,
            speech,
            template,
            {} if metadata is None else metadata,
            idempotency_key,
            retention_s,
            max_cost_usd=dollars(max_cost_usd),
            price_list=price_list_of(model, settings.account(parse_model(model))),
            retry=retry or RetryPolicy.default(settings),
            priority=priority,
            linger_s=settings.linger_s if linger_s is None else linger_s,
            deadline=JobDeadline.of(deadline, on_deadline),
            deduplicate=deduplicate,
            hooks=Hooks.checked(settings, on_complete=on_complete, webhook=webhook),
            reask=reask,
        )

    @property
    def encoded_template(self) -> bytes:
        """The template as it is stored, and spliced into lines."""
        return orjson.dumps(self.template)

    @property
    def digest(self) -> str:
        """What stands for the idempotency key in the ledger; empty where there is none."""
        if self.idempotency_key is None:
            return ""
        return hashlib.sha256(self.idempotency_key.encode("utf-8", "surrogatepass")).hexdigest()

    def conflict(self, found: JobMeta) -> str | None:
        """What sets the job apart that the idempotency key stands for; None where it is the same."""
        if (found.model, found.endpoint, found.template) == (
            self.model,
            self.dialect.endpoint,
            self.encoded_template,
        ):
            return None
        return (
            f"this idempotency_key stands for job {found.id} of {found.model}, which has another "
            "model, endpoint, response model or options; use another key"
        )

    def fields(self) -> dict[str, str | int | bytes]:
        """The job's record as it is first written."""
        return {
            "model": self.model,
            "provider": self.dialect.provider,
            "endpoint": self.dialect.endpoint,
            "template": self.encoded_template,
            "structured": int(self.dialect.structured(self.template)),
            "metadata": orjson.dumps(dict(self.metadata)),
            "idem": self.digest,
            "price_list": self.price_list,
            "linger_s": str(self.linger_s),
            "max_cost_usd": str(self.max_cost_usd or ""),
            **({} if self.retention_s is None else {"retention_s": self.retention_s}),
            **({} if self.deadline is None else {"on_deadline": self.deadline.action}),
            **self.retry.fields(),
            "priority": str(self.priority),
            **self.hooks.fields(),
            **self.reask.fields(),
        }
