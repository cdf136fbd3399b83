"""The Anthropic side of the simulator: its face, its routes, its running batches."""

import re
from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from batchline_simulator.anthropic.batch_routes import BatchRoutes
from batchline_simulator.anthropic.errors import error_response, new_request_id
from batchline_simulator.anthropic.live_route import MessageRoute
from batchline_simulator.anthropic.trade import AnthropicTrade
from batchline_simulator.core import BatchLife, Workshop
from batchline_simulator.file_table import FileTable
from batchline_simulator.gateway import Gateway
from batchline_simulator.request_log import RequestLog

_VERSION = re.compile(r"20\d\d-\d\d-\d\d")
_BATCHES = "/v1/messages/batches"
_BATCH = f"{_BATCHES}/{{batch_id}}"


class AnthropicFace:
    """Keys, errors and headers of Anthropic; implements `Face`."""

    def __init__(self, api_keys: frozenset[str]) -> None:
        self._api_keys = api_keys

    def authorize(self, request: Request) -> Response | None:
        """Ask for a key in either of its two headers, and for the API's version."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        bearer = token.strip() if scheme.lower() == "bearer" else ""
        key = request.headers.get("x-api-key", "").strip() or bearer
        if not key:
            return error_response(401, "x-api-key header is required")
        if self._api_keys and key not in self._api_keys:
            return error_response(401)
        version = request.headers.get("anthropic-version")
        if version is None:
            return error_response(400, "anthropic-version: header is required")
        if not _VERSION.fullmatch(version):
            return error_response(400, f'anthropic-version: "{version}" is not a valid version')
        return None

    def refusal(self, kind: str, status: int) -> Response:
        """Write the body of a failed call."""
        overridden = {"quota": 402, "unavailable": 529}
        return error_response(overridden.get(kind, status))

    def headers(self, elapsed_ms: int) -> Mapping[str, str]:
        """Name the request, unless its error has named it already."""
        del elapsed_ms
        return {
            "request-id": new_request_id(),
            "anthropic-organization-id": "00000000-0000-4000-8000-000000000000",
        }


class AnthropicService:
    """Everything under `/v1/messages`; implements `Service`."""

    def __init__(self, workshop: Workshop, log: RequestLog) -> None:
        files = FileTable(workshop.database, workshop.config.data_dir / "anthropic", provider="anthropic")
        trade = AnthropicTrade(workshop, files)
        self.life = BatchLife(workshop, trade)
        self._batches = BatchRoutes(trade, self.life)
        self._messages = MessageRoute(workshop)
        self._gateway = Gateway(AnthropicFace(workshop.config.api_keys), workshop.board, log)

    def routes(self) -> list[Route]:
        """Make the routes."""
        route, batches = self._gateway.route, self._batches
        return [
            route("/v1/messages", "POST", "anthropic.messages.create", self._messages.create),
            route(_BATCHES, "POST", "anthropic.batches.create", batches.create),
            route(_BATCHES, "GET", "anthropic.batches.list", batches.list),
            route(_BATCH, "GET", "anthropic.batches.retrieve", batches.retrieve),
            route(_BATCH, "DELETE", "anthropic.batches.delete", batches.delete),
            route(f"{_BATCH}/results", "GET", "anthropic.batches.results", batches.results),
            route(f"{_BATCH}/cancel", "POST", "anthropic.batches.cancel", batches.cancel),
        ]
