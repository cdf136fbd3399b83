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

__all__ = ["DEFAULT_LOCATIONS", "bucket_fits", "location_for"]

_DEFAULT: Final = "us-central1"
_GLOBAL: Final = "global"

DEFAULT_LOCATIONS: Final = (_DEFAULT, _GLOBAL)
"""Where jobs may be while no location is set."""

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
