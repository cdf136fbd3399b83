"""Calls through google-genai whose replies are read as JSON, and not as the SDK's objects.

The SDK leaves out the error and the counts of a Gemini batch, and raises on errors
whose details are objects, which Google's are. So the HTTP client that it is given
keeps the last good reply of each thread; whatever the SDK makes of it does not
matter. Its retries, which would create a batch twice, are off unless asked for.
"""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Any

import orjson

from batchline_shared.errors import (
    ProviderAuthError,
    ProviderBusyError,
    ProviderRejectedError,
    ProviderUnavailableError,
)
from batchline_worker.providers.google_errors import translated

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import httpx2
    from google.genai import Client
    from google.genai.types import HttpOptions

    from batchline_shared.errors import BatchlineError

__all__ = ["GoogleCalls", "milliseconds"]


def milliseconds(seconds: float) -> int:
    """The unit in which google-genai takes its time-outs."""
    return max(1, round(seconds * 1000))


class GoogleCalls:
    """Makes single calls; whatever the SDK raises leaves as an exception of ours. Safe to share."""

    def __init__(
        self,
        name: str,
        build: Callable[[str, HttpOptions], Client],
        *,
        base_url: Callable[[], str | None],
        api_version: str,
        connect_timeout_s: float,
        read_timeout_s: float,
    ) -> None:
        """Keep the options; no SDK is imported before the first call.

        Args:
            name: Whose calls these are, for messages.
            build: Makes a client for a location.
            base_url: Finds the server's address; None: Google's own.
            api_version: Such as `v1beta`.
            connect_timeout_s: For a connection, in seconds.
            read_timeout_s: Longest silence of a call that names no other, in seconds.
        """
        self.name = name
        self._build, self._base_url, self._api_version = build, base_url, api_version
        self._connect_timeout_s, self._read_timeout_s = connect_timeout_s, read_timeout_s
        self._lock = threading.Lock()
        self._seen = threading.local()
        self._http: httpx2.Client | None = None
        self._clients: dict[str, Client] = {}
        self._pid = 0

    def json(self, call: Callable[[Client], object], *, location: str = "", secret: str = "") -> Any:
        """Make one call, once, and return its reply as JSON; an empty one is `{}`."""
        self._seen.body, self._seen.sent = None, False
        failure = None
        try:
            call(self._get(location))
        except Exception as error:  # noqa: BLE001 - an exception that nobody foresaw is an unknown outcome too
            if self._seen.body is None:
                failure = self._failure(error, secret)
        if failure is not None:
            # Out here the original, which may quote the key, is no context of what is logged.
            raise failure
        try:
            return orjson.loads(self._seen.body or b"{}")
        except orjson.JSONDecodeError:
            raise self.not_understood("JSON") from None

    def stream(self, url: str, headers: dict[str, str], *, silence_s: float, secret: str) -> Iterator[bytes]:
        """Stream what is behind an address, in constant memory; a broken connection raises.

        The SDK's own download holds all of it.
        """
        import httpx2  # noqa: PLC0415 - loaded with the SDK, never before it
        from google.genai.errors import APIError  # noqa: PLC0415 - as above

        timeout = httpx2.Timeout(silence_s, connect=self._connect_timeout_s)
        try:
            with httpx2.Client(timeout=timeout) as http, http.stream("GET", url, headers=headers) as reply:
                APIError.raise_for_response(reply)
                yield from reply.iter_bytes()
        except Exception as error:  # noqa: BLE001 - as above
            failure = translated(error, name=self.name, secret=secret)
        else:
            return
        raise failure

    def not_understood(self, expected: str) -> ProviderUnavailableError:
        """Say that a reply is not what was asked for, without quoting it."""
        return ProviderUnavailableError(
            self.name, f"the reply is not {expected}; does a proxy answer instead?"
        )

    def close(self) -> None:
        """Give the connections back; the next call opens new ones."""
        with self._lock:
            if self._http is not None:
                self._http.close()
            self._http, self._clients = None, {}

    def _failure(self, error: Exception, secret: str) -> BatchlineError:
        failure = translated(error, name=self.name, secret=secret)
        if self._seen.sent or not isinstance(failure, ProviderUnavailableError):
            return failure
        words = f"nothing was sent: {failure}"
        if isinstance(error, (TypeError, ValueError)):
            # The SDK does not like an argument, and will not the next time.
            return ProviderRejectedError(self.name, words)
        return ProviderBusyError(self.name, words)

    def _get(self, location: str) -> Client:
        """Return this process's client for a location. A forked child must not share connections."""
        from google.genai.types import HttpOptions  # noqa: PLC0415 - slow to import; loaded by the first call

        with self._lock:
            if self._http is None or self._pid != os.getpid():
                self._http, self._clients, self._pid = self._opened(), {}, os.getpid()
            if location not in self._clients:
                options = HttpOptions(
                    base_url=self._checked_url(),
                    api_version=self._api_version,
                    timeout=milliseconds(self._read_timeout_s),
                    httpx_client=self._http,
                )
                self._clients[location] = self._build(location, options)
            return self._clients[location]

    def _checked_url(self) -> str | None:
        url = self._base_url()
        if url is not None and not url.startswith(("https://", "http://")):
            # As for a key: the job waits and says why, until an operator has mended it.
            raise ProviderAuthError(self.name, "the base URL must begin with http:// or https://")
        return url

    def _opened(self) -> httpx2.Client:
        import httpx2  # noqa: PLC0415 - loaded with the SDK, never before it

        hooks: dict[str, list[Callable[..., Any]]] = {"request": [self._announce], "response": [self._keep]}
        return httpx2.Client(event_hooks=hooks)

    def _announce(self, request: httpx2.Request) -> None:
        """Connect in less time than an answer may take: the SDK knows one time-out for both."""
        self._seen.body, self._seen.sent = None, True
        request.extensions["timeout"] = {
            **request.extensions.get("timeout", {}),
            "connect": self._connect_timeout_s,
        }

    def _keep(self, response: httpx2.Response) -> None:
        self._seen.body = response.read() if response.is_success else None
