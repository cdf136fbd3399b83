"""Size, lines and checksums of a file, taken in one pass over it."""

import base64
import hashlib
from dataclasses import dataclass
from pathlib import Path

import google_crc32c

_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class Measured:
    """What one pass over a file found."""

    path: Path
    bytes: int
    lines: int
    """A last line without a line feed counts."""
    md5: str
    """Base64, as Cloud Storage writes it; so is `crc32c`."""
    crc32c: str
    sha256: str
    """Hexadecimal."""


def measured(path: Path) -> Measured:
    """Read a file once, a megabyte at a time."""
    md5, sha256, crc32c = hashlib.md5(usedforsecurity=False), hashlib.sha256(), 0
    size, lines, last = 0, 0, b"\n"
    with path.open("rb") as source:
        while chunk := source.read(_CHUNK_BYTES):
            md5.update(chunk)
            sha256.update(chunk)
            crc32c = google_crc32c.extend(crc32c, chunk)
            size, lines, last = size + len(chunk), lines + chunk.count(b"\n"), chunk[-1:]
    return Measured(
        path=path,
        bytes=size,
        lines=lines + (last != b"\n"),
        md5=base64.b64encode(md5.digest()).decode(),
        crc32c=base64.b64encode(crc32c.to_bytes(4, "big")).decode(),
        sha256=sha256.hexdigest(),
    )
