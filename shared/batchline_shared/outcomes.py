"""What a request becomes once its job has ended.

The worker decides an outcome once, from the provider's answer; the client
types it by the user's model. Both classes are frozen, so an outcome that was
read cannot drift from the one that was stored.
"""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003 - pydantic resolves the annotations of this module
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import TypeAliasType

__all__ = ["RETRY_MAY_HELP", "BatchError", "BatchResult", "BatchSuccess", "ErrorType", "Source", "TokenUsage"]

T = TypeVar("T")


Source = Literal["batch", "live"]
"""Which of the provider's APIs a request was sent to last."""


class ErrorType(StrEnum):
    """Why a request ended without a usable answer. A closed set: branch on it."""

    INVALID_REQUEST = "invalid_request"
    """The provider refused this request's content or options."""
    SCHEMA_REJECTED = "schema_rejected"
    """The provider refused the response schema."""
    PROVIDER_ERROR = "provider_error"
    """The provider failed (5xx, overloaded), or the batch that held the request did."""
    RATE_LIMITED = "rate_limited"
    """The provider had no room for this request within the batch."""
    EXPIRED = "expired"
    """The batch's completion window, or the job's deadline, ended before the request was run."""
    CANCELLED = "cancelled"
    """The job was cancelled before the request was run."""
    REFUSED = "refused"
    """The model declined to answer."""
    CONTENT_FILTERED = "content_filtered"
    """A filter of the provider withheld or cut the answer."""
    TRUNCATED = "truncated"
    """The answer reached `max_tokens`."""
    INVALID_OUTPUT = "invalid_output"
    """The answer is no JSON, or does not fit the response model."""
    MISSING = "missing"
    """The batch ended and the provider returned nothing for this request."""
    QUOTA_EXHAUSTED = "quota_exhausted"
    """The account has no credit left."""
    UNKNOWN = "unknown"
    """The provider's answer is of no kind that we know (`raw` holds it), or one of the live API was lost."""


RETRY_MAY_HELP: Mapping[ErrorType, bool] = MappingProxyType(
    {
        ErrorType.INVALID_REQUEST: False,
        ErrorType.SCHEMA_REJECTED: False,
        ErrorType.PROVIDER_ERROR: True,
        ErrorType.RATE_LIMITED: True,
        ErrorType.EXPIRED: True,
        ErrorType.CANCELLED: True,
        ErrorType.REFUSED: False,
        ErrorType.CONTENT_FILTERED: False,
        ErrorType.TRUNCATED: False,  # the same limit cuts the same answer; raise max_tokens
        ErrorType.INVALID_OUTPUT: True,  # sampling may hit the schema the next time
        ErrorType.MISSING: True,
        ErrorType.QUOTA_EXHAUSTED: True,  # once the account is paid
        ErrorType.UNKNOWN: False,
    }
)
"""Whether sending the same request again may succeed, for every error type."""


class TokenUsage(BaseModel):
    """Tokens that the provider counted for one request; what it did not say is 0."""

    model_config = ConfigDict(frozen=True)

    input_tokens: int = 0
    """Prompt tokens, those read from a cache included."""
    output_tokens: int = 0
    """Generated tokens, reasoning included."""
    cached_input_tokens: int = 0
    """The part of `input_tokens` that was read from the provider's cache."""
    reasoning_tokens: int = 0
    """The part of `output_tokens` that the model spent on thinking."""

    @property
    def total_tokens(self) -> int:
        """Input and output together."""
        return self.input_tokens + self.output_tokens


class BatchSuccess(BaseModel, Generic[T]):
    """A request that was answered, typed by the response model."""

    model_config = ConfigDict(frozen=True)

    custom_id: str
    """The request's id, as given at enqueue."""
    result: T
    """The answer: an instance of the response model, or text where there was none."""
    usage: TokenUsage | None = None
    """Tokens spent; None where the provider did not say."""
    raw: dict[str, Any] | None = None
    """The provider's result line, parsed, with the request's own `custom_id`."""
    attempts: int = 1
    """The attempt, from 1, in which the request had this outcome."""
    source: Source = "batch"
    """Where the outcome comes from; "live" is paid at the full price."""
    duplicate_of: str | None = None
    """The request that equals it and was sent in its place, whose answer this is; `usage` is 0 then."""
    reasks: int = 0
    """How many earlier answers of the request did not fit and were sent back, each with what was wrong."""
    success: Literal[True] = True
    """Tells the two kinds of outcome apart, in code and in JSON."""


class BatchError(BaseModel):
    """A request that ended without a usable answer."""

    model_config = ConfigDict(frozen=True)

    custom_id: str
    """The request's id, as given at enqueue."""
    error_type: ErrorType
    """Why, in our words. Branch on this, never on `error_message`."""
    error_message: str
    """What happened, in the provider's words or ours. For a person to read."""
    retry_may_help: bool = Field(
        default_factory=lambda given: RETRY_MAY_HELP[given.get("error_type", ErrorType.UNKNOWN)]
    )
    """Whether sending the same request again may succeed; by default, what `RETRY_MAY_HELP` says."""
    usage: TokenUsage | None = None
    """Tokens spent all the same (a truncated or invalid answer is billed)."""
    raw: dict[str, Any] | None = None
    """The provider's result line, parsed, with the request's own `custom_id`; None where it sent none."""
    attempts: int = 1
    """The attempt, from 1, in which the request had this outcome."""
    source: Source = "batch"
    """Where the outcome comes from; "live" is paid at the full price."""
    duplicate_of: str | None = None
    """The request that equals it and was sent in its place, whose failure this is; `usage` is 0 then."""
    reasks: int = 0
    """How many earlier answers of the request did not fit and were sent back, each with what was wrong."""
    success: Literal[False] = False
    """Tells the two kinds of outcome apart, in code and in JSON."""

    @property
    def raw_data(self) -> dict[str, Any] | None:
        """`raw` under the name that Instructor gives it."""
        return self.raw


BatchResult = TypeAliasType("BatchResult", BatchSuccess[T] | BatchError, type_params=(T,))
"""Exactly one per request of a finished job."""
