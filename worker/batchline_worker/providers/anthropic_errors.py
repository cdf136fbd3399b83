"""What an exception of the Anthropic SDK means for the caller: the one place that decides it.

Two questions decide: is it proven that nothing took effect, and would the same
call be refused again? An overloaded server (529) proves nothing: the batch may
have been made behind it, and taking it for a refusal would pay twice.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from batchline_shared.errors import (
    BatchlineError,
    ProviderAuthError,
    ProviderBusyError,
    ProviderRejectedError,
    ProviderUnavailableError,
)
from batchline_worker.providers.sdk_errors import clean, retry_after_s, unanswered

if TYPE_CHECKING:
    from anthropic import APIStatusError

__all__ = ["translated"]

_NO_CREDIT: Final = re.compile(r"spend_limit_reached$|billing_unavailable$")
"""Ends of `error_code`s that say that there is no more money; reported as `insufficient_quota`."""

_LOW_BALANCE: Final = "credit balance is too low"
"""An account that has been paid up is refused so, as a 400 like any other."""

_OPERATORS: Final = re.compile(r"^(?:organization_on_hold|cmek_\w+|claude_code_key_creator_not_member)$")
"""`error_code`s of a 400 that somebody has to mend at Anthropic, and no request is to blame for."""

_BAD_REQUEST = 400
_PAYMENT_REQUIRED = 402


def translated(error: Exception, *, name: str, secret: str = "") -> BatchlineError:
    """Return the exception of ours that stands for one of the SDK's or of its HTTP library.

    Args:
        error: What a call raised; one of ours comes back as it is.
        name: Whose call it was, such as `anthropic` or `anthropic@research`.
        secret: The API key, to be taken out of the message.

    Returns:
        An exception to raise outside of the `except` block: the original one may
        quote the key, and a logged traceback would show it as the context.
    """
    import anthropic  # noqa: PLC0415 - loaded by the first call

    if isinstance(error, BatchlineError):
        return error
    if isinstance(error, anthropic.APIStatusError):
        return _by_status(error, name, secret)
    if isinstance(error, anthropic.CredentialsError):
        return ProviderAuthError(name, clean(str(error), secret))
    cause = error.__cause__ if isinstance(error, anthropic.APIConnectionError) else None
    if isinstance(cause, BatchlineError):
        # Raised by the body while the SDK sent it.
        return cause
    return unanswered(cause or error, name=name, secret=secret)


def _by_status(error: APIStatusError, name: str, secret: str) -> BatchlineError:
    """Choose by HTTP status; only 4xx other than 408, 409 and 499 prove a refusal."""
    status, code = error.status_code, error.error_code or error.type
    words = clean(_message(error), secret)
    if _no_credit(error):
        return ProviderBusyError(name, words, status_code=status, code="insufficient_quota")
    if status in (401, 403) or (status == _BAD_REQUEST and _OPERATORS.match(error.error_code or "")):
        return ProviderAuthError(name, words, status_code=status, code=code)
    if status == 429:  # noqa: PLR2004 - HTTP's own number
        hint_s = retry_after_s(error.response.headers)
        return ProviderBusyError(name, words, status_code=status, code=code, retry_after_s=hint_s)
    if 400 <= status < 500 and status not in (408, 409, 499):  # noqa: PLR2004 - HTTP's own numbers
        return ProviderRejectedError(name, words, status_code=status, code=code)
    return ProviderUnavailableError(name, words, status_code=status, code=code)


def _no_credit(error: APIStatusError) -> bool:
    return (
        error.status_code == _PAYMENT_REQUIRED
        or error.type == "billing_error"
        or bool(error.error_code and _NO_CREDIT.search(error.error_code))
        or _LOW_BALANCE in str(error.api_message)
    )


def _message(error: APIStatusError) -> str:
    """Return the provider's own sentence; a body that is no JSON error stays out."""
    message = error.api_message
    words = message if isinstance(message, str) and message else "no error message that we can read"
    request = f", request {error.request_id}" if error.request_id else ""
    return f"{words} (HTTP {error.status_code}{request})"
