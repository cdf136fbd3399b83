"""What is looked at before anything is uploaded to Vertex AI: each mistake has its own error and remedy.

What was found is trusted for some minutes; what went wrong is looked at again each time.
"""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Final

from batchline_shared.errors import (
    ProviderAuthError,
    ProviderBusyError,
    ProviderError,
    ProviderUnavailableError,
)
from batchline_worker.providers.google_places import DEFAULT_LOCATIONS, bucket_fits

if TYPE_CHECKING:
    from collections.abc import Callable

    from batchline_worker.providers.google_access import GoogleAccess
    from batchline_worker.providers.google_bucket import BucketFacts, GoogleBucket

__all__ = ["GooglePreflight"]

_TRUSTED_S: Final = 600.0

_ROLE: Final = "roles/aiplatform.user"

_FORBIDDEN: Final = 403


class GooglePreflight:
    """Checks one account. Two threads may check at once, which costs a call and nothing else."""

    def __init__(self, access: GoogleAccess, bucket: GoogleBucket, probe: Callable[[], None]) -> None:
        """Keep what is checked.

        Args:
            access: Of the account.
            bucket: Of the account.
            probe: Makes a call to Vertex AI that changes nothing.
        """
        self._access, self._bucket, self._probe = access, bucket, probe
        self._facts: BucketFacts | None = None
        self._until_s = 0.0

    def check(self) -> None:
        """Check what a job will need, in the order in which it is set up.

        Raises:
            ProviderAuthError: Something is missing or does not fit; says what to do.
            ProviderUnavailableError, ProviderBusyError: It could not be looked at.
        """
        if time.monotonic() < self._until_s and self._facts is not None:
            return
        _ = self._access.project, self._access.bucket, self._access.credentials()
        self._facts = self._bucket.facts()
        places = [self._access.location] if self._access.location else DEFAULT_LOCATIONS
        if not any(self._fits(place) for place in places):
            raise self._misplaced(places[0])
        try:
            self._probe()
        except ProviderAuthError as error:
            raise self.explained(error) from None
        except ProviderError:
            # Busy or down, Vertex AI tells nothing of permissions; the creation finds out.
            return
        self._until_s = time.monotonic() + _TRUSTED_S

    def check_place(self, location: str) -> None:
        """Check that jobs in a location can use the bucket, as far as can be told.

        Raises:
            ProviderAuthError: They cannot; says what to do.
        """
        if self._facts is None:
            # Another process has uploaded the requests.
            with contextlib.suppress(ProviderBusyError, ProviderUnavailableError):
                self._facts = self._bucket.facts()
        if not self._fits(location):
            raise self._misplaced(location)

    def explained(self, error: ProviderAuthError) -> ProviderAuthError:
        """Add the role that is missing to a refusal of Vertex AI."""
        if error.status_code != _FORBIDDEN:
            return error
        return ProviderAuthError(
            self._access.name,
            f"no permission to run batch jobs in project {self._access.project!r}: grant {_ROLE} to the "
            f"credentials' account ({error})",
            status_code=error.status_code,
            code=error.code,
        )

    def _fits(self, location: str) -> bool:
        facts = self._facts
        return facts is None or not facts.location or bucket_fits(facts.location, facts.kind, location)

    def _misplaced(self, location: str) -> ProviderAuthError:
        where = self._facts.location.lower() if self._facts else ""
        return ProviderAuthError(
            self._access.name,
            f"the bucket {self._access.bucket!r} is in {where}, but jobs run in {location}: set "
            "GOOGLE_CLOUD_LOCATION to the bucket's region, or GCS_BUCKET to a bucket in the job's",
        )
