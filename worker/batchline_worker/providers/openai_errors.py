"""What an exception of the OpenAI SDK means for the caller: the one place that decides it.

Two questions decide: is it proven that nothing took effect, and would the same
call be refused again? Where nothing is proven the answer is
`ProviderUnavailableError`, also for exceptions that nobody foresaw: taking an
accepted create for a refused one would pay for a batch twice.
"""

from __future__ import annotations

import math
import re
import time
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from batchline_shared.errors import (
    BatchlineError,
    ProviderAuthError,
    ProviderBusyError,
    ProviderRejectedError,
    ProviderUnavailableError,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from openai import APIStatusError

__all__ = ["retry_after_s", "translated"]

_NO_CREDIT = frozenset({"insufficient_quota", "billing_hard_limit_reached", "billing_not_active"})
"""Codes that say that the account is out of money; reported as the first of them."""

_KEY_LIKE = re.compile(r"\bsk-[\w*.-]{4,}")
"""OpenAI quotes a part of the refused key in its message, other servers all of it."""

_MESSAGE_LIMIT = 500


def translated(error: Exception, *, name: str, secret: str = "") -> BatchlineError:
    """Return the exception of ours that stands for one of the SDK's or of its HTTP library.

    Args:
        error: What a call raised; one of ours comes back as it is.
        name: Whose call it was, such as `openai` or `openai@groq`.
        secret: The API key, to be taken out of the message.

    Returns:
        An exception to raise outside of the `except` block: the original one may
        quote the key, and a logged traceback would show it as the context.
    """
    import httpx2  # noqa: PLC0415 - loaded with the SDK, never before it
    import openai  # noqa: PLC0415

    if isinstance(error, BatchlineError):
        return error
    if isinstance(error, openai.APIStatusError):
        return _by_status(error, name, secret)
    cause = error.__cause__ if isinstance(error, openai.APIConnectionError) and error.__cause__ else error
    words = _clean(f"{type(cause).__name__}: {cause}", secret)
    if isinstance(cause, (httpx2.ConnectError, httpx2.ConnectTimeout)):
        # Without a connection no byte of the request left this machine.
        return ProviderBusyError(name, f"no connection, so nothing was sent ({words})")
    return ProviderUnavailableError(name, f"no answer ({words})")


def _by_status(error: APIStatusError, name: str, secret: str) -> BatchlineError:
    """Choose by HTTP status; only 4xx other than 408 and 409 prove a refusal."""
    status, code = error.status_code, error.code
    words = _clean(_message(error), secret)
    if status in (401, 403):
        return ProviderAuthError(name, words, status_code=status, code=code)
    if code in _NO_CREDIT or error.type in _NO_CREDIT:
        return ProviderBusyError(name, words, status_code=status, code="insufficient_quota")
    if status == 429:  # noqa: PLR2004 - HTTP's own number
        hint_s = retry_after_s(error.response.headers)
        return ProviderBusyError(name, words, status_code=status, code=code, retry_after_s=hint_s)
    if 400 <= status < 500 and status not in (408, 409):  # noqa: PLR2004 - HTTP's own numbers
        return ProviderRejectedError(name, words, status_code=status, code=code)
    return ProviderUnavailableError(name, words, status_code=status, code=code)


def _message(error: APIStatusError) -> str:
    """Return the provider's own sentence; a body that is no JSON error stays out."""
    body = error.body
    message = body.get("message") if isinstance(body, dict) else None
    words = message if isinstance(message, str) and message else "no error message that we can read"
    request = f", request {error.request_id}" if error.request_id else ""
    return f"{words} (HTTP {error.status_code}{request})"


def _clean(text: str, secret: str) -> str:
    text = text.replace(secret, "[key]") if secret else text
    return _KEY_LIKE.sub("[key]", text)[:_MESSAGE_LIMIT]


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Read how long a server asks its caller to wait.

    Args:
        headers: Of the reply, with lower-case or case-blind names.

    Returns:
        Seconds, at least 0; None where the server says nothing that can be read.

    Source:
        RFC 9110, section 10.2.3; `retry-after-ms` is OpenAI's own.
    """
    for name, per_second in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        wait = _number(headers.get(name))
        if wait is not None:
            return max(0.0, wait / per_second)
    try:
        return max(0.0, parsedate_to_datetime(headers.get("retry-after", "")).timestamp() - time.time())
    except (ValueError, OverflowError):
        return None


def _number(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None
