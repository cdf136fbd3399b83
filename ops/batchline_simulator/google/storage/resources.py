"""Buckets, objects and lists as the Cloud Storage JSON API shows them.

Links are absolute on the host that the caller used: the client follows
`mediaLink` as it is.
"""

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from batchline_simulator.google.blob_table import Blob
from batchline_simulator.google.moments import moment
from batchline_simulator.google.storage.buckets import Bucket


def bucket_resource(bucket: Bucket, base: str) -> dict[str, Any]:
    """Show a bucket."""
    created = moment(bucket.created_us)
    return {
        "kind": "storage#bucket",
        "id": bucket.name,
        "selfLink": f"{base}/storage/v1/b/{quote(bucket.name)}",
        "name": bucket.name,
        "projectNumber": "0",
        "generation": str(bucket.created_us),
        "metageneration": "1",
        "location": bucket.location,
        "locationType": bucket.location_type,
        "storageClass": "STANDARD",
        "etag": "CAE=",
        "timeCreated": created,
        "updated": created,
    }


def object_resource(blob: Blob, base: str) -> dict[str, Any]:
    """Show an object; int64 values are strings."""
    written, generation = moment(blob.generation), str(blob.generation)
    path = f"b/{quote(blob.container)}/o/{quote(blob.name, safe='')}"
    return {
        "kind": "storage#object",
        "id": f"{blob.container}/{blob.name}/{generation}",
        "name": blob.name,
        "bucket": blob.container,
        "generation": generation,
        "metageneration": "1",
        "contentType": blob.media_type,
        "storageClass": "STANDARD",
        "size": str(blob.bytes),
        "md5Hash": blob.md5,
        "crc32c": blob.crc32c,
        "etag": f"CO{generation}",
        "timeCreated": written,
        "updated": written,
        "timeStorageClassUpdated": written,
        "selfLink": f"{base}/storage/v1/{path}",
        "mediaLink": f"{base}/download/storage/v1/{path}?generation={generation}&alt=media",
        **({"metadata": dict(blob.metadata)} if blob.metadata else {}),
    }


def object_list(
    blobs: Sequence[Blob], prefixes: Sequence[str], next_token: str | None, base: str
) -> dict[str, Any]:
    """Show a page of objects; what is empty is left out."""
    shown: dict[str, Any] = {"kind": "storage#objects"}
    if blobs:
        shown["items"] = [object_resource(blob, base) for blob in blobs]
    if prefixes:
        shown["prefixes"] = list(prefixes)
    if next_token is not None:
        shown["nextPageToken"] = next_token
    return shown
