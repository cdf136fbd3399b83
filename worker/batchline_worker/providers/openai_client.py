"""The OpenAI SDK's client: imported late, built once for each process, and kept quiet.

Its own retries are off: the SDK would send a create three times over.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, BinaryIO, Final, cast

from batchline_shared.errors import ProviderAuthError
from batchline_worker.providers.openai_errors import translated
from batchline_worker.providers.openai_links import place_of
from batchline_worker.providers.sdk_client import SdkClient

if TYPE_CHECKING:
    from collections.abc import Iterator

    from openai import OpenAI, Timeout
    from openai._legacy_response import LegacyAPIResponse
    from openai._types import RequestOptions

    from batchline_shared.errors import BatchlineError
    from batchline_worker.providers.openai_links import Place

__all__ = ["OpenAIClient"]

_FILES: Final = "/files"
"""Where OpenAI takes files."""

_MULTIPART: Final = {"content-type": "multipart/form-data", "x-stainless-raw-response": "true"}
_STREAMED: Final = {"accept": "application/binary", "x-stainless-raw-response": "stream"}
"""Headers of a download by link: the second has the SDK hand it on as it comes."""


class OpenAIClient(SdkClient["OpenAI"]):
    """Makes single calls; whatever the SDK raises leaves as an exception of ours."""

    def __init__(
        self,
        name: str,
        *,
        api_key_env: str,
        base_url: str | None,
        connect_timeout_s: float,
        read_timeout_s: float,
    ) -> None:
        """Keep the options; no SDK is imported before the first call.

        Args:
            name: Whose calls these are, for messages: `openai` or `openai@groq`.
            api_key_env: Name of the environment variable that holds the key.
            base_url: Up to and with `/v1`. None: `OPENAI_BASE_URL`, else OpenAI itself.
            connect_timeout_s: For a connection, in seconds.
            read_timeout_s: Longest silence of a call that names no other, in seconds.
        """
        super().__init__(name, api_key_env=api_key_env)
        self._base_url = base_url
        self._connect_timeout_s, self._read_timeout_s = connect_timeout_s, read_timeout_s

    def upload(self, file: tuple[str, BinaryIO, str], *, path: str, purpose: str, silence_s: float) -> Any:
        """Upload a named file of a type in one request, and parse the reply."""
        import httpx2  # noqa: PLC0415 - loaded by the first call

        body = {"purpose": purpose} if path == _FILES else {"purpose": purpose, "file_name": file[0]}
        options: RequestOptions = {"headers": _MULTIPART, "timeout": self.timeout(silence_s)}
        # `files.create` of the SDK does the same, but always goes to its own path.
        return self.json(
            lambda sdk: cast(
                "LegacyAPIResponse[Any]",
                sdk.post(path, cast_to=httpx2.Response, body=body, files=[("file", file)], options=options),
            )
        )

    def ask_live(self, path: str, body: dict[str, Any], *, silence_s: float) -> Any:
        """Ask an endpoint once, with a body as it is, and parse the reply."""
        import httpx2  # noqa: PLC0415 - loaded by the first call

        options: RequestOptions = {
            "headers": {"x-stainless-raw-response": "true"},
            "timeout": self.timeout(silence_s),
            # A redirect would send the call again.
            "follow_redirects": False,
        }
        return self.json(
            lambda sdk: cast(
                "LegacyAPIResponse[Any]",
                sdk.post(path, cast_to=httpx2.Response, body=body, options=options),
            )
        )

    def place_of(self, reference: str) -> Place | None:
        """Tell where a result file is; None where that is another host than the account's."""
        return place_of(reference, str(self._get().base_url))

    def content(self, place: Place, *, silence_s: float) -> Iterator[bytes]:
        """Stream a file's bytes; a broken connection or a wrong length raises."""
        sdk = self._get()
        timeout = self.timeout(silence_s)
        try:
            if place.url:
                yield from _followed(sdk, place.url, timeout)
                return
            with sdk.files.with_streaming_response.content(place.file_id, timeout=timeout) as reply:
                yield from reply.iter_bytes()
        except Exception as error:  # noqa: BLE001 - the HTTP library's own exceptions come through here
            failure = self._translated(error, sdk)
        else:
            return
        raise failure

    def timeout(self, silence_s: float) -> Timeout:
        """Allow a call a longest silence, in seconds, and the usual time to connect."""
        import openai  # noqa: PLC0415 - loaded by the first call

        return openai.Timeout(silence_s, connect=self._connect_timeout_s)

    def _built(self) -> OpenAI:
        """See `SdkClient`."""
        import openai  # noqa: PLC0415 - slow to import, and no part of a process that calls no provider

        timeout = self.timeout(self._read_timeout_s)
        sdk = openai.OpenAI(api_key=self._key(), base_url=self._base_url, timeout=timeout, max_retries=0)
        if "@" in self.name:
            # OPENAI_ORG_ID and OPENAI_PROJECT_ID are of the usual account, and no other's key fits them.
            sdk.organization = sdk.project = None
        if sdk.base_url.scheme not in ("http", "https"):
            # As for a key: the job waits and says why, until an operator has mended it.
            # It is not quoted, because it may hold a password.
            raise ProviderAuthError(self.name, "the base URL must begin with http:// or https://")
        return sdk

    def _translated(self, error: Exception, sdk: OpenAI) -> BatchlineError:
        """See `SdkClient`."""
        return translated(error, name=self.name, secret=sdk.api_key)


def _followed(sdk: OpenAI, url: str, timeout: Timeout) -> Iterator[bytes]:
    """Stream what a link leads to. The SDK's client sends the key, so the link must be of its host."""
    import httpx2  # noqa: PLC0415 - loaded by the first call

    options: RequestOptions = {"headers": _STREAMED, "timeout": timeout}
    with contextlib.closing(sdk.get(url, cast_to=httpx2.Response, options=options)) as reply:
        yield from reply.iter_bytes()
