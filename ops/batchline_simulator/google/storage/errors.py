"""Cloud Storage's error bodies. Vertex and Gemini write theirs otherwise; see `rpc_errors`."""

from starlette.responses import JSONResponse, Response

from batchline_simulator.gateway import Refused

_REASONS = {
    400: "invalid",
    401: "required",
    403: "forbidden",
    404: "notFound",
    409: "conflict",
    410: "gone",
    412: "conditionNotMet",
    416: "requestedRangeNotSatisfiable",
    429: "rateLimitExceeded",
    503: "backendError",
}
_MESSAGES = {
    401: "Anonymous caller does not have storage.objects.get access to the Google Cloud Storage object.",
    403: "The caller does not have access to the Google Cloud Storage object.",
    412: "At least one of the pre-conditions you specified did not hold.",
    416: "The requested range cannot be satisfied.",
    429: "The rate of requests to this bucket is too high. Please reduce it.",
    503: "We encountered an internal error. Please try again.",
}


def error_response(status: int, message: str | None = None) -> Response:
    """Write an error; without a message, the usual one of its status."""
    message = message or _MESSAGES.get(status, "Backend Error")
    reason = _REASONS.get(status, "backendError")
    first = {"message": message, "domain": "global", "reason": reason}
    return JSONResponse({"error": {"code": status, "message": message, "errors": [first]}}, status)


def refused(status: int, message: str | None = None) -> Refused:
    """Make the exception by which a handler refuses a call."""
    return Refused(error_response(status, message))


def no_bucket() -> Refused:
    """Refuse a call on a bucket that does not exist."""
    return refused(404, "The specified bucket does not exist.")


def no_object(bucket: str, name: str) -> Refused:
    """Refuse a call on an object that does not exist."""
    return refused(404, f"No such object: {bucket}/{name}")


def forbidden(permission: str, kind: str) -> Refused:
    """Refuse a caller who lacks a permission, such as `storage.objects.create`, on a bucket or an object."""
    message = (
        f"The caller does not have {permission} access to the Google Cloud Storage {kind}."
        f" Permission '{permission}' denied on resource (or it may not exist)."
    )
    return refused(403, message)
