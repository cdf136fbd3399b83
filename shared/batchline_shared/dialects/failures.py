"""What an HTTP status says of a request that failed inside a batch, alike for every provider."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from batchline_shared.outcomes import ErrorType

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["as_status", "by_status"]

_STATUSES: Mapping[int, ErrorType] = MappingProxyType(
    {
        0: ErrorType.PROVIDER_ERROR,  # the request never got an answer inside the provider
        402: ErrorType.QUOTA_EXHAUSTED,
        408: ErrorType.PROVIDER_ERROR,
        409: ErrorType.PROVIDER_ERROR,
        429: ErrorType.RATE_LIMITED,
        499: ErrorType.CANCELLED,  # Google's number for a call that was given up
    }
)


def as_status(value: Any) -> int | None:
    """Read a status code, which some servers write as text; None where it is none."""
    if type(value) is int:
        return value
    # Superscripts and the like are digits too, and no number to `int`.
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= len("599"):
        return int(value)
    return None


def by_status(status: int | None) -> ErrorType | None:
    """The kind of failure that an HTTP status names; None for one that names none."""
    if status is None:
        return None
    if status in _STATUSES:
        return _STATUSES[status]
    if 400 <= status < 500:  # noqa: PLR2004 - HTTP's own numbers
        return ErrorType.INVALID_REQUEST
    if 500 <= status < 600:  # noqa: PLR2004
        return ErrorType.PROVIDER_ERROR
    return None
