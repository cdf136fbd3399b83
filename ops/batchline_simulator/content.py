"""Content that a fault spoils on its way out, whichever provider sends it."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from batchline_simulator.connection import cut
from batchline_simulator.faults import CONTENT_KINDS, Fault

_CHUNK_BYTES = 1 << 16
_BOM = b"\xef\xbb\xbf"


def spoiled_response(
    path: Path, faults: Mapping[str, Fault], *, headers: Mapping[str, str], media_type: str
) -> Response | None:
    """Send a file as the first content fault that struck leaves it; None where none did.

    `not_found` is the caller's to write, as every provider has its own words for it.
    """
    kind = next((kind for kind in faults if kind in CONTENT_KINDS), None)
    if kind is None:
        return None
    if kind == "truncated":
        size = _inside_last_line(path)
        return StreamingResponse(
            part_of(path, range(size)),
            headers={**headers, "content-length": str(size)},
            media_type=media_type,
        )
    if kind == "cut":
        whole = {**headers, "content-length": str(path.stat().st_size)}
        return _CutResponse(path, whole, media_type=media_type)
    return StreamingResponse(_respelled(path, kind), headers=headers, media_type=media_type)


def part_of(path: Path, part: range) -> Iterator[bytes]:
    """Read some bytes of a file, a chunk at a time."""
    with path.open("rb") as source:
        source.seek(part.start)
        left = len(part)
        while left and (chunk := source.read(min(_CHUNK_BYTES, left))):
            left -= len(chunk)
            yield chunk


class _CutResponse(StreamingResponse):
    """Promises the whole file and resets the connection inside the last line."""

    def __init__(self, path: Path, headers: Mapping[str, str], *, media_type: str) -> None:
        super().__init__(
            part_of(path, range(_inside_last_line(path))), headers=headers, media_type=media_type
        )

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


def _respelled(path: Path, kind: str) -> Iterator[bytes]:
    with path.open("rb") as source:
        if kind == "bom":
            yield _BOM
        for line in source:
            if kind == "blank_line":
                yield b"\n"
            yield line.replace(b"\n", b"\r\n") if kind == "crlf" else line
