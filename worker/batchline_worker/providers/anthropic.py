"""Anthropic's batch API, spoken through its own SDK.

A batch is created from one body, not from a file, and bears no mark of ours: one
that may or may not exist is found by its time and its number of requests, and its
results, in which our ids stand, have to confirm it.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, BinaryIO, Final, TypeVar

import orjson

from batchline_shared.errors import (
    ProviderError,
    ProviderRejectedError,
    ProviderUnavailableError,
)
from batchline_worker.providers.anthropic_batch import remote_batch
from batchline_worker.providers.anthropic_client import AnthropicClient
from batchline_worker.providers.base import BROKEN_OFF
from batchline_worker.providers.jsonl import TruncatedError, complete_lines
from batchline_worker.providers.listing import Page, listed, polled
from batchline_worker.providers.sdk_client import repeated

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from anthropic import Anthropic, APIResponse

    from batchline_shared.accounts import Account
    from batchline_worker.providers.base import LiveCall, RemoteBatch, Search, Submission

__all__ = ["PAGE_SIZE", "AnthropicProvider", "make_provider"]

T = TypeVar("T")

PAGE_SIZE: Final = 1000
"""Batches per list page: the most that Anthropic gives."""

_NOT_FOUND = 404


class AnthropicProvider:
    """The batch endpoint of Anthropic, or of a server that speaks the same API."""

    takes_files = False
    marks_batches = False

    def __init__(
        self,
        name: str = "anthropic",
        *,
        api_key_env: str = "ANTHROPIC_API_KEY",
        base_url: str | None = None,
        connect_timeout_s: float = 5.0,
        read_timeout_s: float = 30.0,
        create_timeout_s: float = 60.0,
        transfer_timeout_s: float = 120.0,
        retry_waits_s: tuple[float, ...] = (0.5, 2.0),
    ) -> None:
        """Keep the options. The SDK is imported and its client built by the first call.

        Args:
            name: `anthropic`, or `anthropic@account`.
            api_key_env: Name of the environment variable that holds the key.
            base_url: Without `/v1`. None: `ANTHROPIC_BASE_URL`, else Anthropic itself.
            connect_timeout_s: For a connection, in seconds.
            read_timeout_s: Longest silence while polling, listing, cancelling or deleting, in seconds.
            create_timeout_s: For sending a creation's requests, and longest silence after that, in seconds:
                giving up early would only turn a slow create into one of unknown outcome.
            transfer_timeout_s: Longest silence, not the longest duration, while results come down.
            retry_waits_s: Upper bounds of the waits before a call that may be repeated is. Empty: never.
        """
        self.name = name
        self._client = AnthropicClient(
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
        """Anthropic takes no files, so nobody asks for this."""
        del buffer, name
        raise ProviderRejectedError(self.name, "it takes no files; the creation sends the requests")

    def create(self, submission: Submission) -> RemoteBatch:
        """See `Provider.create`."""
        if submission.buffer is None:
            raise ProviderRejectedError(self.name, "there are no requests to send")
        batch = remote_batch(self._client.create(submission.buffer, silence_s=self._create_timeout_s))
        if batch is None:
            raise self._client.not_understood("a batch")
        return batch

    def find(self, search: Search) -> list[RemoteBatch]:
        """See `Provider.find`. Ids of other shards' batches are for the caller to leave out."""
        found: list[RemoteBatch] = []
        for page in self._pages():
            found += [batch for batch in page.batches if self._is_sought(batch, search)]
            if page.reaches_back(search.since_s):
                break
        return sorted(found, key=lambda batch: batch.created_at_s or 0.0)

    def listed(self, since_s: float) -> Iterator[list[RemoteBatch]]:
        """See `Provider.listed`."""
        for page in self._pages():
            yield page.batches
            if page.reaches_back(since_s):
                return

    def poll(self, batch_id: str) -> RemoteBatch:
        """See `Provider.poll`."""
        return self._again(
            lambda: self._batch(lambda sdk: sdk.messages.batches.with_raw_response.retrieve(batch_id))
        )

    def poll_many(self, batch_ids: Collection[str]) -> dict[str, RemoteBatch]:
        """See `Provider.poll_many`."""
        return polled(batch_ids, pages=lambda: (page.batches for page in self._pages()), poll=self.poll)

    def cancel(self, batch_id: str) -> RemoteBatch:
        """See `Provider.cancel`."""
        try:
            return self._again(
                lambda: self._batch(lambda sdk: sdk.messages.batches.with_raw_response.cancel(batch_id))
            )
        except ProviderError:
            # What Anthropic says of a batch that has ended is not documented.
            batch = self.poll(batch_id)
            if not batch.phase.is_final:
                raise
            return batch

    def lines(self, batch: RemoteBatch) -> Iterator[bytes]:
        """See `Provider.lines`."""
        empty = True
        for batch_id in batch.result_files:
            try:
                for line in complete_lines(self._results(batch_id)):
                    empty = False
                    yield line
            except TruncatedError as error:
                message = f"the results of {batch_id} broke off: {error}"
                raise ProviderUnavailableError(self.name, message, code=BROKEN_OFF) from None
        if empty and batch.result_files and batch.completed + batch.failed > 0:
            raise ProviderUnavailableError(self.name, f"the results of {batch.id} are empty")

    def ask(self, call: LiveCall) -> bytes:
        """See `Provider.ask`."""
        params = orjson.loads(call.line)["params"]
        try:
            message = self._client.ask_live(params, silence_s=call.timeout_s)
        except ProviderRejectedError as error:
            refusal = {"type": error.code or "invalid_request_error", "message": str(error)}
            result = {"type": "errored", "error": {"type": "error", "error": refusal}}
        else:
            result = {"type": "succeeded", "message": message}
        return orjson.dumps({"custom_id": "", "result": result})

    def requests(self, batch: RemoteBatch) -> Iterator[bytes]:
        """See `Provider.requests`. Anthropic shows them to nobody."""
        del batch
        return iter(())

    def clean_up(self, *, file_id: str, batch_id: str) -> None:
        """See `Provider.clean_up`. A batch goes with its results."""
        del file_id
        if not batch_id:
            return
        try:
            self._again(
                lambda: self._client.ask(lambda sdk: sdk.messages.batches.with_raw_response.delete(batch_id))
            )
        except ProviderRejectedError as error:
            if error.status_code != _NOT_FOUND:
                raise

    def _is_sought(self, batch: RemoteBatch, search: Search) -> bool:
        """Compare time and size; a batch that has none could be the one, so it cannot be told."""
        if batch.created_at_s is None:
            raise self._client.not_understood("a list of batches with their times")
        if not search.since_s <= batch.created_at_s <= search.until_s:
            return False
        if batch.total == 0:
            raise self._client.not_understood("a list of batches with their counts")
        return batch.total == search.requests

    def _pages(self) -> Iterator[Page]:
        return listed(
            lambda after: self._again(partial(self._page, after)),
            lambda: self._client.not_understood("a list of batches that promises more and does not go on"),
        )

    def _page(self, after: str | None) -> Page:
        query: dict[str, Any] = {"after_id": after} if after else {}
        reply = self._client.json(
            lambda sdk: sdk.messages.batches.with_raw_response.list(limit=PAGE_SIZE, **query)
        )
        data = reply.get("data") if isinstance(reply, dict) else None
        batches = [remote_batch(item) for item in data] if isinstance(data, list) else [None]
        known = [batch for batch in batches if batch is not None]
        if len(known) != len(batches):
            raise self._client.not_understood("a list of batches")
        more = reply.get("has_more")
        # Where a server leaves it out, its pages may be shorter than asked for: an empty one is the last.
        return Page(known, more if isinstance(more, bool) else bool(known))

    def _results(self, batch_id: str) -> Iterator[bytes]:
        try:
            yield from self._client.results(batch_id, silence_s=self._transfer_timeout_s)
        except ProviderRejectedError as error:
            # Results are kept for 29 days; within them, a refusal means "not yet".
            message = f"the results of {batch_id} cannot be read: {error}"
            raise ProviderUnavailableError(
                self.name, message, status_code=error.status_code, code=error.code
            ) from error

    def _batch(self, call: Callable[[Anthropic], APIResponse[Any]]) -> RemoteBatch:
        batch = remote_batch(self._client.json(call))
        if batch is None:
            raise self._client.not_understood("a batch")
        return batch

    def _again(self, call: Callable[[], T]) -> T:
        return repeated(call, self._retry_waits_s)


def make_provider(name: str, account: Account, *, create_timeout_s: float) -> AnthropicProvider:
    """Make the transport for an account; `name` is `anthropic` or `anthropic@account`."""
    return AnthropicProvider(
        name,
        api_key_env=account.api_key_env or "ANTHROPIC_API_KEY",
        base_url=account.base_url,
        create_timeout_s=create_timeout_s,
    )
