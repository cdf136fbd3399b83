"""`/token`: what a service account's key is exchanged for.

The signature is not verified, as nobody's key is known here; only the form of
the request is, so that a client that sends something else finds out.
"""

from collections.abc import Mapping
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute

from batchline_simulator.faults import FaultBoard
from batchline_simulator.gateway import Gateway
from batchline_simulator.request_log import RequestLog

TOKEN_LIFE_S = 3599
_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_JWT_DOTS = 2
_MAX_BODY_BYTES = 1 << 16


class TokenFace:
    """Errors of OAuth's token endpoint; implements `Face`."""

    def authorize(self, request: Request) -> None:
        """Let everybody in: the body is the credential."""
        del request

    def refusal(self, kind: str, status: int) -> Response:
        """Write the body of a failed call."""
        error = "invalid_grant" if status < 500 else "internal_failure"  # noqa: PLR2004 - HTTP
        return JSONResponse({"error": error, "error_description": kind}, status)

    def headers(self, elapsed_ms: int) -> Mapping[str, str]:
        """Send nothing of its own."""
        del elapsed_ms
        return {}


def token_route(board: FaultBoard, log: RequestLog) -> BaseRoute:
    """Make the route."""
    face = TokenFace()

    async def token(request: Request) -> Response:
        """Give a token to whoever asks in the right form."""
        fields = parse_qs((await request.body())[:_MAX_BODY_BYTES].decode("latin-1"))
        assertion = fields.get("assertion", [""])[0]
        if fields.get("grant_type") != [_GRANT] or assertion.count(".") != _JWT_DOTS:
            return face.refusal("Invalid JWT: it must be signed and in its compact form.", 400)
        # Never logged, and of use nowhere else.
        token = {"access_token": "ya29.simulated", "expires_in": TOKEN_LIFE_S, "token_type": "Bearer"}
        return JSONResponse(token)

    return Gateway(face, board, log).route("/token", "POST", "google.token", token)
