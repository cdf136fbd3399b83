"""`/storage/v1/b`."""

import json

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from batchline_simulator.google.moments import now_us
from batchline_simulator.google.origin import origin
from batchline_simulator.google.storage.access import Storage
from batchline_simulator.google.storage.errors import forbidden, refused
from batchline_simulator.google.storage.resources import bucket_resource

_TAKEN = (
    "The requested bucket name is not available. The bucket namespace is shared by all users of the system."
    " Please select a different name and try again."
)


class BucketRoutes:
    """Handlers of the bucket calls."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    async def create(self, request: Request) -> Response:
        """Make a bucket; without a location it lies in the US, as Google has it."""
        wanted = await json_object(request)
        name, location = wanted.get("name"), wanted.get("location") or "US"
        if not isinstance(name, str) or not name or not isinstance(location, str):
            raise refused(400, "Required")
        if self._storage.buckets.denied(name):
            raise forbidden("storage.buckets.create", "bucket")
        if self._storage.buckets.get(name) is not None:
            raise refused(409, _TAKEN)
        bucket = self._storage.buckets.create(name, location, now_us=now_us())
        return JSONResponse(bucket_resource(bucket, origin(request)))

    async def get(self, request: Request) -> Response:
        """Show a bucket."""
        bucket = self._storage.bucket(request, "storage.buckets.get")
        return JSONResponse(bucket_resource(bucket, origin(request)))


async def json_object(request: Request) -> dict[str, object]:
    """Read a body that is one JSON object, or refuse the call; an empty body is an empty object."""
    body = await request.body()
    try:
        wanted = json.loads(body or b"{}")
    except ValueError:
        wanted = None
    if not isinstance(wanted, dict):
        raise refused(400, "Parse Error")
    return wanted
