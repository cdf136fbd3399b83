"""The Vertex side of the simulator: its face, its routes, its running jobs."""

from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from batchline_simulator.core import BatchLife, Workshop
from batchline_simulator.gateway import Gateway
from batchline_simulator.google.live_route import GenerateRoute
from batchline_simulator.google.rpc_errors import error_response, quota_details
from batchline_simulator.google.schema_check import VERTEX_KEYWORDS
from batchline_simulator.google.storage.access import Storage
from batchline_simulator.google.vertex.job_routes import JobRoutes
from batchline_simulator.google.vertex.trade import VertexTrade
from batchline_simulator.request_log import RequestLog

_VERSIONS = ("v1", "v1beta1")
_MESSAGES = {
    401: (
        "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other"
        " valid authentication credential."
    ),
    429: "Resource exhausted. Please try again later.",
    500: "Internal error encountered.",
    503: "The service is currently unavailable.",
}


class VertexFace:
    """Credentials and errors of Vertex; implements `Face`."""

    def authorize(self, request: Request) -> Response | None:
        """Ask for an access token; any is accepted, as `/token` gives one to whoever asks."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            return self.refusal("unauthorized", 401)
        return None

    def refusal(self, kind: str, status: int) -> Response:
        """Write the body of a failed call; that of 403 names the permission."""
        if status == 403:  # noqa: PLR2004 - HTTP
            message = (
                "Permission 'aiplatform.batchPredictionJobs.create' denied on resource"
                " '//aiplatform.googleapis.com/projects/simulated/locations/simulated' (or it may not exist)."
            )
            return error_response(status, message)
        details = quota_details() if kind == "quota" else None
        return error_response(status, _MESSAGES.get(status, "The call failed."), details=details)

    def headers(self, elapsed_ms: int) -> Mapping[str, str]:
        """Say how long the call took."""
        return {"server-timing": f"gfet4t7; dur={elapsed_ms}"}


class VertexService:
    """Batch prediction jobs, which read from Cloud Storage and write to it."""

    def __init__(self, workshop: Workshop, storage: Storage, log: RequestLog) -> None:
        trade = VertexTrade(workshop, storage)
        self.life = BatchLife(workshop, trade)
        self._jobs = JobRoutes(trade, self.life)
        self._live = GenerateRoute(workshop, VERTEX_KEYWORDS)
        self._gateway = Gateway(VertexFace(), workshop.board, log)

    def routes(self) -> list[BaseRoute]:
        """Make the routes."""
        route, jobs = self._gateway.route, self._jobs
        made: list[BaseRoute] = []
        for version in _VERSIONS:
            place = f"/{version}/projects/{{project}}/locations/{{location}}"
            generate = f"{place}/publishers/google/models/{{model}}:generateContent"
            every = f"{place}/batchPredictionJobs"
            one = f"{every}/{{job_id}}"
            made += [
                route(generate, "POST", "vertex.models.generate", self._live.generate),
                route(every, "POST", "vertex.batches.create", jobs.create),
                route(every, "GET", "vertex.batches.list", jobs.list),
                route(f"{one}:cancel", "POST", "vertex.batches.cancel", jobs.cancel),
                route(one, "GET", "vertex.batches.retrieve", jobs.retrieve),
                route(one, "DELETE", "vertex.batches.delete", jobs.delete),
            ]
        return made
