"""Where a Vertex AI job runs, and which buckets it can use.

Gemini 3 and later run only in `global`; elsewhere the model "does not exist".
Google tells of a bucket that is too far away only once the job has failed, so
what surely does not fit is refused before. A `global` job has been seen to use a
bucket in one region.

Source: docs/providers.md.
"""

from __future__ import annotations

import re
from typing import Final

__all__ = [
    "DEFAULT_LOCATIONS",
    "bucket_fits",
    "folder_of",
    "input_path",
    "location_for",
    "set_location",
]

_DEFAULT: Final = "us-central1"
_GLOBAL: Final = "global"

DEFAULT_LOCATIONS: Final = (_DEFAULT, _GLOBAL)
"""Where jobs may be while no location is set."""

_FOLDER: Final = "batchline"
"""Where all our objects are in a bucket: `batchline/<name of the upload>/<location>/…`."""

_UNSET: Final = "unset"

_PATH: Final = re.compile(rf"({_FOLDER}/[a-z0-9-]+)/([a-z0-9-]+)/input\.jsonl")
"""The location becomes a part of a host's name, so it may hold nothing else."""

_ONLY_GLOBAL: Final = re.compile(r"(?:.*/)?gemini-(?:[3-9]|\d\d)")

_CONTINENTS: Final = {"us": ("us", "northamerica"), "eu": ("europe", "eu"), "asia": ("asia",)}
"""A multi-region → what the locations in it begin with."""


def location_for(model: str, configured: str | None) -> str:
    """Return where a model's batches run.

    Args:
        model: As the user named it.
        configured: The account's location; None or empty where none is set.
    """
    if configured:
        return configured
    return _GLOBAL if _ONLY_GLOBAL.match(model) else _DEFAULT


def input_path(name: str, configured: str | None) -> str:
    """Name the object with a batch's requests.

    It says which location was set when it was written, so that whoever creates the job, or looks for it,
    means the same one, whatever their settings say by then.
    """
    return f"{_FOLDER}/{name}/{configured or _UNSET}/input.jsonl"


def set_location(path: str, otherwise: str | None) -> str | None:
    """Return the location that was set when an object was written; None where there was none.

    Args:
        path: Of the object.
        otherwise: What to return for an object that is none of ours.
    """
    found = _PATH.fullmatch(path)
    if found is None:
        return otherwise
    return None if found[2] == _UNSET else found[2]


def folder_of(path: str) -> str | None:
    """Return the folder that holds an object of ours and all that came of it; None for other objects."""
    found = _PATH.fullmatch(path)
    return f"{found[1]}/" if found else None


def bucket_fits(bucket_location: str, kind: str, job_location: str) -> bool:
    """Say whether a job may use a bucket.

    Args:
        bucket_location: As Cloud Storage shows it, such as `US-CENTRAL1`, `US` or `NAM4`.
        kind: Its `locationType`: `region`, `dual-region` or `multi-region`.
        job_location: Such as `us-central1`, `us` or `global`.

    Returns:
        False only where it surely does not fit.
    """
    bucket, job = bucket_location.lower(), job_location.lower()
    if job == _GLOBAL or kind == "dual-region" or bucket == job:
        return True
    if kind == "multi-region":
        return job.startswith(_CONTINENTS.get(bucket, (job,)))
    return job in _CONTINENTS and bucket.startswith(_CONTINENTS[job])
