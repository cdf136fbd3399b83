"""Why OpenAI did not answer a request of a batch, by its error line.

Servers alike write the same failure in many ways: the error inside an error,
the body itself as the error, a number for the code. Each is read as it comes.

Source: OpenAI's error codes guide and the payloads described in `docs/providers.md`.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from batchline_shared.dialects.answers import mapping, named
from batchline_shared.dialects.failures import as_status, by_status
from batchline_shared.dialects.verdict import shorten
from batchline_shared.outcomes import ErrorType

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batchline_shared.dialects.answers import Problem

__all__ = ["failure"]

_CODES: Mapping[str, ErrorType] = MappingProxyType(
    {
        "insufficient_quota": ErrorType.QUOTA_EXHAUSTED,
        "billing_hard_limit_reached": ErrorType.QUOTA_EXHAUSTED,
        "billing_not_active": ErrorType.QUOTA_EXHAUSTED,
        "rate_limit_exceeded": ErrorType.RATE_LIMITED,
        "invalid_json_schema": ErrorType.SCHEMA_REJECTED,
        "batch_expired": ErrorType.EXPIRED,
        "batch_cancelled": ErrorType.CANCELLED,
        "batch_canceled": ErrorType.CANCELLED,
        "content_filter": ErrorType.CONTENT_FILTERED,
        "content_policy_violation": ErrorType.CONTENT_FILTERED,
        "request_timeout": ErrorType.PROVIDER_ERROR,
        "server_error": ErrorType.PROVIDER_ERROR,
        "invalid_prompt": ErrorType.INVALID_REQUEST,
    }
)
"""Error codes, and types where there is no code, that say more than their HTTP status."""


def failure(line: Mapping[str, Any], status: Any, body: Mapping[str, Any]) -> Problem:
    """Name the kind of failure by code, then by message, then by HTTP status.

    Args:
        line: The result line.
        status: The `status_code` of its response, as it stands there.
        body: The body of its response.
    """
    error = body.get("error") or line.get("error") or (body if body.get("object") == "error" else None)
    fields = mapping(error)
    if "message" not in fields and isinstance(fields.get("error"), dict):
        fields = fields["error"]
    message = fields.get("message") if fields else error
    words = shorten(message) if isinstance(message, str) and message else _described(status, fields)
    for key in (fields.get("code"), fields.get("type")):
        if isinstance(key, str) and key in _CODES:
            return _CODES[key], words
    if "Invalid schema for response_format" in words:
        return ErrorType.SCHEMA_REJECTED, words
    kind = by_status(as_status(status)) or by_status(as_status(fields.get("code")))
    if kind is None and fields.get("type") == "invalid_request_error":
        kind = ErrorType.INVALID_REQUEST
    return kind or ErrorType.UNKNOWN, words


def _described(status: Any, fields: Mapping[str, Any]) -> str:
    """Describe a failure for which the provider has no words."""
    code = fields.get("code")
    if isinstance(code, str) and code:
        return shorten(code)
    if status is None:
        return "the result line is of no kind that we know"
    return shorten(f"the result line bears the status {named(status)} and no error message")
