"""An SDK's client: imported late, built once for each process, and kept quiet.

SDKs repeat calls by themselves, a create three times over, so a subclass
switches that off; `repeated` is our own way, for calls that may be.
"""

from __future__ import annotations

import os
import random
import threading
import time
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

import orjson

from batchline_shared.errors import ProviderAuthError, ProviderUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable

    from batchline_shared.errors import BatchlineError

__all__ = ["SdkClient", "repeated"]

Sdk = TypeVar("Sdk")
T = TypeVar("T")

_CONFLICT = 409
"""The call does not fit the thing's state, which another try will not change."""


class _Raw(Protocol):
    """What `with_raw_response` of an SDK gives."""

    @property
    def http_response(self) -> Any: ...


class SdkClient(ABC, Generic[Sdk]):
    """Makes single calls; whatever the SDK raises leaves as an exception of ours."""

    def __init__(self, name: str, *, api_key_env: str) -> None:
        """Keep the options; no SDK is imported before the first call.

        Args:
            name: Whose calls these are, for messages: `openai` or `openai@groq`.
            api_key_env: Name of the environment variable that holds the key.
        """
        self.name = name
        self._api_key_env = api_key_env
        self._lock = threading.Lock()
        self._sdk: Sdk | None = None
        self._pid = 0

    @abstractmethod
    def _built(self) -> Sdk:
        """Build the client; refuse at once what could only fail later, and less clearly."""

    @abstractmethod
    def _translated(self, error: Exception, sdk: Sdk) -> BatchlineError:
        """Return the exception of ours that stands for one of the SDK's or of its HTTP library."""

    def json(self, call: Callable[[Sdk], _Raw]) -> Any:
        """Make one call and parse its reply; a 200 that is no JSON (a proxy's page) proves nothing."""
        reply = self.ask(call)
        try:
            return orjson.loads(reply.http_response.content)
        except orjson.JSONDecodeError:
            raise self.not_understood("JSON") from None

    def ask(self, call: Callable[[Sdk], T]) -> T:
        """Make one call, once."""
        sdk = self._get()
        try:
            return call(sdk)
        except Exception as error:  # noqa: BLE001 - an exception that nobody foresaw is an unknown outcome too
            failure = self._translated(error, sdk)
        # Out here the original, which may quote the key, is no context of what is logged.
        raise failure

    def not_understood(self, expected: str) -> ProviderUnavailableError:
        """Say that a reply is not what was asked for, without quoting it."""
        return ProviderUnavailableError(
            self.name, f"the reply is not {expected}; does a proxy answer instead?"
        )

    def _get(self) -> Sdk:
        """Return this process's client. A forked child must not share its parent's connections."""
        with self._lock:
            if self._sdk is None or self._pid != os.getpid():
                self._sdk, self._pid = self._built(), os.getpid()
            return self._sdk

    def _key(self) -> str:
        """Read the key.

        Raises:
            ProviderAuthError: There is none that a header can hold.
        """
        key = os.environ.get(self._api_key_env, "")
        if not key or not all("!" <= letter <= "~" for letter in key):
            # A line break, as `cat` leaves one, would fail as an unknown outcome of every call.
            raise ProviderAuthError(
                self.name,
                f"there is no usable API key; set {self._api_key_env}, without spaces or line breaks",
            )
        return key


def repeated(call: Callable[[], T], waits_s: tuple[float, ...]) -> T:
    """Make a call that may be repeated, and repeat it while its outcome is unknown.

    A refusal for now (429) is not waited for: the caller has better uses for its thread.

    Args:
        call: Raises `ProviderUnavailableError` where its outcome is unknown.
        waits_s: Upper bounds of the random waits before another try. Empty: never.
    """
    for most_s in waits_s:
        try:
            return call()
        except ProviderUnavailableError as error:
            if error.status_code == _CONFLICT:
                raise
        time.sleep(random.uniform(0.0, most_s))  # noqa: S311 - jitter, not a secret
    return call()
