"""The input of a job: the objects that its `gs://` addresses name, as they were when it was created.

Later changes of an object do not reach a job: it reads the generation that it
was created with, or fails where that is gone.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from batchline_simulator.google.blob_table import Blob, BlobTable

_CHUNK_BYTES = 1 << 20
_SCHEME = "gs://"


@dataclass(frozen=True)
class Address:
    """A `gs://bucket/name`; the name may end in a pattern such as `*.jsonl`."""

    bucket: str
    name: str

    def __str__(self) -> str:
        return f"{_SCHEME}{self.bucket}/{self.name}"


def address(uri: Any) -> Address | None:
    """Read an address; None where it is none."""
    if not isinstance(uri, str) or not uri.startswith(_SCHEME):
        return None
    bucket, _, name = uri.removeprefix(_SCHEME).partition("/")
    return Address(bucket, name) if bucket else None


def named_blobs(blobs: BlobTable, wanted: Address) -> Iterator[Blob]:
    """Return the objects that an address names now."""
    if "*" not in wanted.name:
        if (blob := blobs.get(wanted.bucket, wanted.name)) is not None:
            yield blob
        return
    for blob in blobs.named(wanted.bucket, prefix=wanted.name.partition("*")[0]):
        if fnmatchcase(blob.name, wanted.name):
            yield blob


def gather(paths: Sequence[Path], target: Path) -> None:
    """Put the rows of several files into one. A single one is linked, which costs nothing.

    Raises:
        FileNotFoundError: One of them is gone.
    """
    target.unlink(missing_ok=True)
    if len(paths) == 1:
        target.hardlink_to(paths[0])
        return
    with target.open("wb") as sink:
        for path in paths:
            with path.open("rb") as source:
                last = b"\n"
                while chunk := source.read(_CHUNK_BYTES):
                    sink.write(chunk)
                    last = chunk[-1:]
                if last != b"\n":
                    sink.write(b"\n")
