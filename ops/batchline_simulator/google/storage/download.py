"""The bytes of an object on their way out, with the checksums that the client verifies."""

from collections.abc import Mapping
from pathlib import Path

from starlette.responses import Response, StreamingResponse

from batchline_simulator.content import part_of, spoiled_response
from batchline_simulator.faults import Fault
from batchline_simulator.google.blob_table import Blob

_RESPELLED = frozenset({"bom", "crlf", "blank_line"})


def download(path: Path, blob: Blob, wanted: range | None, faults: Mapping[str, Fault]) -> Response:
    """Send an object, or a range of its bytes.

    A content fault that struck spoils the whole object, whatever the range.
    """
    headers = {
        "x-goog-generation": str(blob.generation),
        "x-goog-metageneration": "1",
        "x-goog-stored-content-length": str(blob.bytes),
        "etag": f'"CO{blob.generation}"',
    }
    # A client that verifies notices a file cut short; one that is spelled otherwise has no sums to tell it.
    if not faults.keys() & _RESPELLED:
        headers["x-goog-hash"] = f"crc32c={blob.crc32c},md5={blob.md5}"
    spoiled = spoiled_response(path, faults, headers=headers, media_type=blob.media_type)
    if spoiled is not None:
        return spoiled
    part = range(blob.bytes) if wanted is None else wanted
    headers["content-length"] = str(len(part))
    if wanted is None:
        return StreamingResponse(part_of(path, part), headers=headers, media_type=blob.media_type)
    headers["content-range"] = f"bytes {part.start}-{part.stop - 1}/{blob.bytes}"
    return StreamingResponse(part_of(path, part), 206, headers=headers, media_type=blob.media_type)
