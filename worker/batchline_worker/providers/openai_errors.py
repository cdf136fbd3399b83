"""What an exception of the OpenAI SDK means for the caller: the one place that decides it.

Two questions decide: is it proven that nothing took effect, and would the same
call be refused again? Where nothing is proven the answer is
`ProviderUnavailableError`, also for exceptions that nobody foresaw: taking an
accepted create for a refused one would pay for a batch twice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchline_shared.errors import (
    BatchlineError,
    ProviderAuthError,
    ProviderBusyError,
    ProviderRejectedError,
    ProviderUnavailableError,
)
from batchline_worker.providers.sdk_errors import clean, retry_after_s, unanswered

if TYPE_CHECKING:
    from openai import APIStatusError

__all__ = ["translated"]

_NO_CREDIT = frozenset({"insufficient_quota", "billing_hard_limit_reached", "billing_not_active"})
"""Codes that say that the account is out of money; reported as the first of them."""


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
    import openai  # noqa: PLC0415 - loaded by the first call

    if isinstance(error, BatchlineError):
        return error
    if isinstance(error, openai.APIStatusError):
        return _by_status(error, name, secret)
    cause = error.__cause__ if isinstance(error, openai.APIConnectionError) else None
    return unanswered(cause or error, name=name, secret=secret)


def _by_status(error: APIStatusError, name: str, secret: str) -> BatchlineError:
    """Choose by HTTP status; only 4xx other than 408 and 409 prove a refusal."""
    status, code = error.status_code, error.code
    words = clean(_message(error), secret)
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
