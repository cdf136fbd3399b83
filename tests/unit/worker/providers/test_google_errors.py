"""Which exceptions of Google's libraries prove that nothing took effect."""

from __future__ import annotations

import inspect
from typing import Any

import httpx2
import pytest
import requests
from google.api_core import exceptions as core
from google.auth import exceptions as auth
from google.cloud.storage import exceptions as storage
from google.genai import errors as genai

from batchline_shared.errors import (
    BatchlineError,
    ProviderAuthError,
    ProviderBusyError,
    ProviderError,
    ProviderRejectedError,
    ProviderUnavailableError,
)
from batchline_worker.providers.google_errors import storage_translated, translated


def refused(status: int, message: str = "no", *, reason: str = "", **headers: str) -> genai.APIError:
    """The error that google-genai makes of a reply."""
    error: dict[str, Any] = {"code": status, "message": message, "status": "STATUS"}
    if reason:
        error["details"] = [{"@type": "x", "reason": reason}]
    reply = httpx2.Response(status, json={"error": error}, headers=headers)
    try:
        genai.APIError.raise_for_response(reply)
    except genai.APIError as raised:
        return raised
    raise AssertionError


def classes(module: Any) -> list[type[Exception]]:
    found = (thing for _, thing in inspect.getmembers(module, inspect.isclass))
    return [thing for thing in found if issubclass(thing, Exception) and not issubclass(thing, Warning)]


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (refused(400), ProviderRejectedError),
        (refused(404), ProviderRejectedError),
        (refused(408), ProviderUnavailableError),
        (refused(409), ProviderUnavailableError),
        (refused(429), ProviderBusyError),
        (refused(401), ProviderAuthError),
        (refused(403), ProviderAuthError),
        (refused(400, reason="API_KEY_INVALID"), ProviderAuthError),
        (refused(400, "User location is not supported for the API use."), ProviderAuthError),
        (refused(400, "Service agents are being provisioned. Please try again."), ProviderBusyError),
        (refused(500), ProviderUnavailableError),
        (refused(503), ProviderUnavailableError),
        (httpx2.ConnectError("x"), ProviderBusyError),
        (httpx2.ReadTimeout("x"), ProviderUnavailableError),
        (httpx2.RemoteProtocolError("x"), ProviderUnavailableError),
        (auth.TransportError("x"), ProviderBusyError),
        (auth.RefreshError("x", retryable=True), ProviderBusyError),
        (auth.RefreshError("x"), ProviderAuthError),
        (auth.DefaultCredentialsError("x"), ProviderAuthError),
        (ValueError("x"), ProviderUnavailableError),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else repr(value)[:40],
)
def test_what_is_not_proven_to_have_had_no_effect_is_unavailable(
    error: Exception, expected: type[ProviderError]
) -> None:
    assert type(translated(error, name="google")) is expected


@pytest.mark.parametrize(
    "kind",
    [*classes(genai), *classes(auth), httpx2.HTTPError, httpx2.InvalidURL],
    ids=lambda kind: f"{kind.__module__}.{kind.__name__}",
)
def test_no_class_of_google_genai_or_google_auth_is_left_unmapped(kind: type[Exception]) -> None:
    error = kind.__new__(kind)
    if isinstance(error, genai.APIError):
        error = refused(418)

    assert isinstance(translated(error, name="google"), ProviderError)


@pytest.mark.parametrize(
    "kind",
    [*classes(core), *classes(storage), *classes(requests.exceptions)],
    ids=lambda kind: f"{kind.__module__}.{kind.__name__}",
)
def test_no_class_of_google_cloud_storage_or_requests_is_left_unmapped(kind: type[Exception]) -> None:
    error = kind.__new__(kind)
    if issubclass(kind, core.GoogleAPICallError):
        error = kind("x")
    elif issubclass(kind, core.RetryError):
        error = kind("x", None)

    assert isinstance(storage_translated(error, name="google"), ProviderError)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (core.NotFound("x"), ProviderRejectedError),
        (core.PreconditionFailed("x"), ProviderRejectedError),
        (core.Forbidden("x"), ProviderAuthError),
        (core.Unauthorized("x"), ProviderAuthError),
        (core.TooManyRequests("x"), ProviderBusyError),
        (core.ServiceUnavailable("x"), ProviderUnavailableError),
        (core.RetryError("x", None), ProviderUnavailableError),
        (requests.ConnectionError("x"), ProviderUnavailableError),
        (requests.ConnectTimeout("x"), ProviderBusyError),
        (auth.TransportError("x"), ProviderBusyError),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else type(value).__name__,
)
def test_cloud_storage_is_held_to_the_same(error: Exception, expected: type[ProviderError]) -> None:
    assert type(storage_translated(error, name="google")) is expected


def test_an_exception_of_ours_passes() -> None:
    ours = ProviderBusyError("google", "x")

    assert translated(ours, name="google") is ours
    assert storage_translated(ours, name="google") is ours


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (
            "You exceeded your current quota, please check your plan and billing details.",
            "insufficient_quota",
        ),
        ("Resource has been exhausted (e.g. check quota).", "STATUS"),
    ],
    ids=["credit", "rate"],
)
def test_a_quota_is_no_credit_only_where_it_says_so(message: str, code: str) -> None:
    assert one(refused(429, message)).code == code


def test_a_busy_provider_may_say_for_how_long() -> None:
    busy = one(refused(429, **{"retry-after": "7"}))

    assert isinstance(busy, ProviderBusyError)
    assert busy.retry_after_s == 7.0


def test_a_file_that_is_gone_is_no_missing_permission() -> None:
    words = "You do not have permission to access the File abc or it may not exist."

    gone = one(refused(403, words))

    assert (type(gone), gone.status_code) == (ProviderRejectedError, 404)


def test_neither_a_key_nor_a_proxys_page_is_quoted() -> None:
    reply = httpx2.Response(500, text="<html>secret</html>")
    error = genai.ServerError(500, {"message": reply.text, "status": "x"}, reply)

    page = translated(error, name="gemini")
    keyed = translated(refused(400, "key AIzaSyD-1234567890 and token abc"), name="gemini", secret="abc")

    assert "secret" not in str(page)
    assert str(keyed) == "gemini: key [key] and token [key] (HTTP 400)"


def one(error: Exception) -> ProviderError:
    found: BatchlineError = translated(error, name="google")
    assert isinstance(found, ProviderError)
    return found
