"""What an exception of Google's libraries means for the caller: the one place that decides it.

Two questions decide: is it proven that nothing took effect, and would the same
call be refused again? Where nothing is proven the answer is
`ProviderUnavailableError`, also for exceptions that nobody foresaw. Credentials
are renewed before a request is sent, so what goes wrong there had no effect.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from batchline_shared.errors import (
    BatchlineError,
    ProviderAuthError,
    ProviderBusyError,
    ProviderRejectedError,
    ProviderUnavailableError,
)
from batchline_worker.providers.sdk_errors import clean, retry_after_s, unanswered

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["storage_translated", "translated"]

_NO_CREDIT: Final = re.compile(
    r"check your plan and billing|billing (?:account|to be enabled)", re.IGNORECASE
)
"""Words of a refusal that time alone does not mend; other quotas are rates."""

_BAD_KEY: Final = frozenset({"API_KEY_INVALID", "API_KEY_EXPIRED", "API_KEY_SERVICE_BLOCKED"})
"""Reasons of a 400 that is about the key."""

_NO_FILE: Final = re.compile(r"access the File \S+ or it may not exist", re.IGNORECASE)
"""The Gemini API's 403 for a file that is gone."""

_OPERATORS: Final = re.compile(r"user location is not supported|enable billing", re.IGNORECASE)
"""Words of a 400 that somebody has to mend at Google, and no request is to blame for."""

_NOT_YET: Final = re.compile(r"service agents are being provisioned", re.IGNORECASE)
"""Words of a 400 to the first jobs of a project."""

_KEY_LIKE: Final = re.compile(r"\bAIza[\w-]{8,}|\bya29\.[\w.-]+")


def translated(error: Exception, *, name: str, secret: str = "") -> BatchlineError:
    """Return the exception of ours that stands for one of google-genai, google-auth or their HTTP library.

    Args:
        error: What a call raised; one of ours comes back as it is.
        name: Whose call it was, such as `google` or `gemini@research`.
        secret: The API key, to be taken out of the message.

    Returns:
        An exception to raise outside of the `except` block: the original one may
        quote the key, and a logged traceback would show it as the context.
    """
    from google.auth.exceptions import GoogleAuthError  # noqa: PLC0415 - loaded with the SDK, never before it
    from google.genai.errors import APIError  # noqa: PLC0415 - as above

    if isinstance(error, BatchlineError):
        return error
    if isinstance(error, APIError):
        headers = getattr(error.response, "headers", None) or {}
        return _by_status(error.code, error.details, headers, name, secret)
    if isinstance(error, GoogleAuthError):
        return _auth(error, name)
    return unanswered(error, name=name, secret=secret)


def storage_translated(error: Exception, *, name: str) -> BatchlineError:
    """Return the exception of ours that stands for one of google-cloud-storage or its HTTP library.

    Args:
        error: What a call raised; one of ours comes back as it is.
        name: Whose call it was.

    Returns:
        An exception to raise outside of the `except` block.
    """
    import requests  # noqa: PLC0415 - loaded with the SDK, never before it
    from google.api_core.exceptions import GoogleAPICallError  # noqa: PLC0415 - as above
    from google.auth.exceptions import GoogleAuthError  # noqa: PLC0415 - as above

    if isinstance(error, BatchlineError):
        return error
    if isinstance(error, GoogleAPICallError) and error.code is not None:
        headers = getattr(error.response, "headers", None) or {}
        return _by_status(int(error.code), {"error": {"message": error.message}}, headers, name, "")
    if isinstance(error, GoogleAuthError):
        return _auth(error, name)
    words = _clean(f"{type(error).__name__}: {error}", "")
    if isinstance(error, requests.exceptions.ConnectTimeout):
        return ProviderBusyError(name, f"no connection to Cloud Storage, so nothing was sent ({words})")
    return ProviderUnavailableError(name, f"no answer from Cloud Storage ({words})")


def _auth(error: Exception, name: str) -> BatchlineError:
    from google.auth.exceptions import DefaultCredentialsError, TimeoutError, TransportError  # noqa: A004, PLC0415 - google's name; as above

    words = _clean(f"{type(error).__name__}: {error}", "")
    if isinstance(error, (TransportError, TimeoutError)) or getattr(error, "retryable", False):
        return ProviderBusyError(name, f"the credentials could not be renewed, so nothing was sent ({words})")
    if isinstance(error, DefaultCredentialsError):
        return ProviderAuthError(
            name,
            "there are no usable Google credentials; set GOOGLE_APPLICATION_CREDENTIALS to a service "
            f"account's key file, or run where Google provides them ({words})",
        )
    return ProviderAuthError(name, f"Google refused the credentials ({words})")


def _by_status(status: int, body: Any, headers: Mapping[str, str], name: str, secret: str) -> BatchlineError:
    """Choose by HTTP status; only 4xx other than 408 and 409 prove a refusal."""
    fields = _error_of(body)
    words = _clean(_message(fields, status), secret)
    code = fields.get("status") if isinstance(fields.get("status"), str) else None
    if status == 403 and _NO_FILE.search(words):  # noqa: PLR2004 - HTTP's own number
        return ProviderRejectedError(name, words, status_code=404, code="NOT_FOUND")
    if status in (401, 403) or not _BAD_KEY.isdisjoint(_reasons(fields)) or _OPERATORS.search(words):
        return ProviderAuthError(name, words, status_code=status, code=code)
    if status == 429 or _NOT_YET.search(words):  # noqa: PLR2004 - HTTP's own number
        code = "insufficient_quota" if _NO_CREDIT.search(words) else code
        return ProviderBusyError(
            name, words, status_code=status, code=code, retry_after_s=retry_after_s(headers)
        )
    if 400 <= status < 500 and status not in (408, 409):  # noqa: PLR2004 - HTTP's own numbers
        return ProviderRejectedError(name, words, status_code=status, code=code)
    return ProviderUnavailableError(name, words, status_code=status, code=code)


def _error_of(body: Any) -> Mapping[str, Any]:
    """The error in a reply's body; empty where the body is something else, such as a proxy's page."""
    if isinstance(body, list) and len(body) == 1:
        body = body[0]
    error = body.get("error") if isinstance(body, dict) else None
    return error if isinstance(error, dict) else {}


def _message(fields: Mapping[str, Any], status: int) -> str:
    message = fields.get("message")
    words = message if isinstance(message, str) and message else "no error message that we can read"
    return f"{words} (HTTP {status})"


def _reasons(fields: Mapping[str, Any]) -> set[str]:
    details = fields.get("details")
    found = (
        [one.get("reason") for one in details if isinstance(one, dict)] if isinstance(details, list) else []
    )
    return {reason for reason in found if isinstance(reason, str)}


def _clean(text: str, secret: str) -> str:
    return clean(_KEY_LIKE.sub("[key]", text), secret)
