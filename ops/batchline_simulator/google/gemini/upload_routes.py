"""`/upload/{version}/files`: an upload in pieces, told apart by headers.

`X-Goog-Upload-Command` says what a call is: `start`, `upload`, `query`, or
`upload, finalize`. A name that the caller chose makes the upload idempotent:
the second one is refused with 409.
"""

from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from batchline_simulator.connection import drain
from batchline_simulator.google.blob_table import BlobTable, PreconditionError
from batchline_simulator.google.gemini.files import CONTAINER, MAX_FILE_BYTES, chosen_id, file_resource
from batchline_simulator.google.generate_request import either
from batchline_simulator.google.origin import origin
from batchline_simulator.google.resumable import GapError, Session, Sessions
from batchline_simulator.google.rpc_errors import refused

_EXISTS = "Requested entity already exists"
_GRANULARITY = 8_388_608


class UploadRoutes:
    """Handlers of the upload call."""

    def __init__(self, blobs: BlobTable, sessions: Sessions) -> None:
        self._blobs = blobs
        self._sessions = sessions

    async def upload(self, request: Request) -> Response:
        """Do what the command of the call says."""
        commands = {word.strip() for word in request.headers.get("x-goog-upload-command", "").split(",")}
        if "start" in commands:
            return await self._start(request)
        session = self._sessions.get(request.query_params.get("upload_id", ""))
        if session is None:
            raise refused(404, "The upload was not found.")
        if session.finished:
            await drain(request)
            return self._final(session)
        if "upload" in commands:
            await self._append(request, session)
        if "finalize" not in commands:
            received = str(self._sessions.stored_bytes(session))
            headers = {"x-goog-upload-status": "active", "x-goog-upload-size-received": received}
            return Response(headers=headers)
        try:
            await self._sessions.finish(session)
        except PreconditionError:
            raise refused(409, _EXISTS) from None
        return self._final(session)

    async def _start(self, request: Request) -> Response:
        wanted = _wanted(await request.body())
        name = f"files/{chosen_id(wanted.get('name'))}"
        if self._blobs.get(CONTAINER, name) is not None:
            raise refused(409, _EXISTS)
        size = request.headers.get("x-goog-upload-header-content-length", "0")
        if not size.isdecimal() or int(size) > MAX_FILE_BYTES:
            raise refused(400, f"The file is larger than {MAX_FILE_BYTES} bytes.")
        media_type = either(wanted, "mimeType") or request.headers.get("x-goog-upload-header-content-type")
        if not media_type:
            raise refused(400, "The file has no MIME type.")
        display_name = either(wanted, "displayName")
        session = self._sessions.begin(
            CONTAINER,
            name,
            media_type=str(media_type),
            metadata={} if display_name is None else {"display_name": str(display_name)},
            if_generation=0,
        )
        url = f"{origin(request)}{request.url.path}?upload_id={session.id}&upload_protocol=resumable"
        headers = {
            "x-goog-upload-status": "active",
            "x-goog-upload-url": url,
            "x-goog-upload-chunk-granularity": str(_GRANULARITY),
        }
        return Response(headers=headers)

    async def _append(self, request: Request, session: Session) -> None:
        offset = request.headers.get("x-goog-upload-offset", "")
        if not offset.isdecimal():
            raise refused(400, "The upload offset is missing.")
        try:
            await self._sessions.append(session, request, int(offset))
        except GapError:
            raise refused(400, "The piece does not follow the bytes that are there.") from None

    def _final(self, session: Session) -> Response:
        blob = self._blobs.get(session.container, session.name)
        if blob is None:
            raise refused(404, "The upload ended, and its file is gone.")
        return JSONResponse({"file": file_resource(blob)}, headers={"x-goog-upload-status": "final"})


def _wanted(body: bytes) -> dict[str, Any]:
    try:
        wanted = orjson.loads(body or b"{}")
    except orjson.JSONDecodeError:
        wanted = None
    file = wanted.get("file", {}) if isinstance(wanted, dict) else None
    if not isinstance(file, dict):
        raise refused(400, "Invalid JSON payload received.")
    return file
