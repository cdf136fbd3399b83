"""The Gemini API's side of the simulator, under `/gemini`: its face, its routes, its running batches."""

from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from batchline_simulator.core import BatchLife, Workshop
from batchline_simulator.gateway import Gateway
from batchline_simulator.google.blob_table import BlobTable
from batchline_simulator.google.gemini.batch_routes import QUOTA_MESSAGE, BatchRoutes
from batchline_simulator.google.gemini.file_routes import FileRoutes
from batchline_simulator.google.gemini.trade import GeminiTrade
from batchline_simulator.google.gemini.upload_routes import UploadRoutes
from batchline_simulator.google.live_route import GenerateRoute
from batchline_simulator.google.resumable import Sessions
from batchline_simulator.google.rpc_errors import error_response, quota_details
from batchline_simulator.google.schema_check import GEMINI_KEYWORDS
from batchline_simulator.request_log import RequestLog

PREFIX = "/gemini"
"""What the paths start with, since OpenAI's have `/v1/files` and `/v1/batches` too."""

_VERSIONS = ("v1", "v1beta")
_BAD_KEY = {
    "@type": "type.googleapis.com/google.rpc.ErrorInfo",
    "reason": "API_KEY_INVALID",
    "domain": "googleapis.com",
}
_MESSAGES = {
    403: (
        "Method doesn't allow unregistered callers (callers without established identity). Please use API"
        " Key or other form of API consumer identity to call this API."
    ),
    429: "Resource has been exhausted (e.g. check quota).",
    500: "An internal error has occurred. Please retry.",
    503: "The model is overloaded. Please try again later.",
}


class GeminiFace:
    """Keys and errors of the Gemini API; implements `Face`."""

    def __init__(self, api_keys: frozenset[str]) -> None:
        self._api_keys = api_keys

    def authorize(self, request: Request) -> Response | None:
        """Ask for a key; the address of an upload is a key to it."""
        if "upload_id" in request.query_params:
            return None
        # Google takes it from the query too. The log of calls has every query, so it is not taken here.
        key = request.headers.get("x-goog-api-key")
        if not key:
            return self.refusal("unregistered", 403)
        return self.refusal("unauthorized", 400) if self._api_keys and key not in self._api_keys else None

    def refusal(self, kind: str, status: int) -> Response:
        """Write the body of a failed call; a key that is not valid is a bad request here."""
        if kind == "unauthorized":
            return error_response(400, "API key not valid. Please pass a valid API key.", details=[_BAD_KEY])
        if kind == "quota":
            return error_response(status, QUOTA_MESSAGE, details=quota_details())
        return error_response(status, _MESSAGES.get(status, "The call failed."))

    def headers(self, elapsed_ms: int) -> Mapping[str, str]:
        """Say how long the call took."""
        return {"server-timing": f"gfet4t7; dur={elapsed_ms}"}


class GeminiService:
    """Files and batches."""

    def __init__(self, workshop: Workshop, blobs: BlobTable, sessions: Sessions, log: RequestLog) -> None:
        trade = GeminiTrade(workshop, blobs)
        self.life = BatchLife(workshop, trade)
        self._batches = BatchRoutes(trade, self.life)
        self._files = FileRoutes(blobs)
        self._live = GenerateRoute(workshop, GEMINI_KEYWORDS)
        self._uploads = UploadRoutes(blobs, sessions)
        self._gateway = Gateway(GeminiFace(workshop.config.api_keys), workshop.board, log)

    def routes(self) -> list[BaseRoute]:
        """Make the routes."""
        made: list[BaseRoute] = []
        for version in _VERSIONS:
            made += self._batch_routes(f"{PREFIX}/{version}")
            made += self._file_routes(version)
        return made

    def _batch_routes(self, base: str) -> list[BaseRoute]:
        route, batches = self._gateway.route, self._batches
        create, one = f"{base}/models/{{model}}:batchGenerateContent", f"{base}/batches/{{batch_id}}"
        generate = f"{base}/models/{{model}}:generateContent"
        return [
            route(generate, "POST", "gemini.models.generate", self._live.generate),
            route(create, "POST", "gemini.batches.create", batches.create),
            route(f"{base}/batches", "GET", "gemini.batches.list", batches.list),
            route(f"{one}:cancel", "POST", "gemini.batches.cancel", batches.cancel),
            route(one, "GET", "gemini.batches.retrieve", batches.retrieve),
            route(one, "DELETE", "gemini.batches.delete", batches.delete),
        ]

    def _file_routes(self, version: str) -> list[BaseRoute]:
        route, files = self._gateway.route, self._files
        base, one = f"{PREFIX}/{version}/files", f"{PREFIX}/{version}/files/{{file_id}}"
        upload, download = f"{PREFIX}/upload/{version}/files", f"/{version}/files/{{file_id}}:download"
        return [
            route(upload, "POST", "gemini.files.create", self._uploads.upload),
            route(base, "GET", "gemini.files.list", files.list),
            # Before the one without a verb, which would match it too.
            route(PREFIX + download, "GET", "gemini.files.content", files.content),
            route(f"{PREFIX}/download{download}", "GET", "gemini.files.content", files.content),
            route(one, "GET", "gemini.files.retrieve", files.retrieve),
            route(one, "DELETE", "gemini.files.delete", files.delete),
        ]
