"""Google's services, assembled."""

from starlette.routing import BaseRoute

from batchline_simulator.core import BatchLife, Workshop
from batchline_simulator.google.blob_table import BlobTable
from batchline_simulator.google.gemini import GeminiService
from batchline_simulator.google.storage import open_storage, storage_routes
from batchline_simulator.google.token_route import token_route
from batchline_simulator.google.vertex import VertexService
from batchline_simulator.request_log import RequestLog
from batchline_simulator.service import Service


class CloudService:
    """Vertex AI, with the storage that its jobs use and the tokens that both take."""

    def __init__(self, vertex: VertexService, others: list[BaseRoute]) -> None:
        self._vertex = vertex
        self._others = others

    @property
    def life(self) -> BatchLife:
        """The jobs that it runs."""
        return self._vertex.life

    def routes(self) -> list[BaseRoute]:
        """Make the routes."""
        return [*self._others, *self._vertex.routes()]


def google_services(workshop: Workshop, log: RequestLog) -> list[Service]:
    """Make both of Google's providers, which share one place for their objects and files."""
    blobs = BlobTable(workshop.database, workshop.config.data_dir / "blobs")
    storage = open_storage(workshop.config, workshop.database, blobs)
    others = [token_route(workshop.board, log), *storage_routes(storage, workshop.board, log)]
    return [
        CloudService(VertexService(workshop, storage, log), others),
        GeminiService(workshop, blobs, storage.sessions, log),
    ]
