"""Tests of what the SDK's exceptions become."""

from __future__ import annotations

import inspect
import time
from email.utils import formatdate
from types import SimpleNamespace
from typing import Any

import httpx2
import openai
import pytest
from openai import _exceptions as sdk_exceptions

from batchline_shared.errors import (
    BatchlineError,
    ProviderAuthError,
    ProviderBusyError,
    ProviderRejectedError,
    ProviderUnavailableError,
)
from batchline_worker.providers.openai_errors import translated
from batchline_worker.providers.sdk_errors import retry_after_s

REQUEST = httpx2.Request("POST", "https://api.example/v1/batches")

EXPECTED: dict[str, type[BatchlineError]] = {
    "OpenAIError": ProviderUnavailableError,
    "APIError": ProviderUnavailableError,
    "APIStatusError": ProviderUnavailableError,
    "APIConnectionError": ProviderUnavailableError,
    "APITimeoutError": ProviderUnavailableError,
    "APIResponseValidationError": ProviderUnavailableError,
    "AuthenticationError": ProviderAuthError,
    "BadRequestError": ProviderRejectedError,
    "ConflictError": ProviderUnavailableError,
    "ContentFilterFinishReasonError": ProviderUnavailableError,
    "InternalServerError": ProviderUnavailableError,
    "InvalidWebhookSignatureError": ProviderUnavailableError,
    "LengthFinishReasonError": ProviderUnavailableError,
    "NotFoundError": ProviderRejectedError,
    "OAuthError": ProviderAuthError,
    "PermissionDeniedError": ProviderAuthError,
    "RateLimitError": ProviderBusyError,
    "SubjectTokenProviderError": ProviderUnavailableError,
    "UnprocessableEntityError": ProviderRejectedError,
    "WebSocketConnectionClosedError": ProviderUnavailableError,
    "WebSocketQueueFullError": ProviderUnavailableError,
}
"""Every exception class of the SDK; a new one has to be thought about here."""


def ours(error: Exception, *, secret: str = "") -> BatchlineError:
    return translated(error, name="openai", secret=secret)


def classes(module: Any) -> dict[str, type[Exception]]:
    return {
        name: member
        for name, member in inspect.getmembers(module, inspect.isclass)
        if issubclass(member, Exception) and not issubclass(member, Warning)
    }


SPECIAL: dict[str, Any] = {
    "OAuthError": lambda kind: kind(response=httpx2.Response(401, request=REQUEST), body=None),
    "APIResponseValidationError": lambda kind: kind(httpx2.Response(200, request=REQUEST), None),
    "APIError": lambda kind: kind("words", REQUEST, body=None),
    "LengthFinishReasonError": lambda kind: kind(completion=SimpleNamespace(usage=None)),
    "ContentFilterFinishReasonError": lambda kind: kind(),
    "WebSocketConnectionClosedError": lambda kind: kind("words", unsent_messages=[]),
}
"""How to build those whose constructors are like no other's."""


def made(kind: type[Any]) -> Exception:
    """Build one of the SDK's exceptions as the SDK does."""
    if kind.__name__ in SPECIAL:
        error = SPECIAL[kind.__name__](kind)
    elif issubclass(kind, openai.APIStatusError):
        response = httpx2.Response(getattr(kind, "status_code", 500), request=REQUEST)
        error = kind("words", response=response, body=None)
    elif issubclass(kind, openai.APIConnectionError):
        error = kind(request=REQUEST)
    else:
        error = kind("words")
    assert isinstance(error, Exception)
    return error


def status_error(status: int, body: Any = None, **headers: str) -> openai.APIStatusError:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    response = httpx2.Response(status, request=REQUEST, headers=names)
    return openai.APIStatusError("raw words", response=response, body=body)


def test_no_exception_class_of_the_sdk_is_left_out() -> None:
    assert set(classes(sdk_exceptions)) == set(EXPECTED)
    public = {name for name in classes(openai) if not name.startswith("_")}
    assert public <= set(EXPECTED)


@pytest.mark.parametrize("name", EXPECTED)
def test_every_exception_of_the_sdk_has_one_of_ours(name: str) -> None:
    assert type(ours(made(classes(sdk_exceptions)[name]))) is EXPECTED[name]


@pytest.mark.parametrize("wrapped", [False, True], ids=["raw", "inside the SDK's"])
@pytest.mark.parametrize("name", classes(httpx2))
def test_of_the_http_library_only_a_failed_connect_proves_that_nothing_was_sent(
    name: str, *, wrapped: bool
) -> None:
    error = classes(httpx2)[name].__new__(classes(httpx2)[name])
    if wrapped:
        outer = openai.APIConnectionError(request=REQUEST)
        outer.__cause__ = error
        error = outer

    expected = ProviderBusyError if name in {"ConnectError", "ConnectTimeout"} else ProviderUnavailableError

    assert type(ours(error)) is expected


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (302, ProviderUnavailableError),
        (400, ProviderRejectedError),
        (401, ProviderAuthError),
        (403, ProviderAuthError),
        (404, ProviderRejectedError),
        (408, ProviderUnavailableError),
        (409, ProviderUnavailableError),
        (413, ProviderRejectedError),
        (422, ProviderRejectedError),
        (429, ProviderBusyError),
        (500, ProviderUnavailableError),
        (502, ProviderUnavailableError),
        (529, ProviderUnavailableError),
    ],
)
def test_only_a_clear_refusal_proves_that_nothing_was_accepted(
    status: int, expected: type[BatchlineError]
) -> None:
    error = ours(status_error(status, {"message": "No.", "code": "c"}))

    assert type(error) is expected
    assert error.status_code == status  # type: ignore[attr-defined]
    assert "No." in str(error)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (429, {"code": "insufficient_quota", "message": "m"}),
        (429, {"type": "insufficient_quota", "message": "m"}),
        (400, {"code": "billing_hard_limit_reached", "message": "m"}),
    ],
)
def test_an_account_without_credit_is_busy_with_one_code(status: int, body: dict[str, str]) -> None:
    error = ours(status_error(status, body))

    assert isinstance(error, ProviderBusyError)
    assert error.code == "insufficient_quota"


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"retry_after": "7"}, 7.0),
        ({"retry_after": "0.5"}, 0.5),
        ({"retry_after_ms": "1500", "retry_after": "9"}, 1.5),
        ({"retry_after": "-3"}, 0.0),
        ({"retry_after": "inf"}, None),
        ({"retry_after": "soon"}, None),
        ({}, None),
    ],
)
def test_the_hint_to_wait_is_read_in_seconds(headers: dict[str, str], expected: float | None) -> None:
    error = ours(status_error(429, None, **headers))

    assert isinstance(error, ProviderBusyError)
    assert error.retry_after_s == expected


def test_the_hint_to_wait_may_be_a_date() -> None:
    assert retry_after_s({"retry-after": formatdate(time.time() + 60, usegmt=True)}) == pytest.approx(
        60, abs=5
    )
    assert retry_after_s({"retry-after": formatdate(0, usegmt=True)}) == 0.0


@pytest.mark.parametrize(
    "error",
    [
        status_error(401, {"message": "Incorrect API key provided: sk-planted-key. See the docs."}),
        status_error(401, {"message": "Incorrect API key provided: sk-pl***-key."}),
        httpx2.LocalProtocolError("Illegal header value b'Bearer sk-planted-key'"),
        openai.OpenAIError("key planted-by-another-name"),
    ],
)
def test_no_message_shows_a_key(error: Exception) -> None:
    secret = "planted-by-another-name" if isinstance(error, openai.OpenAIError) else "sk-planted-key"

    words = str(ours(error, secret="planted-by-another-name"))

    assert "[key]" in words
    assert secret not in words
    assert "sk-" not in words


def test_a_page_in_place_of_an_error_is_not_quoted() -> None:
    assert "<html>" not in str(ours(status_error(502, "<html>" * 1000)))


def test_a_long_message_is_cut() -> None:
    assert len(str(ours(status_error(400, {"message": "x" * 10_000})))) < 600


def test_an_exception_of_ours_stays_what_it_is() -> None:
    error = ProviderRejectedError("openai", "no")

    assert ours(error) is error
