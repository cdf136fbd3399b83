"""What a Vertex AI account is made of: project, location, bucket and credentials.

Read when they are first needed, and given to both SDKs explicitly: found by
themselves, some combinations of variables send requests to the wrong place.
"""

from __future__ import annotations

import os
import threading
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from batchline_shared.errors import ProviderAuthError
from batchline_worker.providers.google_errors import translated

if TYPE_CHECKING:
    from google.auth.credentials import Credentials

    from batchline_shared.accounts import Account

__all__ = ["GoogleAccess"]

_SCOPES: Final = ("https://www.googleapis.com/auth/cloud-platform",)

_RENEWAL_S: Final = 10
"""Longest silence while the credentials are renewed."""


class GoogleAccess:
    """Finds what the account's settings and the environment say. Safe to share between threads."""

    def __init__(self, name: str, account: Account) -> None:
        """Keep the account; nothing is read yet."""
        self.name = name
        self._account = account
        self._lock = threading.Lock()
        self._credentials: Credentials | None = None

    @property
    def project(self) -> str:
        """The project's id.

        Raises:
            ProviderAuthError: There is none.
        """
        return self._account.project or self._variable(
            "GOOGLE_CLOUD_PROJECT", "the Google Cloud project's id"
        )

    @property
    def bucket(self) -> str:
        """The bucket's name, without `gs://`.

        Raises:
            ProviderAuthError: There is none.
        """
        named = self._account.bucket or self._variable(
            "GCS_BUCKET", "a Cloud Storage bucket in the job's region, for requests and results"
        )
        return named.removeprefix("gs://").strip("/")

    @property
    def location(self) -> str | None:
        """Where jobs run; None where nothing is set."""
        return self._account.location or os.environ.get("GOOGLE_CLOUD_LOCATION") or None

    @property
    def base_url(self) -> str | None:
        """Where Vertex AI is; None: where Google has it."""
        return self._account.base_url or os.environ.get("GOOGLE_VERTEX_BASE_URL") or None

    def credentials(self) -> Credentials:
        """The account's credentials, loaded once.

        Raises:
            ProviderAuthError: There are none, or their file cannot be used; says what to set.
        """
        with self._lock:
            if self._credentials is None:
                self._credentials = self._loaded()
            return self._credentials

    def renew(self) -> None:
        """Renew the credentials where they have expired; the SDK would, and wait for minutes.

        Raises:
            ProviderAuthError: They are refused.
            ProviderBusyError: It did not work now.
        """
        credentials = self.credentials()
        failure = None
        with self._lock:
            if not credentials.valid:
                try:
                    _refresh(credentials)
                except Exception as error:  # noqa: BLE001 - whatever it is, nothing has been sent
                    failure = translated(error, name=self.name)
        if failure is not None:
            raise failure

    def _variable(self, variable: str, what: str) -> str:
        value = os.environ.get(variable, "").strip()
        if not value:
            raise ProviderAuthError(self.name, f"{variable} is not set; it names {what}")
        return value

    def _loaded(self) -> Credentials:
        import google.auth  # noqa: PLC0415 - loaded by the first call

        path = self._account.credentials_file
        found: Any
        try:
            if path:
                service_account: Any = import_module("google.oauth2.service_account")  # untyped
                found = service_account.Credentials.from_service_account_file(path, scopes=_SCOPES)
            else:
                found, _ = google.auth.default(scopes=_SCOPES)
        except (OSError, ValueError) as error:
            # The words of a broken file may quote its key.
            words = (
                f"the credentials file cannot be used ({type(error).__name__}); give a service account's key"
            )
            failure: Exception = ProviderAuthError(self.name, words)
        except Exception as error:  # noqa: BLE001 - google-auth's own
            failure = translated(error, name=self.name)
        else:
            credentials: Credentials = found
            return credentials
        raise failure


def _refresh(credentials: Any) -> None:
    from google.auth.transport.requests import Request  # noqa: PLC0415 - loaded by the first call
    from requests import Session  # noqa: PLC0415 - as above

    with Session() as session:
        credentials.refresh(partial(Request(session), timeout=_RENEWAL_S))
