"""The content of a file on its way out, whole or spoiled by a fault."""

from collections.abc import Mapping
from pathlib import Path

from starlette.responses import FileResponse, Response

from batchline_simulator.content import spoiled_response
from batchline_simulator.faults import Fault
from batchline_simulator.file_table import StoredFile

_MEDIA_TYPE = "application/octet-stream"


def content_response(path: Path, stored: StoredFile, faults: Mapping[str, Fault]) -> Response:
    """Send a file, spoiled by the first content fault that struck."""
    headers = {"content-disposition": f'attachment; filename="{stored.filename}"'}
    spoiled = spoiled_response(path, faults, headers=headers, media_type=_MEDIA_TYPE)
    return spoiled or FileResponse(path, media_type=_MEDIA_TYPE, filename=stored.filename)
