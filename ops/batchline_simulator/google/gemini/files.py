"""Files of the Gemini API: their names, and how they are shown.

They lie in a container of the blob table that no bucket can have the name of.
"""

import base64
import random
import re
import string
from typing import Any

from batchline_simulator.gateway import Refused
from batchline_simulator.google.blob_table import Blob
from batchline_simulator.google.moments import moment
from batchline_simulator.google.rpc_errors import refused

CONTAINER = ".gemini"
MAX_FILE_BYTES = 2_000_000_000
_LIFE_US = 48 * 3600 * 1_000_000
_CHOSEN_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?")
_ALPHABET = string.ascii_lowercase + string.digits
_PUBLIC = "https://generativelanguage.googleapis.com/v1beta"


def new_id(length: int) -> str:
    """Draw small letters and digits: 12 for a file, 36 for a batch."""
    return "".join(random.SystemRandom().choices(_ALPHABET, k=length))


def chosen_id(name: object) -> str:
    """Read the name that a caller chose, with or without `files/` before it, or make one.

    Raises:
        Refused: It is too long or has other characters.
    """
    if name is None:
        return new_id(12)
    file_id = str(name).removeprefix("files/")
    check_id(file_id)
    return file_id


def check_id(file_id: str) -> None:
    """Refuse an id that no uploaded file can have; those of result files are longer than allowed."""
    if _CHOSEN_NAME.fullmatch(file_id) is None:
        rule = "up to 40 lowercase alphanumeric or dash characters, with a dash at neither end"
        raise refused(400, f"Invalid file name files/{file_id}: a name has {rule}.")


def no_file(file_id: str) -> Refused:
    """Refuse a call on a file that is not there; Google does not tell that from one of somebody else's."""
    return refused(403, f"You do not have permission to access the File {file_id} or it may not exist.")


def file_resource(blob: Blob) -> dict[str, Any]:
    """Show a file. The hash is the base64 of the hexadecimal digits, as Google has it."""
    written = moment(blob.generation)
    shown = {
        "name": blob.name,
        "mimeType": blob.media_type,
        "sizeBytes": str(blob.bytes),
        "createTime": written,
        "updateTime": written,
        "expirationTime": moment(blob.generation + _LIFE_US),
        "sha256Hash": base64.b64encode(blob.sha256.encode()).decode(),
        "uri": f"{_PUBLIC}/{blob.name}",
        "state": "ACTIVE",
        "source": blob.metadata.get("source", "UPLOADED"),
    }
    if (display_name := blob.metadata.get("display_name")) is not None:
        shown["displayName"] = display_name
    return shown
