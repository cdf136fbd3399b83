"""`/v1/files`."""

import time
import uuid

import orjson
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from batchline_simulator.file_table import StoredFile
from batchline_simulator.openai import objects
from batchline_simulator.openai.content import content_response
from batchline_simulator.openai.errors import refused, refused_file
from batchline_simulator.openai.trade import OpenAiTrade
from batchline_simulator.uploads import Upload, UploadError, UploadTooLargeError, receive

_MAX_LIST = 10_000
_MIN_LIFE_S = 3600
_PURPOSES = ("assistants", "batch", "evals", "fine-tune", "user_data", "vision")
_MAX_FIRST_LINE_BYTES = 1 << 26


class FileRoutes:
    """Handlers of the file calls."""

    def __init__(self, trade: OpenAiTrade) -> None:
        self._shop = trade.shop
        self._files = trade.files
        self._quirks = trade.quirks

    async def create(self, request: Request) -> Response:
        """Store an upload, unless its name, encoding or first line forbid it."""
        content = self._shop.work / f"upload-{uuid.uuid4().hex}"
        try:
            upload = await receive(request, content, max_bytes=self._shop.config.max_upload_bytes)
            stored = _checked(upload, self._quirks.id(objects.new_file_id()))
            self._files.add(stored, content)
        except UploadTooLargeError:
            limit = self._shop.config.max_upload_bytes
            raise refused(413, f"File is too large. Maximum size is {limit} bytes.") from None
        except UploadError as error:
            raise refused(400, f"Could not parse multipart form: {error}") from error
        finally:
            content.unlink(missing_ok=True)
        return self._shown(stored)

    async def retrieve(self, request: Request) -> Response:
        """Show one file."""
        return self._shown(self._file(request))

    async def list(self, request: Request) -> Response:
        """Show files, newest first unless asked otherwise."""
        query = request.query_params
        limit = limit_of(request, default=_MAX_LIST, highest=_MAX_LIST)
        order = query.get("order", "desc")
        if order not in ("asc", "desc"):
            message = f"Invalid value: '{order}'. Supported values are: 'asc' and 'desc'."
            raise refused(400, message, param="order", code="invalid_value")
        found = self._files.page(
            purpose=query.get("purpose"),
            limit=limit + 1,
            newest_first=order == "desc",
            after=query.get("after"),
        )
        shown = [self._quirks.file(objects.file_object(stored)) for stored in found]
        return JSONResponse(self._quirks.page(objects.page(shown, limit)))

    async def content(self, request: Request) -> Response:
        """Send the bytes of one file."""
        stored = self._file(request)
        if "not_found" in request.state.faults:
            raise _no_file(stored.id)
        return content_response(self._files.path(stored.id), stored, request.state.faults)

    async def delete(self, request: Request) -> Response:
        """Remove one file."""
        file_id = self._file(request).id
        self._files.delete(file_id)
        return JSONResponse({"object": "file", "deleted": True, "id": file_id})

    def _shown(self, stored: StoredFile) -> JSONResponse:
        return JSONResponse(self._quirks.file(objects.file_object(stored)))

    def _file(self, request: Request) -> StoredFile:
        file_id = request.path_params["file_id"]
        stored = self._files.get(file_id)
        if stored is None:
            raise _no_file(file_id)
        return stored


def limit_of(request: Request, *, default: int, highest: int) -> int:
    """Read the `limit` of a list call, or refuse the call."""
    text = request.query_params.get("limit", str(default))
    if not text.isdecimal() or not 1 <= int(text) <= highest:
        message = f"Invalid 'limit': expected an integer from 1 to {highest}, but got '{text}' instead."
        raise refused(400, message, param="limit", code="invalid_value")
    return int(text)


def _no_file(file_id: str) -> Exception:
    return refused(404, f"No such File object: {file_id}", param="id")


def _checked(upload: Upload, file_id: str) -> StoredFile:
    """Check what is checked at upload; later lines are looked at when a batch is made of them."""
    purpose = upload.fields.get("purpose")
    if upload.filename is None or purpose is None:
        param = "file" if upload.filename is None else "purpose"
        raise refused(
            400, f"Missing required parameter: '{param}'.", param=param, code="missing_required_parameter"
        )
    if purpose not in _PURPOSES:
        raise refused(400, f"'{purpose}' is not one of {list(_PURPOSES)!r} - 'purpose'", param="purpose")
    if purpose == "batch":
        _check_batch_file(upload)
    now, life_s = int(time.time()), _life_s(upload, purpose)
    return StoredFile(
        id=file_id,
        purpose=purpose,
        filename=upload.filename,
        bytes=upload.bytes,
        lines=upload.lines,
        sha256=upload.sha256,
        created_at=now,
        expires_at=None if life_s is None else now + life_s,
    )


def _life_s(upload: Upload, purpose: str) -> int | None:
    """Return how long the file is kept, in seconds; None is for ever."""
    wanted = upload.fields.get("expires_after[seconds]")
    if wanted is None:
        return objects.FILE_LIFE_S if purpose == "batch" else None
    if not wanted.isdecimal() or not _MIN_LIFE_S <= int(wanted) <= objects.FILE_LIFE_S:
        message = f"Invalid 'expires_after.seconds': expected {_MIN_LIFE_S} to {objects.FILE_LIFE_S}."
        raise refused(400, message, param="expires_after.seconds", code="invalid_value")
    return int(wanted)


def _check_batch_file(upload: Upload) -> None:
    if not (upload.filename or "").endswith(".jsonl"):
        raise refused_file("Invalid file format for Batch API. Must be .jsonl")
    if not upload.utf8:
        raise refused_file("Invalid file for Batch API. Must be utf-8 encoded")
    with upload.content.open("rb") as source:
        first = source.readline(_MAX_FIRST_LINE_BYTES)
    try:
        # A byte order mark passes here, and fails line 1 when the batch is validated.
        parsed = orjson.loads(first.removeprefix(b"\xef\xbb\xbf"))
    except orjson.JSONDecodeError:
        parsed = None
    if not isinstance(parsed, dict):
        raise refused_file("Invalid file format for Batch API. Must be valid jsonl")
