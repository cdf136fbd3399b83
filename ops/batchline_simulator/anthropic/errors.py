"""Anthropic's error bodies and wordings, for calls and for result lines.

The body names the request, as the header does, so both are made here.
"""

import secrets
from dataclasses import dataclass
from typing import Any

from starlette.responses import JSONResponse, Response

from batchline_simulator.gateway import Refused

INVALID = "invalid_request_error"

_TYPES = {
    400: INVALID,
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    504: "timeout_error",
    529: "overloaded_error",
}
_MESSAGES = {
    "authentication_error": "invalid x-api-key",
    "billing_error": (
        "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to upgrade"
        " or purchase credits."
    ),
    "rate_limit_error": "This request would exceed your organization's rate limit. Please try again later.",
    "overloaded_error": "Overloaded",
    "api_error": "Internal server error",
}


@dataclass(frozen=True)
class Problem:
    """What is wrong with one request, as an error tells it."""

    message: str
    type: str = INVALID


def new_request_id() -> str:
    """Make an id such as `req_011CSHoEeqs5C35K2UUqR7Fy`."""
    return f"req_011{secrets.token_hex(10)}"


def error_response(status: int, message: str | None = None, *, error_type: str | None = None) -> Response:
    """Write the reply to a failed call."""
    kind = error_type or _TYPES.get(status, INVALID if status < 500 else "api_error")  # noqa: PLR2004 - HTTP
    request_id = new_request_id()
    error = {"type": kind, "message": message or default_message(kind)}
    body = {"type": "error", "error": error, "request_id": request_id}
    return JSONResponse(body, status, headers={"request-id": request_id})


def refused(status: int, message: str) -> Refused:
    """Make the exception by which a handler refuses a call."""
    return Refused(error_response(status, message))


def too_large() -> Refused:
    """Refuse a body for its size. The edge answers, so there is no outer type and no request id."""
    error = {"type": "request_too_large", "message": "Request exceeds the maximum size"}
    return Refused(JSONResponse({"error": error}, 413))


def default_message(error_type: str) -> str:
    """Return what the provider says where nothing in the request is to blame."""
    return _MESSAGES.get(error_type, "The request could not be processed.")


def line_error(problem: Problem) -> dict[str, Any]:
    """Write the error of one request: nested two levels, and without a request id."""
    error: dict[str, Any] = {"type": problem.type, "message": problem.message}
    if problem.type == INVALID:
        error = {"details": {"error_visibility": "user_facing"}, **error}
    return {"type": "error", "error": error, "request_id": None}
