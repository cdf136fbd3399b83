"""The Gemini Developer API's batches, in file mode, spoken through google-genai.

Inline requests and answers in order have been seen to mix up answers, so every
request has its key, in a file. The server drops an upload after two days, and a
batch's results with the batch.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, BinaryIO, Final, TypeVar, cast

from batchline_shared.errors import ProviderAuthError, ProviderRejectedError, ProviderUnavailableError
from batchline_worker.providers.base import BROKEN_OFF, BatchPhase
from batchline_worker.providers.gemini_batch import display_name, is_batch_name, remote_batch
from batchline_worker.providers.google_calls import GoogleCalls, milliseconds
from batchline_worker.providers.google_live import asked
from batchline_worker.providers.jsonl import TruncatedError, complete_lines
from batchline_worker.providers.listing import polled
from batchline_worker.providers.sdk_client import repeated

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from google.genai import Client
    from google.genai.types import HttpOptions

    from batchline_shared.accounts import Account
    from batchline_worker.providers.base import LiveCall, RemoteBatch, Search, Submission

__all__ = ["GeminiProvider", "make_provider"]

T = TypeVar("T")

_PAGE_SIZE: Final = 100

_API_VERSION: Final = "v1beta"
"""The one in which batches have been seen to work; the SDK's own default changes."""

_GOOGLE: Final = "https://generativelanguage.googleapis.com"

_NOT_FOUND: Final = 404
_CONFLICT: Final = 409
_FORBIDDEN: Final = 403

_PIECE_BYTES: Final = 1024 * 1024


class GeminiProvider:
    """The batch endpoint of the Gemini Developer API."""

    takes_files = True
    marks_batches = True

    def __init__(
        self,
        name: str = "gemini",
        *,
        api_key_env: str | None = None,
        base_url: str | None = None,
        connect_timeout_s: float = 5.0,
        read_timeout_s: float = 30.0,
        create_timeout_s: float = 60.0,
        transfer_timeout_s: float = 120.0,
        retry_waits_s: tuple[float, ...] = (0.5, 2.0),
    ) -> None:
        """Keep the options. The SDK is imported and its client built by the first call.

        Args:
            name: `gemini`, or `gemini@account`.
            api_key_env: Name of the environment variable that holds the key. None: `GEMINI_API_KEY`,
                else `GOOGLE_API_KEY`.
            base_url: Without a version. None: `GOOGLE_GEMINI_BASE_URL`, else Google itself.
            connect_timeout_s: For a connection, in seconds.
            read_timeout_s: Longest silence while polling, listing, cancelling or deleting, in seconds.
            create_timeout_s: Longest silence during `create`, in seconds: giving up
                early would only turn a slow create into one of unknown outcome.
            transfer_timeout_s: Longest silence, not the longest duration, while a file goes up or down.
            retry_waits_s: Upper bounds of the waits before a call that may be repeated is. Empty: never.
        """
        self.name = name
        self._api_key_env, self._given_url = api_key_env, base_url
        self._calls = GoogleCalls(
            name,
            self._client,
            base_url=self._base_url,
            api_version=_API_VERSION,
            connect_timeout_s=connect_timeout_s,
            read_timeout_s=read_timeout_s,
        )
        self._create_timeout_s = create_timeout_s
        self._transfer_timeout_s = transfer_timeout_s
        self._retry_waits_s = retry_waits_s

    def upload(self, buffer: BinaryIO, *, name: str) -> str:
        """See `Provider.upload`."""
        buffer.seek(0)
        config: dict[str, Any] = {
            "name": name,
            "display_name": name,
            "mime_type": "application/jsonl",
            "http_options": {"timeout": milliseconds(self._transfer_timeout_s)},
        }
        try:
            reply = self._json(
                lambda sdk: sdk.files.upload(file=cast("Any", buffer), config=cast("Any", config))
            )
        except ProviderUnavailableError as error:
            if error.status_code != _CONFLICT:
                raise
            return self._known(f"files/{name}", buffer)
        file = reply.get("file") if isinstance(reply, dict) else None
        if isinstance(file, dict) and isinstance(file.get("name"), str) and file["name"]:
            return cast("str", file["name"])
        raise self._calls.not_understood("an upload")

    def create(self, submission: Submission) -> RemoteBatch:
        """See `Provider.create`."""
        config: dict[str, Any] = {
            "display_name": display_name(submission.shard_id, submission.ledger_id),
            "http_options": {"timeout": milliseconds(self._create_timeout_s)},
        }
        return self._batch(
            lambda sdk: sdk.batches.create(
                model=submission.model, src=submission.file_id, config=cast("Any", config)
            )
        )

    def find(self, search: Search) -> list[RemoteBatch]:
        """See `Provider.find`. There is no filter, and the order is not documented: all pages are read."""
        found = [
            batch
            for page in self._pages()
            for batch in page
            if batch.shard_id == search.shard_id or batch.input_file_id == search.file_id != ""
        ]
        return sorted(found, key=lambda batch: batch.created_at_s or 0.0)

    def listed(self, since_s: float) -> Iterator[list[RemoteBatch]]:
        """See `Provider.listed`. There is no filter, and the order is not documented: all pages are read."""
        del since_s
        return self._pages()

    def poll(self, batch_id: str) -> RemoteBatch:
        """See `Provider.poll`."""
        self._check(batch_id)
        return self._again(lambda: self._batch(lambda sdk: sdk.batches.get(name=batch_id)))

    def poll_many(self, batch_ids: Collection[str]) -> dict[str, RemoteBatch]:
        """See `Provider.poll_many`."""
        return polled(batch_ids, pages=self._pages, poll=self.poll)

    def cancel(self, batch_id: str) -> RemoteBatch:
        """See `Provider.cancel`."""
        self._check(batch_id)
        try:
            self._again(lambda: self._json(lambda sdk: sdk.batches.cancel(name=batch_id)))
        except ProviderRejectedError as error:
            if error.status_code == _NOT_FOUND:
                raise
            return self.poll(batch_id)
        batch = self.poll(batch_id)
        # There is no state between the call and its effect.
        return batch if batch.phase.is_final else replace(batch, phase=BatchPhase.CANCELLING)

    def lines(self, batch: RemoteBatch) -> Iterator[bytes]:
        """See `Provider.lines`."""
        empty = True
        for file_id in batch.result_files:
            try:
                for line in complete_lines(self._content(file_id)):
                    empty = False
                    yield line
            except TruncatedError as error:
                message = f"{file_id} broke off: {error}"
                raise ProviderUnavailableError(self.name, message, code=BROKEN_OFF) from None
        if empty and batch.result_files and batch.completed + batch.failed > 0:
            raise ProviderUnavailableError(self.name, f"the result files of {batch.id} are empty")

    def ask(self, call: LiveCall) -> bytes:
        """See `Provider.ask`."""
        return asked(call, self._json)

    def requests(self, batch: RemoteBatch) -> Iterator[bytes]:
        """See `Provider.requests`. A file that was uploaded cannot be read again."""
        del batch
        return iter(())

    def clean_up(self, *, file_id: str, batch_id: str) -> None:
        """See `Provider.clean_up`. Results go with their batch: they cannot be deleted by themselves."""
        if batch_id:
            with contextlib.suppress(ProviderRejectedError):
                self._check(batch_id)
                self._again(lambda: self._json(lambda sdk: sdk.batches.delete(name=batch_id)))
        if file_id:
            with contextlib.suppress(ProviderRejectedError):  # of a file that is gone, or has expired
                self._again(lambda: self._json(lambda sdk: sdk.files.delete(name=file_id)))

    def close(self) -> None:
        """Give the connections back; the next call opens new ones."""
        self._calls.close()

    def _client(self, _: str, options: HttpOptions) -> Client:
        from google.genai import Client  # noqa: PLC0415 - slow to import; loaded by the first call

        return Client(vertexai=False, api_key=self._key(), http_options=options)

    def _key(self) -> str:
        """Read the key.

        Raises:
            ProviderAuthError: There is none that a header can hold.
        """
        variables = [self._api_key_env] if self._api_key_env else ["GEMINI_API_KEY", "GOOGLE_API_KEY"]
        key = next((found for name in variables if (found := os.environ.get(name, ""))), "")
        if not key or not all("!" <= letter <= "~" for letter in key):
            # A line break, as `cat` leaves one, would fail as an unknown outcome of every call.
            raise ProviderAuthError(
                self.name,
                f"there is no usable API key; set {variables[0]}, without spaces or line breaks",
            )
        return key

    def _base_url(self) -> str:
        """The server's address, without a version."""
        return (self._given_url or os.environ.get("GOOGLE_GEMINI_BASE_URL") or _GOOGLE).rstrip("/")

    def _known(self, file_id: str, buffer: BinaryIO) -> str:
        """Return a file that was there before, where it is the same."""
        file = self._again(lambda: self._json(lambda sdk: sdk.files.get(name=file_id)))
        if not isinstance(file, dict) or file.get("sha256Hash") not in _hashes(buffer):
            raise ProviderRejectedError(self.name, f"{file_id} is there already, with another content")
        return file_id

    def _pages(self) -> Iterator[list[RemoteBatch]]:
        """List the account's batches; raise rather than end early."""
        token = ""
        while True:
            batches, following = self._again(partial(self._page, token))
            yield batches
            if not following:
                return
            if following == token:
                raise self._calls.not_understood("a list of batches that goes on")
            token = following

    def _page(self, token: str) -> tuple[list[RemoteBatch], str]:
        config: dict[str, Any] = {"page_size": _PAGE_SIZE} | ({"page_token": token} if token else {})
        reply = self._json(lambda sdk: sdk.batches.list(config=cast("Any", config)))
        operations = reply.get("operations", []) if isinstance(reply, dict) else None
        batches = [remote_batch(one) for one in operations] if isinstance(operations, list) else [None]
        known = [batch for batch in batches if batch is not None]
        if len(known) != len(batches):
            raise self._calls.not_understood("a list of batches")
        following = reply.get("nextPageToken")
        return known, following if isinstance(following, str) else ""

    def _content(self, file_id: str) -> Iterator[bytes]:
        url = f"{self._base_url()}/{_API_VERSION}/{file_id}:download?alt=media"
        key = self._key()
        try:
            yield from self._calls.stream(
                url, {"x-goog-api-key": key}, silence_s=self._transfer_timeout_s, secret=key
            )
        except ProviderRejectedError as error:
            # The batch names this file, so a refusal means "not yet" more often than "never".
            raise ProviderUnavailableError(
                self.name, f"{file_id} cannot be read", status_code=error.status_code, code=error.code
            ) from error

    def _batch(self, call: Callable[[Client], object]) -> RemoteBatch:
        batch = remote_batch(self._json(call))
        if batch is None:
            raise self._calls.not_understood("a batch")
        return batch

    def _check(self, batch_id: str) -> None:
        if not is_batch_name(batch_id):
            raise ProviderRejectedError(self.name, "this is no name of a batch", status_code=_NOT_FOUND)

    def _json(self, call: Callable[[Client], object]) -> Any:
        return self._calls.json(call, secret=self._key())

    def _again(self, call: Callable[[], T]) -> T:
        return repeated(call, self._retry_waits_s)


def make_provider(name: str, account: Account, *, create_timeout_s: float) -> GeminiProvider:
    """Make the transport for an account; `name` is `gemini` or `gemini@account`."""
    return GeminiProvider(
        name, api_key_env=account.api_key_env, base_url=account.base_url, create_timeout_s=create_timeout_s
    )


def _hashes(buffer: BinaryIO) -> set[str]:
    """A buffer's SHA-256 as the API shows it: base64 of the hexadecimal digits, or of the bytes."""
    digest = hashlib.sha256()
    buffer.seek(0)
    while piece := buffer.read(_PIECE_BYTES):
        digest.update(piece)
    return {base64.b64encode(form).decode() for form in (digest.hexdigest().encode(), digest.digest())}
