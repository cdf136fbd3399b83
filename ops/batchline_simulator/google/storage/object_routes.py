"""`/storage/v1/b/{bucket}/o` and its downloads."""

import re
from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from batchline_simulator.google.blob_table import Blob
from batchline_simulator.google.origin import origin
from batchline_simulator.google.storage.access import Storage, number
from batchline_simulator.google.storage.download import download
from batchline_simulator.google.storage.errors import no_object, refused
from batchline_simulator.google.storage.listing import MAX_PAGE, Wanted, page_of, start_of
from batchline_simulator.google.storage.resources import object_list, object_resource

_RANGE = re.compile(r"bytes=(?:(\d+)-(\d*)|-(\d+))")


class ObjectRoutes:
    """Handlers of the object calls, uploads excepted."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    async def list(self, request: Request) -> Response:
        """Show a page of objects, by name."""
        bucket = self._storage.bucket(request, "storage.objects.list")
        query, limit = request.query_params, number(request, "maxResults")
        token = query.get("pageToken")
        start = query.get("startOffset", "") if token is None else start_of(token)
        if start is None:
            raise refused(400, "Invalid page token.")
        wanted = Wanted(
            prefix=query.get("prefix", ""),
            delimiter=query.get("delimiter", ""),
            start=start,
            end=query.get("endOffset", ""),
            limit=min(limit or MAX_PAGE, MAX_PAGE),
        )
        page = page_of(self._storage.blobs, bucket.name, wanted)
        return JSONResponse(object_list(page.blobs, page.prefixes, page.next_token, origin(request)))

    async def get(self, request: Request) -> Response:
        """Show an object, or send its bytes where the query says `alt=media`."""
        blob = self._storage.blob(request, "storage.objects.get")
        if request.query_params.get("alt") == "media":
            return self._sent(request, blob)
        return JSONResponse(object_resource(blob, origin(request)))

    async def content(self, request: Request) -> Response:
        """Send the bytes of an object, whole or a range of them."""
        blob = self._storage.blob(request, "storage.objects.get")
        if "not_found" in request.state.faults:
            raise no_object(blob.container, blob.name)
        return self._sent(request, blob)

    async def delete(self, request: Request) -> Response:
        """Remove an object."""
        self._storage.blobs.delete(self._storage.blob(request, "storage.objects.delete"))
        return Response(status_code=204)

    def _sent(self, request: Request, blob: Blob) -> Response:
        wanted = byte_range(request.headers, blob.bytes)
        return download(self._storage.blobs.path(blob), blob, wanted, request.state.faults)


def byte_range(headers: Mapping[str, str], size: int) -> range | None:
    """Read the bytes that a call asks for; None asks for all, as does a header of another form.

    Raises:
        Refused: None of them exists: 416.
    """
    found = _RANGE.fullmatch(headers.get("range", ""))
    if found is None:
        return None
    first, last, tail = found.groups()
    if tail is not None:
        wanted = range(max(0, size - int(tail)), size)
    else:
        wanted = range(int(first), min(size, int(last) + 1 if last else size))
    if not wanted:
        raise refused(416)
    return wanted
