"""The Anthropic SDK's client as we build it, and the calls that it would not make as we need them.

The API version is pinned to the last one that takes sampling parameters: older
models still use them, and the dialect leaves them out where a model does not.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, BinaryIO, Final, cast
from urllib.parse import quote

from batchline_shared.errors import ProviderAuthError, ProviderBusyError, ProviderRejectedError
from batchline_worker.providers.anthropic_errors import translated
from batchline_worker.providers.sdk_client import SdkClient

if TYPE_CHECKING:
    from collections.abc import Iterator

    from anthropic import Anthropic, APIResponse, Timeout

    from batchline_shared.errors import BatchlineError

__all__ = ["API_VERSION", "AnthropicClient", "framed"]

API_VERSION: Final = "2023-06-01"
"""Under the SDK's own, 2026-10-21, `temperature`, `top_p` and `top_k` are refused for every model."""

_MESSAGES: Final = "/v1/messages"
_PATH: Final = "/v1/messages/batches"
_CHUNK_BYTES: Final = 64 * 1024
_HEAD: Final = b'{"requests":['
_TAIL: Final = b"]}"
_RAW: Final = "X-Stainless-Raw-Response"
"""Header by which the SDK is told to hand a reply over unread (`stream`) or unparsed (`raw`)."""


class AnthropicClient(SdkClient["Anthropic"]):
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
            name: Whose calls these are, for messages: `anthropic` or `anthropic@research`.
            api_key_env: Name of the environment variable that holds the key.
            base_url: Without `/v1`. None: `ANTHROPIC_BASE_URL`, else Anthropic itself.
            connect_timeout_s: For a connection, in seconds.
            read_timeout_s: Longest silence of a call that names no other, in seconds.
        """
        super().__init__(name, api_key_env=api_key_env)
        self._base_url = base_url
        self._connect_timeout_s, self._read_timeout_s = connect_timeout_s, read_timeout_s

    def create(self, lines: BinaryIO, *, silence_s: float) -> Any:
        """Send a batch's lines as one body, in constant memory and exactly once; returns the reply.

        The SDK's own call would hold every request in memory, three times over.

        Args:
            lines: JSONL; see `framed`.
            silence_s: Seconds until all of it must have been sent, and longest silence after that. Whoever
                looks for the batch later relies on it that none can come into being any more.

        Raises:
            ProviderBusyError: Besides its usual reasons: the time was up, so the body was not finished.
        """
        pieces, size_bytes = framed(lines)
        self._get()  # importing the SDK may take a second, which is none of the call's
        until_s = time.monotonic() + silence_s
        late = ProviderBusyError(
            self.name,
            f"{size_bytes} bytes of requests could not be sent within {silence_s:g} s; raise "
            "BATCHLINE_CREATE_TIMEOUT_S, or lower the account's max_bytes",
        )
        options: Any = {
            "headers": {"content-length": str(size_bytes), _RAW: "raw"},
            "timeout": self.timeout(silence_s),
            # A redirect would send the call again.
            "follow_redirects": False,
        }
        content = _in_time(pieces, until_s, late)
        return self.json(lambda sdk: sdk.post(_PATH, cast_to=_reply_type(), content=content, options=options))

    def ask_live(self, params: dict[str, Any], *, silence_s: float) -> Any:
        """Ask for one message, once, with a body as it is, and parse the reply.

        The SDK's own call refuses, before it sends anything, what may take longer than ten minutes.
        """
        options: Any = {
            "headers": {_RAW: "raw"},
            "timeout": self.timeout(silence_s),
            # A redirect would send the call again.
            "follow_redirects": False,
        }
        return self.json(lambda sdk: sdk.post(_MESSAGES, cast_to=_reply_type(), body=params, options=options))

    def results(self, batch_id: str, *, silence_s: float) -> Iterator[bytes]:
        """Stream the bytes of a batch's results; a broken connection or a wrong length raises.

        The SDK's own call asks for the batch first, and sends the key wherever that says the results are.
        """
        if batch_id in {".", ".."}:
            # Quoting leaves dots alone, and they would name another path of the account.
            raise ProviderRejectedError(self.name, f"{batch_id!r} is no id of a batch", status_code=404)
        sdk = self._get()
        path = f"{_PATH}/{quote(batch_id, safe='')}/results"
        options: Any = {
            "headers": {"accept": "application/binary", _RAW: "stream"},
            "timeout": self.timeout(silence_s),
        }
        try:
            reply = cast("APIResponse[bytes]", sdk.get(path, cast_to=_reply_type(), options=options))
            try:
                yield from reply.iter_bytes()
            finally:
                reply.close()
        except Exception as error:  # noqa: BLE001 - the HTTP library's own exceptions come through here
            failure = self._translated(error, sdk)
        else:
            return
        raise failure

    def timeout(self, silence_s: float) -> Timeout:
        """Allow a call a longest silence, in seconds, and the usual time to connect."""
        import anthropic  # noqa: PLC0415 - loaded by the first call

        return anthropic.Timeout(silence_s, connect=self._connect_timeout_s)

    def _built(self) -> Anthropic:
        """See `SdkClient`."""
        import anthropic  # noqa: PLC0415 - slow to import, and no part of a process that calls no provider

        sdk = anthropic.Anthropic(
            api_key=self._key(),
            base_url=self._base_url,
            timeout=self.timeout(self._read_timeout_s),
            max_retries=0,
            default_headers={"anthropic-version": API_VERSION},
        )
        if sdk.base_url.scheme not in ("http", "https"):
            # As for a key: the job waits and says why, until an operator has mended it.
            # It is not quoted, because it may hold a password.
            raise ProviderAuthError(self.name, "the base URL must begin with http:// or https://")
        return sdk

    def _translated(self, error: Exception, sdk: Anthropic) -> BatchlineError:
        """See `SdkClient`."""
        return translated(error, name=self.name, secret=sdk.api_key or "")


def framed(lines: BinaryIO) -> tuple[Iterator[bytes], int]:
    """Put JSONL into the frame that the API takes.

    Line feeds become commas, one for one: inside of JSON they are escaped.

    Args:
        lines: One request a line, the last one ended by a line feed. Read from its start.

    Returns:
        The body in pieces, and its length in bytes.
    """
    size_bytes = lines.seek(0, 2) - 1

    def pieces() -> Iterator[bytes]:
        lines.seek(0)
        left_bytes = size_bytes
        yield _HEAD
        while left_bytes > 0 and (chunk := lines.read(min(_CHUNK_BYTES, left_bytes))):
            left_bytes -= len(chunk)
            yield chunk.replace(b"\n", b",")
        yield _TAIL

    return pieces(), len(_HEAD) + size_bytes + len(_TAIL)


def _in_time(pieces: Iterator[bytes], until_s: float, late: ProviderBusyError) -> Iterator[bytes]:
    """Pass a body on as long as the clock allows; one without its end is none that could be accepted."""
    for piece in pieces:
        if time.monotonic() > until_s:
            raise late
        yield piece


def _reply_type() -> Any:
    from anthropic import APIResponse  # noqa: PLC0415 - loaded by the first call

    return APIResponse[bytes]
