"""Pages of a bucket's objects, folded at a delimiter.

A page token is the name at which the next page starts, so pages stay right
while objects come and go between them.
"""

import base64
import binascii
from dataclasses import dataclass, field

from batchline_simulator.google.blob_table import Blob, BlobTable

MAX_PAGE = 1000
_BEHIND = "\U0010ffff"


@dataclass
class Page:
    """Objects and folded prefixes, which count alike towards the size of a page."""

    blobs: list[Blob] = field(default_factory=list)
    prefixes: list[str] = field(default_factory=list)
    next_token: str | None = None

    def __len__(self) -> int:
        return len(self.blobs) + len(self.prefixes)


@dataclass(frozen=True)
class Wanted:
    """What a list call asks for."""

    prefix: str
    delimiter: str
    start: str
    """First name that may be listed."""
    end: str
    """First name that may not; empty is no bound."""
    limit: int


def page_of(blobs: BlobTable, bucket: str, wanted: Wanted) -> Page:
    """Return the objects of a bucket from `wanted.start` on, by name."""
    page = Page()
    rest = blobs.named(bucket, prefix=wanted.prefix, start=wanted.start)
    while (blob := next(rest, None)) is not None:
        if wanted.end and blob.name >= wanted.end:
            break
        if len(page) == wanted.limit:
            page.next_token = base64.urlsafe_b64encode(blob.name.encode()).decode()
            break
        folded = _folded(blob.name, wanted)
        if folded is None:
            page.blobs.append(blob)
        else:
            page.prefixes.append(folded)
            # Whatever else lies below the prefix is folded into it; go on behind it.
            rest = blobs.named(bucket, prefix=wanted.prefix, start=folded + _BEHIND)
    return page


def start_of(token: str) -> str | None:
    """Read a page token; None where it is none of ours."""
    try:
        return base64.urlsafe_b64decode(token).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None


def _folded(name: str, wanted: Wanted) -> str | None:
    if not wanted.delimiter:
        return None
    head, found, _ = name[len(wanted.prefix) :].partition(wanted.delimiter)
    return wanted.prefix + head + found if found else None
