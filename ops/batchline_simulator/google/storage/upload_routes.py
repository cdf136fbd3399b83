"""`/upload/storage/v1/b/{bucket}/o`: uploads at once and in pieces."""

import asyncio
import re
import uuid

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from batchline_simulator.connection import drain
from batchline_simulator.google.blob_table import Blob, PreconditionError
from batchline_simulator.google.measuring import Measured, measured
from batchline_simulator.google.origin import origin
from batchline_simulator.google.resumable import GapError, Session
from batchline_simulator.google.storage.access import Storage, number
from batchline_simulator.google.storage.bucket_routes import json_object
from batchline_simulator.google.storage.buckets import Bucket
from batchline_simulator.google.storage.errors import refused
from batchline_simulator.google.storage.related import RelatedError, receive_related
from batchline_simulator.google.storage.resources import object_resource

_PIECE = re.compile(r"bytes (?:(\d+)-(\d+)|\*)/(\d+|\*)")
_PERMISSION = "storage.objects.create"


class UploadRoutes:
    """Handlers of the upload calls."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    async def begin(self, request: Request) -> Response:
        """Take an object at once, or open a session for its pieces."""
        bucket = self._storage.bucket(request, _PERMISSION)
        kind = request.query_params.get("uploadType")
        if kind == "multipart":
            return await self._whole(request, bucket)
        if kind == "resumable":
            return await self._session(request, bucket)
        raise refused(400, f"Invalid upload type: {kind}")

    async def piece(self, request: Request) -> Response:
        """Take a piece, or say how much is there; the last one makes the object."""
        session = self._storage.sessions.get(request.query_params.get("upload_id", ""))
        if session is None:
            raise refused(404, "No such upload.")
        if session.finished:
            return await self._again(request, session)
        found = _PIECE.fullmatch(request.headers.get("content-range", ""))
        if found is None and "content-range" in request.headers:
            raise refused(400, "Invalid Content-Range.")
        first, _, total = found.groups() if found else ("0", None, request.headers.get("content-length", "*"))
        if first is not None:
            try:
                await self._storage.sessions.append(session, request, int(first))
            except GapError:
                raise refused(400, "The piece does not follow the bytes that are there.") from None
        if total == "*" or self._storage.sessions.stored_bytes(session) < int(total):
            return _incomplete(self._storage.sessions.stored_bytes(session))
        return await self._finished(request, session)

    async def _whole(self, request: Request, bucket: Bucket) -> Response:
        draft = self._storage.blobs.draft(uuid.uuid4().hex)
        try:
            wanted, media_type = await receive_related(request, draft)
            name = wanted.get("name") or request.query_params.get("name")
            if not isinstance(name, str) or not name:
                raise refused(400, "Required")
            content = await asyncio.to_thread(measured, draft)
            _check_sums(content, wanted.get("crc32c"), wanted.get("md5Hash"))
            blob = self._storage.blobs.add(
                bucket.name,
                name,
                content,
                media_type=str(wanted.get("contentType") or media_type),
                metadata=_metadata(wanted),
                if_generation=number(request, "ifGenerationMatch"),
            )
        except RelatedError as error:
            raise refused(400, f"Malformed multipart body: {error}") from error
        except PreconditionError:
            raise refused(412) from None
        finally:
            draft.unlink(missing_ok=True)
        return _shown(request, blob)

    async def _session(self, request: Request, bucket: Bucket) -> Response:
        wanted = await json_object(request)
        name = wanted.get("name") or request.query_params.get("name")
        if not isinstance(name, str) or not name:
            raise refused(400, "Required")
        expected = number(request, "ifGenerationMatch")
        try:
            self._storage.blobs.check(bucket.name, name, expected)
        except PreconditionError:
            raise refused(412) from None
        media_type = wanted.get("contentType") or request.headers.get("x-upload-content-type")
        session = self._storage.sessions.begin(
            bucket.name,
            name,
            media_type=str(media_type or "application/octet-stream"),
            metadata=_metadata(wanted),
            if_generation=expected,
        )
        path = f"/upload/storage/v1/b/{bucket.name}/o?uploadType=resumable&upload_id={session.id}"
        headers = {"Location": origin(request) + path, "X-GUploader-UploadID": session.id}
        return Response(status_code=200, headers=headers)

    async def _finished(self, request: Request, session: Session) -> Response:
        try:
            blob = await self._storage.sessions.finish(session)
        except PreconditionError:
            raise refused(412) from None
        return _shown(request, blob)

    async def _again(self, request: Request, session: Session) -> Response:
        """Repeat the reply to the last piece, which the caller seems to have missed."""
        await drain(request)
        blob = self._storage.blobs.get(session.container, session.name)
        if blob is None:
            raise refused(410, "The upload ended, and its object is gone.")
        return _shown(request, blob)


def _shown(request: Request, blob: Blob) -> Response:
    return JSONResponse(object_resource(blob, origin(request)))


def _incomplete(stored: int) -> Response:
    return Response(status_code=308, headers={"Range": f"bytes=0-{stored - 1}"} if stored else {})


def _metadata(wanted: dict[str, object]) -> dict[str, str]:
    given = wanted.get("metadata")
    return {str(key): str(value) for key, value in given.items()} if isinstance(given, dict) else {}


def _check_sums(content: Measured, crc32c: object, md5: object) -> None:
    for name, sent, found in (("CRC32C", crc32c, content.crc32c), ("MD5", md5, content.md5)):
        if sent is not None and sent != found:
            raise refused(400, f'Provided {name} "{sent}" doesn\'t match calculated {name} "{found}".')
