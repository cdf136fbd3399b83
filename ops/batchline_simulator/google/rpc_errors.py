"""Errors as Vertex AI and the Gemini API write them: `google.rpc.Status` as JSON."""

from typing import Any

from starlette.responses import JSONResponse, Response

from batchline_simulator.gateway import Refused

INVALID_ARGUMENT, NOT_FOUND, PERMISSION_DENIED = 3, 5, 7
RESOURCE_EXHAUSTED, FAILED_PRECONDITION, INTERNAL, CANCELLED = 8, 9, 13, 1
"""Numbers of `google.rpc.Code`, which jobs and rows bear; calls bear HTTP's."""

_STATUSES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ALREADY_EXISTS",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    500: "INTERNAL",
    501: "NOT_IMPLEMENTED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}


def error_body(
    code: int, message: str, *, status: str | None = None, details: list[dict[str, Any]] | None = None
) -> dict[str, dict[str, Any]]:
    """Write an error; without a status, the one that Google pairs with the HTTP code."""
    error: dict[str, Any] = {
        "code": code,
        "message": message,
        "status": status or _STATUSES.get(code, "UNKNOWN"),
    }
    if details is not None:
        error["details"] = details
    return {"error": error}


def error_response(
    code: int, message: str, *, status: str | None = None, details: list[dict[str, Any]] | None = None
) -> Response:
    """Write the reply to a call that failed."""
    return JSONResponse(error_body(code, message, status=status, details=details), code)


def refused(code: int, message: str, *, status: str | None = None) -> Refused:
    """Make the exception by which a handler refuses a call."""
    return Refused(error_response(code, message, status=status))


def quota_details() -> list[dict[str, Any]]:
    """Write details with an object inside, on which google-genai's job parser fails."""
    link = {
        "description": "Learn more about Gemini API quotas",
        "url": "https://ai.google.dev/gemini-api/docs/rate-limits",
    }
    return [{"@type": "type.googleapis.com/google.rpc.Help", "links": [link]}]
