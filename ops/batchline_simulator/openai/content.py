"""The content of a file on its way out, whole or spoiled by a fault."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from starlette.responses import FileResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from batchline_simulator.connection import cut
from batchline_simulator.faults import CONTENT_KINDS, Fault
from batchline_simulator.file_table import StoredFile

_CHUNK_BYTES = 1 << 16
_BOM = b"\xef\xbb\xbf"
_MEDIA_TYPE = "application/octet-stream"


def content_response(path: Path, stored: StoredFile, faults: Mapping[str, Fault]) -> Response:
    """Send a file, spoiled by the first content fault that struck."""
    kind = next((kind for kind in faults if kind in CONTENT_KINDS), None)
    if kind is None:
        return FileResponse(path, media_type=_MEDIA_TYPE, filename=stored.filename)
    headers = {"content-disposition": f'attachment; filename="{stored.filename}"'}
    if kind == "truncated":
        size = _inside_last_line(path)
        return StreamingResponse(
            _part(path, size), headers={**headers, "content-length": str(size)}, media_type=_MEDIA_TYPE
        )
    if kind == "cut":
        return _CutResponse(path, {**headers, "content-length": str(stored.bytes)})
    return StreamingResponse(_respelled(path, kind), headers=headers, media_type=_MEDIA_TYPE)


class _CutResponse(StreamingResponse):
    """Promises the whole file and resets the connection inside the last line."""

    def __init__(self, path: Path, headers: Mapping[str, str]) -> None:
        super().__init__(_part(path, _inside_last_line(path)), headers=headers, media_type=_MEDIA_TYPE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        async for chunk in self.body_iterator:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        cut(scope)
        while (await receive())["type"] != "http.disconnect":
            pass


def _inside_last_line(path: Path) -> int:
    """Return a length in bytes that ends in the middle of the last line."""
    size = path.stat().st_size
    with path.open("rb") as source:
        last = b""
        for line in source:
            last = line
    return size - max(1, len(last) // 2)


def _part(path: Path, size: int) -> Iterator[bytes]:
    with path.open("rb") as source:
        while size > 0 and (chunk := source.read(min(_CHUNK_BYTES, size))):
            size -= len(chunk)
            yield chunk


def _respelled(path: Path, kind: str) -> Iterator[bytes]:
    with path.open("rb") as source:
        if kind == "bom":
            yield _BOM
        for line in source:
            if kind == "blank_line":
                yield b"\n"
            yield line.replace(b"\n", b"\r\n") if kind == "crlf" else line
