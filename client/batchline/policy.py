"""What a job does by itself about requests that fail."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field

from batchline_shared.outcomes import ErrorType

if TYPE_CHECKING:
    from typing import Self

    from batchline_shared.settings import Settings

__all__ = ["RetryPolicy"]

_BY_DEFAULT = frozenset({ErrorType.PROVIDER_ERROR, ErrorType.RATE_LIMITED, ErrorType.EXPIRED})
"""What the provider did not run, or failed to: none of it is billed as an answer."""


class RetryPolicy(BaseModel):
    """Which failures are tried again, how often and when.

    Only the requests that failed go into new batches, once all batches of the attempt have ended; what
    succeeded is kept. A request that a whole batch was refused for, or that waits for room, uses no attempt.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_attempts: int = Field(default=3, ge=1, le=100)
    """How often a request is sent at most; 1: never again by itself."""
    error_types: frozenset[ErrorType] = _BY_DEFAULT
    """Failures that are tried again; others are final at once."""
    backoff_s: float = Field(default=30.0, ge=0.0, le=7 * 24 * 3600.0)
    """Seconds before the second attempt, give or take a tenth; doubled for each further one, up to a day."""

    @classmethod
    def default(cls, settings: Settings, *, max_attempts: int | None = None) -> Self:
        """What the settings say for jobs that say nothing, or nothing but how often."""
        return cls(max_attempts=max_attempts or settings.max_attempts, backoff_s=settings.retry_backoff_s)

    def fields(self) -> dict[str, str | int | bytes]:
        """As the job's record holds it."""
        return {
            "max_attempts": self.max_attempts,
            "last_attempt": self.max_attempts,
            "retry_on": " ".join(sorted(self.error_types)),
            "backoff_s": str(self.backoff_s),
        }
