"""OpenAI's error bodies and wordings, for calls and for lines."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starlette.responses import JSONResponse

from batchline_simulator.gateway import Refused

INVALID = "invalid_request_error"

_QUOTA = (
    "You exceeded your current quota, please check your plan and billing details. For more"
    " information on this error, read the docs: https://platform.openai.com/docs/guides/error-codes/api-errors."
)


@dataclass(frozen=True)
class RowError:
    """An HTTP failure of one request in a batch."""

    status: int
    error: Mapping[str, Any]


def envelope(
    message: str, *, kind: str = INVALID, param: str | None = None, code: str | None = None
) -> dict[str, dict[str, Any]]:
    """Write the body of an error reply."""
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def refused(status: int, message: str, *, param: str | None = None, code: str | None = None) -> Refused:
    """Make the exception by which a handler refuses a call."""
    return Refused(JSONResponse(envelope(message, param=param, code=code), status))


def refused_file(message: str) -> Refused:
    """Refuse an upload; these replies carry the message a second time, under `detail`."""
    body = {**envelope(message), "detail": {"message": message, "code": None}}
    return Refused(JSONResponse(body, 400))


def call_error(kind: str, status: int) -> dict[str, dict[str, Any]]:
    """Write the body of a call that failed by a fault."""
    if kind == "quota":
        return envelope(_QUOTA, kind="insufficient_quota", code="insufficient_quota")
    if status == 429:  # noqa: PLR2004 - HTTP
        return envelope(
            "Rate limit reached. Please try again later.", kind="requests", code="rate_limit_exceeded"
        )
    if status == 401:  # noqa: PLR2004 - HTTP
        return envelope("Incorrect API key provided.", code="invalid_api_key")
    if status == 503:  # noqa: PLR2004 - HTTP
        return envelope("The server is overloaded or not ready yet.", kind="server_error")
    if status < 500:  # noqa: PLR2004 - HTTP
        return envelope("The request could not be processed.")
    return envelope(
        "The server had an error while processing your request. Sorry about that!", kind="server_error"
    )


def row_error(kind: str, model: str, organization: str) -> RowError:
    """Write the error that a row fault ends in."""
    if kind == "rate_limit":
        message = f"Rate limit reached for {model} in organization {organization}. Please try again later."
        return RowError(429, envelope(message, kind="tokens", code="rate_limit_exceeded")["error"])
    if kind == "insufficient_quota":
        return RowError(429, envelope(_QUOTA, kind="insufficient_quota", code="insufficient_quota")["error"])
    if kind == "bad_request":
        return invalid_value(
            "temperature", "decimal above maximum value. Expected a value <= 2, but got 3 instead."
        )
    # The quoted real line has no `param`.
    message = "An error occurred while processing your request."
    return RowError(500, {"message": message, "type": "server_error", "code": "server_error"})


def invalid_value(param: str, problem: str, code: str = "invalid_value") -> RowError:
    """Refuse a request for one of its parameters."""
    return RowError(400, envelope(f"Invalid '{param}': {problem}", param=param, code=code)["error"])


def missing(param: str) -> RowError:
    """Refuse a request that lacks a parameter."""
    message = f"Missing required parameter: '{param}'."
    return RowError(400, envelope(message, param=param, code="missing_required_parameter")["error"])
