"""OpenAI's batch API, spoken through its own SDK.

The SDK repeats a call by itself, three times in all, and sends no idempotency
key, so that one slow create can start three batches. Its retries are switched
off here, and what may be repeated is repeated by us.
"""

from __future__ import annotations

import contextlib
from functools import partial
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar, cast

import orjson

from batchline_shared.errors import ProviderRejectedError, ProviderUnavailableError
from batchline_worker.providers.base import BROKEN_OFF, LEDGER_MARK
from batchline_worker.providers.jsonl import TruncatedError, complete_lines
from batchline_worker.providers.listing import listed, polled
from batchline_worker.providers.openai_batch import identifier, marks, remote_batch
from batchline_worker.providers.openai_client import OpenAIClient
from batchline_worker.providers.openai_pages import read_page
from batchline_worker.providers.sdk_client import repeated

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from openai import OpenAI
    from openai._legacy_response import LegacyAPIResponse

    from batchline_shared.accounts import Account
    from batchline_worker.providers.base import LiveCall, RemoteBatch, Search, Submission
    from batchline_worker.providers.listing import Page

__all__ = ["OpenAIProvider", "make_provider"]

T = TypeVar("T")

_NOT_FOUND = 404
_CONFLICT = 409
"""OpenAI's answer to cancelling a batch that has ended."""

_PAGE_SIZE = 100
"""Batches per list page: the most that OpenAI gives."""


class OpenAIProvider:
    """The batch endpoint of OpenAI, or of a server that speaks the same API."""

    takes_files = True
    marks_batches = True

    def __init__(
        self,
        name: str = "openai",
        *,
        api_key_env: str = "OPENAI_API_KEY",
        base_url: str | None = None,
        path_prefix: str = "/v1",
        upload_path: str = "/files",
        upload_purpose: str = "batch",
        connect_timeout_s: float = 5.0,
        read_timeout_s: float = 30.0,
        create_timeout_s: float = 60.0,
        transfer_timeout_s: float = 120.0,
        retry_waits_s: tuple[float, ...] = (0.5, 2.0),
    ) -> None:
        """Keep the options. The SDK is imported and its client built by the first call.

        Args:
            name: `openai`, or `openai@account`.
            api_key_env: Name of the environment variable that holds the key.
            base_url: Up to and with `/v1`. None: `OPENAI_BASE_URL`, else OpenAI itself.
            path_prefix: What endpoints begin with when a batch is created; see `Account`.
            upload_path: Where files go, below the base URL; see `Account`.
            upload_purpose: What a file of requests is for; see `Account`.
            connect_timeout_s: For a connection, in seconds.
            read_timeout_s: Longest silence while polling, listing, cancelling or deleting, in seconds.
            create_timeout_s: Longest silence during `create`, in seconds: giving up
                early would only turn a slow create into one of unknown outcome.
            transfer_timeout_s: Longest silence, not the longest duration, while a file goes up or down.
            retry_waits_s: Upper bounds of the waits before a call that may be repeated is. Empty: never.
        """
        self.name = name
        self._path_prefix = path_prefix
        self._upload_path, self._upload_purpose = upload_path, upload_purpose
        self._client = OpenAIClient(
            name,
            api_key_env=api_key_env,
            base_url=base_url,
            connect_timeout_s=connect_timeout_s,
            read_timeout_s=read_timeout_s,
        )
        self._create_timeout_s = create_timeout_s
        self._transfer_timeout_s = transfer_timeout_s
        self._retry_waits_s = retry_waits_s

    def upload(self, buffer: BinaryIO, *, name: str) -> str:
        """See `Provider.upload`."""
        # OpenAI refuses names without .jsonl, and the SDK calls a nameless buffer "upload".
        file = (f"{name}.jsonl", cast("Any", _WithoutDescriptor(buffer)), "application/jsonl")
        reply = self._client.upload(
            file, path=self._upload_path, purpose=self._upload_purpose, silence_s=self._transfer_timeout_s
        )
        file_id = identifier(reply.get("id")) if isinstance(reply, dict) else None
        if file_id is not None:
            return file_id
        raise self._client.not_understood("an upload")

    def create(self, submission: Submission) -> RemoteBatch:
        """See `Provider.create`."""
        endpoint = self._path_prefix + submission.endpoint.removeprefix("/v1")
        timeout = self._client.timeout(self._create_timeout_s)
        return self._batch(
            lambda sdk: sdk.batches.with_raw_response.create(
                completion_window="24h",
                endpoint=cast("Any", endpoint),
                input_file_id=submission.file_id,
                metadata=marks(submission.shard_id, self._others(submission)),
                timeout=timeout,
            )
        )

    def find(self, search: Search) -> list[RemoteBatch]:
        """See `Provider.find`."""
        ours: list[RemoteBatch] = []
        try:
            for page in self._pages():
                ours += [batch for batch in page.batches if self._is_sought(batch, search)]
                if page.reaches_back(search.since_s):
                    break
        except ProviderRejectedError as error:
            # A server without lists has not said that there is no batch.
            raise ProviderUnavailableError(self.name, f"no list of batches: {error}") from error
        return sorted(ours, key=lambda batch: batch.created_at_s or 0.0)

    def listed(self, since_s: float) -> Iterator[list[RemoteBatch]]:
        """See `Provider.listed`."""
        for page in self._pages():
            yield page.batches
            if page.reaches_back(since_s):
                return

    @staticmethod
    def _others(submission: Submission) -> dict[str, str]:
        ledger = {LEDGER_MARK: submission.ledger_id} if submission.ledger_id else {}
        return {**ledger, "batchline_job": submission.job_id}

    def _is_sought(self, batch: RemoteBatch, search: Search) -> bool:
        """Compare mark and file; a batch that shows neither could be the one, so it cannot be told."""
        created_s = batch.created_at_s
        in_time = created_s is None or search.since_s <= created_s <= search.until_s
        if batch.shard_id is None and batch.input_file_id is None and in_time:
            raise self._client.not_understood("a list of batches with their marks or files")
        return batch.shard_id == search.shard_id or bool(
            search.file_id and batch.input_file_id == search.file_id
        )

    def poll(self, batch_id: str) -> RemoteBatch:
        """See `Provider.poll`."""
        return self._again(lambda: self._batch(lambda sdk: sdk.batches.with_raw_response.retrieve(batch_id)))

    def poll_many(self, batch_ids: Collection[str]) -> dict[str, RemoteBatch]:
        """See `Provider.poll_many`."""
        return polled(batch_ids, pages=lambda: (page.batches for page in self._pages()), poll=self.poll)

    def cancel(self, batch_id: str) -> RemoteBatch:
        """See `Provider.cancel`."""
        try:
            return self._again(
                lambda: self._batch(lambda sdk: sdk.batches.with_raw_response.cancel(batch_id))
            )
        except (ProviderRejectedError, ProviderUnavailableError) as error:
            # Servers like OpenAI refuse with a 400, 404, 422 or 500 what OpenAI refuses with a 409.
            batch = self.poll(batch_id)
            if not batch.phase.is_final and error.status_code != _CONFLICT:
                raise
            return batch

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
        body = orjson.loads(call.line)["body"]
        # A base URL ends with the version that endpoints begin with.
        path = call.endpoint.removeprefix("/v1")
        try:
            answer = self._client.ask_live(path, body, silence_s=call.timeout_s)
        except ProviderRejectedError as error:
            refusal = {"message": str(error), "code": error.code}
            response = {"status_code": error.status_code, "body": {"error": refusal}}
        else:
            response = {"status_code": 200, "body": answer}
        return orjson.dumps({"custom_id": "", "response": response, "error": None})

    def requests(self, batch: RemoteBatch) -> Iterator[bytes]:
        """See `Provider.requests`."""
        place = self._client.place_of(batch.input_file_id) if batch.input_file_id else None
        if place is None:
            return
        try:
            yield from complete_lines(self._client.content(place, silence_s=self._transfer_timeout_s))
        except TruncatedError as error:
            message = f"{batch.input_file_id} broke off: {error}"
            raise ProviderUnavailableError(self.name, message, code=BROKEN_OFF) from None

    def clean_up(self, *, file_id: str, batch_id: str) -> None:
        """See `Provider.clean_up`."""
        results: tuple[str, ...] = ()
        if batch_id:
            with contextlib.suppress(ProviderRejectedError):  # it is forgotten, and its files with it
                results = self.poll(batch_id).result_files
        for name in (*results, file_id):
            if name:
                self._delete_file(name)

    def _delete_file(self, reference: str) -> None:
        place = self._client.place_of(reference)
        if place is None or not (file_id := place.file_id):
            return  # only a link leads to it, and the server's own rules delete it
        try:
            self._again(lambda: self._client.ask(lambda sdk: sdk.files.with_raw_response.delete(file_id)))
        except ProviderRejectedError as error:
            if error.status_code != _NOT_FOUND:
                raise

    def _pages(self) -> Iterator[Page]:
        """List the account's batches, newest first."""
        return listed(
            lambda after: self._again(partial(self._page, after)),
            lambda: self._client.not_understood("a list of batches that promises more and does not go on"),
        )

    def _page(self, after: str | None) -> Page:
        query: dict[str, Any] = {"after": after} if after else {}
        page = read_page(
            self._client.json(lambda sdk: sdk.batches.with_raw_response.list(limit=_PAGE_SIZE, **query))
        )
        if page is None:
            raise self._client.not_understood("a list of batches")
        return page

    def _content(self, file_id: str) -> Iterator[bytes]:
        place = self._client.place_of(file_id)
        if place is None:
            raise ProviderRejectedError(self.name, "the results are on another host, which is not followed")
        try:
            yield from self._client.content(place, silence_s=self._transfer_timeout_s)
        except ProviderRejectedError as error:
            # The batch names this file, so a refusal means "not yet" more often than "never".
            raise ProviderUnavailableError(
                self.name, f"{file_id} cannot be read", status_code=error.status_code, code=error.code
            ) from error

    def _batch(self, call: Callable[[OpenAI], LegacyAPIResponse[Any]]) -> RemoteBatch:
        batch = remote_batch(self._client.json(call))
        if batch is None:
            raise self._client.not_understood("a batch")
        return batch

    def _again(self, call: Callable[[], T]) -> T:
        return repeated(call, self._retry_waits_s)


def make_provider(name: str, account: Account, *, create_timeout_s: float) -> OpenAIProvider:
    """Make the transport for an account; `name` is `openai` or `openai@account`."""
    return OpenAIProvider(
        name,
        api_key_env=account.api_key_env or "OPENAI_API_KEY",
        base_url=account.base_url,
        path_prefix=account.path_prefix,
        upload_path=account.upload_path,
        upload_purpose=account.upload_purpose,
        create_timeout_s=create_timeout_s,
    )


class _WithoutDescriptor:
    """A buffer that hides its file descriptor from the HTTP library.

    Given one, the library takes the length from the file system, which does not know
    what is still in the write buffer, and makes a spooled buffer write itself to disk.
    """

    def __init__(self, buffer: BinaryIO) -> None:
        self.read, self.seek, self.tell = buffer.read, buffer.seek, buffer.tell
