"""The OpenAI side of the simulator: its face, its routes, its running batches."""

import secrets
from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from batchline_simulator.core import BatchLife, Workshop
from batchline_simulator.file_table import FileTable
from batchline_simulator.gateway import Gateway, Handler, Refused
from batchline_simulator.openai.all_endpoints import all_endpoints
from batchline_simulator.openai.batch_routes import BatchRoutes
from batchline_simulator.openai.errors import call_error, envelope
from batchline_simulator.openai.file_routes import FileRoutes
from batchline_simulator.openai.live_routes import LIVE_CALLS, live_handler
from batchline_simulator.openai.trade import OpenAiTrade
from batchline_simulator.quirks import Quirks
from batchline_simulator.request_log import RequestLog


class OpenAiFace:
    """Keys, errors and headers of OpenAI; implements `Face`."""

    def __init__(self, api_keys: frozenset[str], quirks: Quirks) -> None:
        self._api_keys = api_keys
        self._quirks = quirks

    def authorize(self, request: Request) -> Response | None:
        """Ask for a bearer key."""
        given = request.headers.get("authorization", "")
        if "api-key-header" in self._quirks and "api-key" in request.headers:
            given = f"Bearer {request.headers['api-key']}"
        scheme, _, key = given.partition(" ")
        if scheme.lower() != "bearer" or not key.strip():
            message = (
                "You didn't provide an API key. You need to provide your API key in an Authorization header."
            )
            return JSONResponse(envelope(message), 401)
        if self._api_keys and key not in self._api_keys:
            return JSONResponse(envelope("Incorrect API key provided.", code="invalid_api_key"), 401)
        return None

    def refusal(self, kind: str, status: int) -> Response:
        """Write the body of a failed call."""
        return JSONResponse(call_error(kind, status), status)

    def headers(self, elapsed_ms: int) -> Mapping[str, str]:
        """Name the request, as support would ask for it."""
        return {
            "x-request-id": f"req_{secrets.token_hex(16)}",
            "openai-version": "2020-10-01",
            "openai-processing-ms": str(elapsed_ms),
        }


class OpenAiService:
    """Everything under `/v1` that belongs to OpenAI."""

    def __init__(self, workshop: Workshop, log: RequestLog) -> None:
        files = FileTable(workshop.database, workshop.config.data_dir / "files", provider="openai")
        self._shop, self._endpoints = workshop, all_endpoints()
        trade = OpenAiTrade(workshop, files, self._endpoints)
        self.life = BatchLife(workshop, trade)
        self._files = FileRoutes(trade)
        self._batches = BatchRoutes(trade, self.life)
        self._quirks = trade.quirks
        face = OpenAiFace(workshop.config.api_keys, trade.quirks)
        self._gateway = Gateway(face, workshop.board, log)

    def routes(self) -> list[Route]:
        """Make the routes."""
        route, files, batches = self._route, self._files, self._batches
        return [
            route("/v1/files", "POST", "files.create", files.create),
            route("/v1/files", "GET", "files.list", files.list),
            route("/v1/files/{file_id}", "GET", "files.retrieve", files.retrieve),
            route("/v1/files/{file_id}", "DELETE", "files.delete", files.delete),
            route("/v1/files/{file_id}/content", "GET", "files.content", files.content),
            route("/v1/batches", "POST", "batches.create", batches.create),
            route("/v1/batches", "GET", "batches.list", batches.list),
            route("/v1/batches/{batch_id}", "GET", "batches.retrieve", batches.retrieve),
            route("/v1/batches/{batch_id}/cancel", "POST", "batches.cancel", batches.cancel),
            *(
                route(path, "POST", call, live_handler(self._shop, self._endpoints[path]))
                for path, call in LIVE_CALLS.items()
            ),
        ]

    def _route(self, path: str, method: str, call: str, handler: Handler) -> Route:
        async def respelled(request: Request) -> Response:
            try:
                return await handler(request)
            except Refused as refused:
                raise Refused(self._quirks.mistake(refused.response)) from None

        return self._gateway.route(path, method, call, respelled)
