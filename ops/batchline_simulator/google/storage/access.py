"""What the Cloud Storage routes share, and the checks that each begins with."""

from dataclasses import dataclass

from starlette.requests import Request

from batchline_simulator.config import SimulatorConfig
from batchline_simulator.database import Database
from batchline_simulator.google.blob_table import Blob, BlobTable, PreconditionError
from batchline_simulator.google.moments import now_us
from batchline_simulator.google.resumable import Sessions
from batchline_simulator.google.storage.buckets import Bucket, Buckets
from batchline_simulator.google.storage.errors import forbidden, no_bucket, no_object, refused


@dataclass(frozen=True)
class Storage:
    """Buckets, objects, and uploads under way."""

    buckets: Buckets
    blobs: BlobTable
    sessions: Sessions

    def bucket(self, request: Request, permission: str) -> Bucket:
        """Return the bucket that a call names, or refuse the call."""
        name = request.path_params["bucket"]
        if self.buckets.denied(name):
            raise forbidden(permission, "bucket" if permission.startswith("storage.buckets") else "object")
        bucket = self.buckets.get(name)
        if bucket is None:
            raise no_bucket()
        return bucket

    def blob(self, request: Request, permission: str) -> Blob:
        """Return the object that a call names, or refuse the call; both kinds of generation are held."""
        bucket, name = self.bucket(request, permission), request.path_params["name"]
        blob = self.blobs.get(bucket.name, name)
        generation = number(request, "generation")
        if blob is None or generation not in (None, blob.generation):
            raise no_object(bucket.name, name)
        try:
            self.blobs.check(bucket.name, name, number(request, "ifGenerationMatch"))
        except PreconditionError:
            raise refused(412) from None
        return blob


def number(request: Request, name: str) -> int | None:
    """Read a number of the query, or refuse the call; None where it is not given."""
    text = request.query_params.get(name)
    if text is None:
        return None
    if not text.isdecimal():
        raise refused(400, f"Invalid value for: Invalid format: '{text}'.")
    return int(text)


def open_storage(config: SimulatorConfig, database: Database, blobs: BlobTable) -> Storage:
    """Make the buckets that the settings name, beside those that are there already."""
    buckets = Buckets(database, config, now_us=now_us())
    return Storage(buckets, blobs, Sessions(database, blobs))
