"""`/{version}/files`: look, list, delete, download."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from batchline_simulator.content import part_of, spoiled_response
from batchline_simulator.google.blob_table import Blob, BlobTable
from batchline_simulator.google.gemini.files import CONTAINER, check_id, file_resource, no_file
from batchline_simulator.google.gemini.paging import page_size

_MEDIA_TYPE = "application/octet-stream"
_DEFAULT_PAGE, _MAX_PAGE = 10, 100


class FileRoutes:
    """Handlers of the file calls, uploads excepted."""

    def __init__(self, blobs: BlobTable) -> None:
        self._blobs = blobs

    async def retrieve(self, request: Request) -> Response:
        """Show a file."""
        return JSONResponse(file_resource(self._file(request)))

    async def list(self, request: Request) -> Response:
        """Show files, by name; a page token is the name of the one that comes next."""
        limit = page_size(request, default=_DEFAULT_PAGE, highest=_MAX_PAGE)
        start = request.query_params.get("pageToken", "")
        shown: list[Blob] = []
        for blob in self._blobs.named(CONTAINER, prefix="files/", start=start):
            if len(shown) == limit:
                return JSONResponse(
                    {"files": [file_resource(one) for one in shown], "nextPageToken": blob.name}
                )
            shown.append(blob)
        return JSONResponse({"files": [file_resource(blob) for blob in shown]} if shown else {})

    async def delete(self, request: Request) -> Response:
        """Remove a file; the names of result files are too long for this call."""
        check_id(request.path_params["file_id"])
        self._blobs.delete(self._file(request))
        return JSONResponse({})

    async def content(self, request: Request) -> Response:
        """Send the bytes of a file."""
        blob = self._file(request)
        if "not_found" in request.state.faults:
            raise no_file(request.path_params["file_id"])
        path, faults = self._blobs.path(blob), request.state.faults
        spoiled = spoiled_response(path, faults, headers={}, media_type=_MEDIA_TYPE)
        headers = {"content-length": str(blob.bytes)}
        whole = StreamingResponse(part_of(path, range(blob.bytes)), headers=headers, media_type=_MEDIA_TYPE)
        return spoiled or whole

    def _file(self, request: Request) -> Blob:
        file_id = request.path_params["file_id"]
        blob = self._blobs.get(CONTAINER, f"files/{file_id}")
        if blob is None:
            raise no_file(file_id)
        return blob
