"""The Cloud Storage bucket through which Vertex AI takes requests and gives results.

Objects are written once: with the condition that none is there, an upload whose
answer was lost is told from one that did not happen. The library's own repetition
is off, but for the pieces of a large upload and for deletions.
"""

from __future__ import annotations

import base64
import os
import re
import threading
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, BinaryIO, Final, NamedTuple, TypeVar

from batchline_shared.errors import ProviderAuthError, ProviderRejectedError, ProviderUnavailableError
from batchline_worker.providers.base import BROKEN_OFF
from batchline_worker.providers.google_errors import storage_translated
from batchline_worker.providers.jsonl import TruncatedError, complete_lines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from batchline_worker.providers.google_access import GoogleAccess

__all__ = ["BucketFacts", "GoogleBucket", "split_uri"]

T = TypeVar("T")

_PIECE_BYTES: Final = 8 * 1024 * 1024
"""What is held of an object at once; up to this size it is sent and read in one call."""

_PREDICTIONS: Final = re.compile(r"predictions\.jsonl(?:-\d+-of-\d+)?")
"""Names of the files with results. `incremental_predictions…` beside them repeat some."""

_URI: Final = re.compile(r"gs://([^/]+)/?(.*)")

_LOOK_S: Final = 5.0
"""For a connection, and for an answer, of a call before which a creation may wait."""

_RETRY_S: Final = 30.0
"""How long a deletion, or a piece of a large upload, is repeated."""

_ROLE: Final = "roles/storage.objectUser"

_EMULATOR: Final = "STORAGE_EMULATOR_HOST"
"""The library's own variable for another address, with `http://` before it."""

_NO_CHECK: Final = "DISABLE_GCS_PYTHON_CLIENT_OTEL_BUCKET_METADATA"
"""Unless it is set, the library asks for every bucket's metadata from a thread of its own."""


class BucketFacts(NamedTuple):
    """Where a bucket is."""

    location: str
    """Such as `US-CENTRAL1`; empty where we may not know."""
    kind: str
    """`region`, `dual-region` or `multi-region`."""


class GoogleBucket:
    """Reads and writes objects; whatever the library raises leaves as an exception of ours."""

    def __init__(self, access: GoogleAccess, *, connect_timeout_s: float, transfer_timeout_s: float) -> None:
        """Keep the options; the library is imported by the first call.

        Args:
            access: Of the account.
            connect_timeout_s: For a connection, in seconds.
            transfer_timeout_s: Longest silence of a call, in seconds.
        """
        self._access = access
        self._timeout = (connect_timeout_s, transfer_timeout_s)
        self._lock = threading.Lock()
        self._client: Any = None
        self._pid = 0

    def facts(self) -> BucketFacts:
        """Look where the account's bucket is.

        Raises:
            ProviderAuthError: There is no such bucket.
        """
        name = self._access.bucket
        try:
            found = self._ask(lambda client: client.get_bucket(name, timeout=_LOOK_S, retry=None))
        except ProviderRejectedError as error:
            if error.status_code != 404:  # noqa: PLR2004 - HTTP's own number
                raise
            raise ProviderAuthError(
                self._access.name,
                f"the bucket {name!r} does not exist; create it in the job's region, or set GCS_BUCKET",
                status_code=404,
            ) from None
        except ProviderAuthError as error:
            if error.status_code != 403:  # noqa: PLR2004 - HTTP's own number
                raise
            # Whoever may read and write objects need not be allowed to look at the bucket.
            return BucketFacts("", "")
        return BucketFacts(found.location or "", found.location_type or "")

    def put(self, path: str, buffer: BinaryIO) -> str:
        """Write an object once, in constant memory; one that is there already is compared.

        Returns:
            Its `gs://` address.

        Raises:
            ProviderAuthError: The role to write objects is missing; names it.
            ProviderRejectedError: Another object has this name.
        """
        size = buffer.seek(0, os.SEEK_END)

        def written(client: Any) -> None:
            blob = self._blob(client, path)
            large = size > _PIECE_BYTES
            blob.chunk_size = _PIECE_BYTES if large else None
            blob.upload_from_file(
                buffer,
                rewind=True,
                size=size,
                content_type="application/jsonl",
                if_generation_match=0,
                timeout=self._timeout,
                retry=_bounded() if large else None,
            )

        try:
            self._ask(written)
        except ProviderRejectedError as error:
            if error.status_code == 404:  # noqa: PLR2004 - HTTP's own number
                raise ProviderAuthError(
                    self._access.name, f"the bucket {self._access.bucket!r} does not exist", status_code=404
                ) from None
            if error.status_code != 412 or not self._is(path, buffer, size):  # noqa: PLR2004 - as above
                raise
        except ProviderAuthError as error:
            raise self._denied(error) from None
        return f"gs://{self._access.bucket}/{path}"

    def lines(self, directory: str) -> Iterator[bytes]:
        """Stream the lines of every prediction file under a `gs://` directory, in constant memory.

        Raises:
            ProviderUnavailableError: A file broke off; every line given out is whole.
        """
        bucket, prefix = split_uri(directory)
        prefix = prefix.rstrip("/") + "/"
        for blob in self._listed(bucket, prefix):
            if _PREDICTIONS.fullmatch(str(blob.name)[len(prefix) :]):
                yield from self._whole_lines(blob)

    def object_lines(self, uri: str) -> Iterator[bytes]:
        """Stream the lines of one object, in constant memory.

        Raises:
            ProviderRejectedError: There is no such object.
            ProviderUnavailableError: It broke off; every line given out is whole.
        """
        bucket, path = split_uri(uri)
        blob = self._ask(
            lambda client: client.bucket(bucket).get_blob(path, timeout=self._timeout, retry=_bounded())
        )
        if blob is None:
            raise ProviderRejectedError(self._access.name, f"there is no object {uri}", status_code=404)
        yield from self._whole_lines(blob)

    def delete_under(self, bucket: str, prefix: str) -> None:
        """Delete every object of a bucket whose name begins with this.

        Raises:
            ProviderAuthError: The role to delete objects is missing; names it.
        """
        try:
            for blob in self._listed(bucket, prefix):
                self._delete(blob)
        except ProviderAuthError as error:
            raise self._denied(error) from None
        except ProviderRejectedError as error:
            if error.status_code != 404:  # noqa: PLR2004 - HTTP's own number
                raise

    def close(self) -> None:
        """Give the connections back; the next call opens new ones."""
        with self._lock:
            if self._client is not None:
                self._client.close()
            self._client = None

    def _delete(self, blob: Any) -> None:
        try:
            self._ask(lambda _: blob.delete(timeout=self._timeout, retry=_bounded()))
        except ProviderRejectedError as error:
            if error.status_code != 404:  # noqa: PLR2004 - HTTP's own number
                raise

    def _listed(self, bucket: str, prefix: str) -> list[Any]:
        """A batch leaves a handful of objects, so their list is short."""

        def listed(client: Any) -> list[Any]:
            return list(client.list_blobs(bucket, prefix=prefix, timeout=self._timeout, retry=_bounded()))

        return self._ask(listed)

    def _whole_lines(self, blob: Any) -> Iterator[bytes]:
        try:
            yield from complete_lines(self._pieces(blob))
        except TruncatedError as error:
            message = f"{blob.name} broke off: {error}"
            raise ProviderUnavailableError(self._access.name, message, code=BROKEN_OFF) from None

    def _pieces(self, blob: Any) -> Iterator[bytes]:
        """Read an object piece by piece; the first piece pins its generation."""
        size = int(blob.size or 0)
        if size <= _PIECE_BYTES:
            # As a whole, so that the library compares its checksum.
            yield self._ask(lambda _: blob.download_as_bytes(timeout=self._timeout, retry=None))
            return
        for start in range(0, size, _PIECE_BYTES):
            end = min(start + _PIECE_BYTES, size) - 1
            piece = self._ask(partial(self._piece, blob, start, end))
            if len(piece) != end - start + 1:
                raise ProviderUnavailableError(
                    self._access.name, f"{blob.name} broke off after {start + len(piece)} of {size} bytes"
                )
            yield piece

    def _piece(self, blob: Any, start: int, end: int, _: Any) -> bytes:
        piece: bytes = blob.download_as_bytes(
            start=start,
            end=end,
            if_generation_match=blob.generation,
            timeout=self._timeout,
            retry=None,
        )
        return piece

    def _is(self, path: str, buffer: BinaryIO, size: int) -> bool:
        """Whether the object that is there already is what we wanted to write."""

        def looked(client: Any) -> tuple[int | None, str | None]:
            blob = self._blob(client, path)
            blob.reload(timeout=self._timeout, retry=_bounded())
            return blob.size, blob.crc32c

        return self._ask(looked) == (size, _crc32c(buffer))

    def _blob(self, client: Any, path: str) -> Any:
        return client.bucket(self._access.bucket).blob(path)

    def _denied(self, error: ProviderAuthError) -> ProviderAuthError:
        return ProviderAuthError(
            self._access.name,
            f"no permission on the bucket {self._access.bucket!r}: grant {_ROLE} on it ({error})",
            status_code=error.status_code,
        )

    def _ask(self, call: Callable[[Any], T]) -> T:
        client = self._get()
        try:
            return call(client)
        except Exception as error:  # noqa: BLE001 - an exception that nobody foresaw is an unknown outcome too
            failure = storage_translated(error, name=self._access.name)
        raise failure

    def _get(self) -> Any:
        """Return this process's client. A forked child must not share its parent's connections."""
        with self._lock:
            if self._client is None or self._pid != os.getpid():
                self._client, self._pid = self._built(), os.getpid()
            return self._client

    def _built(self) -> Any:
        storage: Any = import_module("google.cloud.storage")  # untyped, and slow to import
        os.environ.setdefault(_NO_CHECK, "true")
        # An emulator takes nobody's credentials, as in the library itself; with them, google-auth would ask
        # Google for the account's regions all the same.
        credentials = None if os.environ.get(_EMULATOR) else self._access.credentials()
        return storage.Client(project=self._access.project, credentials=credentials)


def split_uri(uri: str) -> tuple[str, str]:
    """Split `gs://bucket/path`; both are empty where it is none."""
    found = _URI.fullmatch(uri)
    return (found[1], found[2]) if found else ("", "")


def _bounded() -> Any:
    return import_module("google.cloud.storage.retry").DEFAULT_RETRY.with_timeout(_RETRY_S)


def _crc32c(buffer: BinaryIO) -> str:
    buffer.seek(0)
    sum_: Any = import_module("google_crc32c").Checksum()
    while piece := buffer.read(_PIECE_BYTES):
        sum_.update(piece)
    return base64.b64encode(sum_.digest()).decode()
