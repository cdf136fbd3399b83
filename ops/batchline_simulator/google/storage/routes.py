"""Cloud Storage's face and its routes."""

from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from batchline_simulator.faults import FaultBoard
from batchline_simulator.gateway import Gateway
from batchline_simulator.google.storage.access import Storage
from batchline_simulator.google.storage.bucket_routes import BucketRoutes
from batchline_simulator.google.storage.errors import error_response
from batchline_simulator.google.storage.object_routes import ObjectRoutes
from batchline_simulator.google.storage.upload_routes import UploadRoutes
from batchline_simulator.request_log import RequestLog


class StorageFace:
    """Errors of Cloud Storage; implements `Face`."""

    def authorize(self, request: Request) -> None:
        """Let everybody in: the client sends no credentials to what it takes for an emulator."""
        del request

    def refusal(self, kind: str, status: int) -> Response:
        """Write the body of a failed call."""
        del kind
        return error_response(status)

    def headers(self, elapsed_ms: int) -> Mapping[str, str]:
        """Say how long the call took."""
        return {"server-timing": f"gfet4t7; dur={elapsed_ms}"}


def storage_routes(storage: Storage, board: FaultBoard, log: RequestLog) -> list[BaseRoute]:
    """Make the routes."""
    route = Gateway(StorageFace(), board, log).route
    buckets, objects, uploads = BucketRoutes(storage), ObjectRoutes(storage), UploadRoutes(storage)
    every = "/storage/v1/b/{bucket}/o"
    one = f"{every}/{{name:path}}"
    return [
        route("/storage/v1/b", "POST", "gcs.buckets.create", buckets.create),
        route("/storage/v1/b/{bucket}", "GET", "gcs.buckets.get", buckets.get),
        route(every, "GET", "gcs.objects.list", objects.list),
        route(one, "GET", "gcs.objects.get", objects.get),
        route(one, "DELETE", "gcs.objects.delete", objects.delete),
        route(f"/download{one}", "GET", "gcs.objects.content", objects.content),
        route(f"/upload{every}", "POST", "gcs.objects.create", uploads.begin),
        route(f"/upload{every}", "PUT", "gcs.objects.create", uploads.piece),
    ]
