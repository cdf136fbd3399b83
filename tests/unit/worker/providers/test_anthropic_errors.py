"""Tests of what the exceptions of the Anthropic SDK become."""

from __future__ import annotations

import inspect
from typing import Any

import anthropic
import httpx2
import pytest
from anthropic import _exceptions as sdk_exceptions
from anthropic._error_classes import ERROR_CLASSES

from batchline_shared.errors import (
    BatchlineError,
    ProviderAuthError,
    ProviderBusyError,
    ProviderError,
    ProviderRejectedError,
    ProviderUnavailableError,
)
from batchline_worker.providers.anthropic_errors import translated
from recordings import recorded

REQUEST = httpx2.Request("POST", "https://api.example/v1/messages/batches")

EXPECTED: dict[str, type[BatchlineError]] = {
    "AnthropicError": ProviderUnavailableError,
    "APIError": ProviderUnavailableError,
    "APIStatusError": ProviderUnavailableError,
    "APIConnectionError": ProviderUnavailableError,
    "APITimeoutError": ProviderUnavailableError,
    "APIResponseValidationError": ProviderUnavailableError,
    "APIWebhookValidationError": ProviderUnavailableError,
    "AuthenticationError": ProviderAuthError,
    "BadRequestError": ProviderRejectedError,
    "ClientClosedRequestError": ProviderUnavailableError,
    "ConflictError": ProviderUnavailableError,
    "ContentTooLargeError": ProviderRejectedError,
    "CredentialsError": ProviderAuthError,
    "GatewayTimeoutError": ProviderUnavailableError,
    "HTTPNotImplementedError": ProviderUnavailableError,
    "IdentityTokenFileError": ProviderAuthError,
    "InternalServerError": ProviderUnavailableError,
    "NotFoundError": ProviderRejectedError,
    "OverloadedError": ProviderUnavailableError,
    "PaymentRequiredError": ProviderBusyError,
    "PermissionDeniedError": ProviderAuthError,
    "PreconditionFailedError": ProviderRejectedError,
    "RateLimitError": ProviderBusyError,
    "RequestHeaderFieldsTooLargeError": ProviderRejectedError,
    "RequestTimeoutError": ProviderUnavailableError,
    "RetryableError": ProviderUnavailableError,
    "ServiceUnavailableError": ProviderUnavailableError,
    "UnprocessableEntityError": ProviderRejectedError,
    "WorkloadIdentityError": ProviderUnavailableError,
}
"""Every exception class of the SDK by its own name; a new one has to be thought about here."""


def classes(module: Any) -> dict[str, type[Exception]]:
    members = (member for _, member in inspect.getmembers(module, inspect.isclass))
    return {
        member.__name__: member
        for member in members
        if issubclass(member, Exception) and not issubclass(member, Warning)
    }


def made(kind: type[Any]) -> Exception:
    """Build one of the SDK's exceptions as the SDK does."""
    if issubclass(kind, anthropic.APIStatusError):
        return status_error(getattr(kind, "status_code", 500), kind=kind)
    if kind is sdk_exceptions.APIResponseValidationError:
        error = kind(httpx2.Response(200, request=REQUEST), None)
    elif issubclass(kind, anthropic.APIConnectionError):
        error = kind(request=REQUEST)
    elif issubclass(kind, anthropic.APIError):
        error = kind("words", REQUEST, body=None)
    else:
        error = kind("words")
    assert isinstance(error, Exception)
    return error


def status_error(
    status: int, body: Any = None, *, kind: type[Any] = anthropic.APIStatusError, **headers: str
) -> anthropic.APIStatusError:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    response = httpx2.Response(status, request=REQUEST, headers=names)
    error = kind("raw words", response=response, body=body)
    assert isinstance(error, anthropic.APIStatusError)
    return error


def envelope(message: str, kind: str = "invalid_request_error", **details: str) -> dict[str, Any]:
    error: dict[str, Any] = {"type": kind, "message": message}
    return {"type": "error", "error": error | ({"details": details} if details else {})}


def ours(error: Exception, secret: str = "") -> ProviderError:
    failure = translated(error, name="anthropic", secret=secret)
    assert isinstance(failure, ProviderError)
    return failure


def test_no_exception_class_of_the_sdk_is_left_out() -> None:
    coded = {kind.__name__ for (_, code), kind in ERROR_CLASSES.items() if code is not None}

    assert {**classes(sdk_exceptions), **classes(anthropic)}.keys() - coded == EXPECTED.keys()


@pytest.mark.parametrize("name", EXPECTED)
def test_every_exception_of_the_sdk_has_one_of_ours(name: str) -> None:
    kind = {**classes(sdk_exceptions), **classes(anthropic)}[name]

    assert type(ours(made(kind))) is EXPECTED[name]


@pytest.mark.parametrize("key", ERROR_CLASSES, ids=str)
def test_a_class_for_an_error_code_becomes_what_its_status_or_its_code_says(
    key: tuple[int, str | None],
) -> None:
    status, code = key
    error = status_error(status, envelope("No.", error_code=code or ""), kind=ERROR_CLASSES[key])

    failure = ours(error)

    proven = isinstance(failure, (ProviderAuthError, ProviderBusyError, ProviderRejectedError))
    assert proven == (400 <= status < 500 and status not in (408, 409, 499))
    assert failure.status_code == status


@pytest.mark.parametrize(
    "error",
    [
        status_error(402, envelope("Pay.", "billing_error")),
        status_error(400, envelope("Your credit balance is too low to access the Anthropic API.")),
        status_error(429, envelope("Spent.", "rate_limit_error", error_code="enforced_spend_limit_reached")),
        status_error(429, envelope("Spent.", "rate_limit_error", error_code="contract_spend_limit_reached")),
        status_error(402, envelope("No.", "x", error_code="linked_organization_billing_unavailable")),
    ],
    ids=str,
)
def test_an_account_without_credit_is_busy_with_one_code(error: Exception) -> None:
    failure = ours(error)

    assert isinstance(failure, ProviderBusyError)
    assert failure.code == "insufficient_quota"


@pytest.mark.parametrize(
    "code", ["organization_on_hold", "cmek_key_disabled", "claude_code_key_creator_not_member"]
)
def test_what_an_operator_has_to_mend_is_not_blamed_on_the_requests(code: str) -> None:
    assert isinstance(ours(status_error(400, envelope("No.", error_code=code))), ProviderAuthError)


@pytest.mark.parametrize(
    "name", ["anthropic_http_400_custom_id.json", "anthropic_http_413_request_too_large.json"]
)
def test_a_recorded_refusal_is_a_refusal_with_its_words(name: str) -> None:
    reply = recorded(name)

    failure = ours(status_error(reply["status"], reply["body"]))

    assert isinstance(failure, ProviderRejectedError)
    assert reply["body"]["error"]["message"] in str(failure)
    assert failure.code == reply["body"]["error"]["type"]


def test_a_rate_limit_says_how_long_to_wait() -> None:
    failure = ours(status_error(429, envelope("Slow.", "rate_limit_error"), retry_after="7"))

    assert isinstance(failure, ProviderBusyError)
    assert (failure.retry_after_s, failure.code) == (7.0, "rate_limit_error")


@pytest.mark.parametrize("wrapped", [False, True], ids=["raw", "inside the SDK's"])
@pytest.mark.parametrize("name", classes(httpx2))
def test_of_the_http_library_only_a_failed_connect_proves_that_nothing_was_sent(
    name: str, *, wrapped: bool
) -> None:
    error: Exception = classes(httpx2)[name].__new__(classes(httpx2)[name])
    if wrapped:
        outer = anthropic.APIConnectionError(request=REQUEST)
        outer.__cause__ = error
        error = outer

    expected = ProviderBusyError if name in {"ConnectError", "ConnectTimeout"} else ProviderUnavailableError

    assert type(ours(error)) is expected


@pytest.mark.parametrize(
    "error",
    [
        status_error(401, envelope("invalid x-api-key: sk-ant-api03-planted")),
        httpx2.LocalProtocolError("Illegal header value b'Bearer sk-ant-api03-planted'"),
        anthropic.AnthropicError("the key sk-ant-api03-planted"),
        anthropic.CredentialsError("the key sk-ant-api03-planted"),
    ],
    ids=lambda error: type(error).__name__,
)
@pytest.mark.parametrize("secret", ["sk-ant-api03-planted", ""], ids=["known", "by its look"])
def test_no_message_shows_a_key(error: Exception, secret: str) -> None:
    words = str(ours(error, secret))

    assert "[key]" in words
    assert "planted" not in words


def test_a_page_in_place_of_an_error_is_not_quoted() -> None:
    assert "<html>" not in str(ours(status_error(502, "<html>" * 1000)))


def test_a_long_message_is_cut() -> None:
    assert len(str(ours(status_error(400, envelope("x" * 10_000))))) < 600


def test_an_exception_of_ours_stays_what_it_is() -> None:
    error = ProviderRejectedError("anthropic", "no")

    assert translated(error, name="anthropic") is error
