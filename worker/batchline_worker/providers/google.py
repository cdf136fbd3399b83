"""Vertex AI's batches of Gemini models, spoken through google-genai and google-cloud-storage.

A job reads its requests from a bucket and writes its results there. Google tells
of most mistakes only once the job has failed, some after tokens were spent, so
what can be known before is looked at before anything is uploaded.
"""

from __future__ import annotations

import contextlib
import time
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, BinaryIO, Final, TypeVar, cast

from batchline_shared.errors import (
    BatchlineError,
    ProviderAuthError,
    ProviderBusyError,
    ProviderRejectedError,
    ProviderUnavailableError,
)
from batchline_worker.providers.base import SHARD_MARK, BatchPhase
from batchline_worker.providers.google_access import GoogleAccess
from batchline_worker.providers.google_batch import job_config, location_of, remote_batch
from batchline_worker.providers.google_bucket import GoogleBucket, split_uri
from batchline_worker.providers.google_calls import GoogleCalls, milliseconds
from batchline_worker.providers.google_live import asked
from batchline_worker.providers.google_places import (
    DEFAULT_LOCATIONS,
    folder_of,
    input_path,
    location_for,
    set_location,
)
from batchline_worker.providers.google_preflight import GooglePreflight
from batchline_worker.providers.listing import polled
from batchline_worker.providers.sdk_client import repeated

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from google.genai import Client
    from google.genai.types import HttpOptions

    from batchline_shared.accounts import Account
    from batchline_worker.providers.base import LiveCall, RemoteBatch, Search, Submission

__all__ = ["GoogleProvider", "make_provider"]

T = TypeVar("T")

_PAGE_SIZE: Final = 100

_API_VERSION: Final = "v1beta1"
"""The one that google-genai speaks by default, and that was tried."""

_NOT_FOUND: Final = 404

_PREPARED_S: Final = 10.0
"""Longest that a creation may wait for its bucket and credentials, in seconds."""


class GoogleProvider:
    """The batch jobs of one Google Cloud project."""

    takes_files = True
    marks_batches = True

    def __init__(
        self,
        name: str,
        account: Account,
        *,
        connect_timeout_s: float = 5.0,
        read_timeout_s: float = 30.0,
        create_timeout_s: float = 60.0,
        transfer_timeout_s: float = 120.0,
        retry_waits_s: tuple[float, ...] = (0.5, 2.0),
    ) -> None:
        """Keep the options. The SDKs are imported and their clients built by the first call.

        Args:
            name: `google`, or `google@account`.
            account: Its project, location, bucket and credentials; what it leaves open is read from
                Google's variables, and the address of Cloud Storage always (`STORAGE_EMULATOR_HOST`).
            connect_timeout_s: For a connection, in seconds.
            read_timeout_s: Longest silence while polling, listing, cancelling or deleting, in seconds.
            create_timeout_s: Longest silence during `create`, in seconds: giving up
                early would only turn a slow create into one of unknown outcome.
            transfer_timeout_s: Longest silence, not the longest duration, while objects go up or down.
            retry_waits_s: Upper bounds of the waits before a call that may be repeated is. Empty: never.
        """
        self.name = name
        self._access = GoogleAccess(name, account)
        self._bucket = GoogleBucket(
            self._access,
            connect_timeout_s=connect_timeout_s,
            transfer_timeout_s=transfer_timeout_s,
        )
        self._calls = GoogleCalls(
            name,
            self._client,
            base_url=lambda: self._access.base_url,
            api_version=_API_VERSION,
            connect_timeout_s=connect_timeout_s,
            read_timeout_s=read_timeout_s,
        )
        self._preflight = GooglePreflight(self._access, self._bucket, self._probe)
        self._create_timeout_s = create_timeout_s
        self._retry_waits_s = retry_waits_s

    def upload(self, buffer: BinaryIO, *, name: str) -> str:
        """See `Provider.upload`. The id is the object's `gs://` address."""
        self._preflight.check()
        return self._bucket.put(input_path(name, self._access.location), buffer)

    def create(self, submission: Submission) -> RemoteBatch:
        """See `Provider.create`."""
        location = location_for(submission.model, self._set_location(submission.file_id))
        self._prepare(location)
        config = job_config(submission, milliseconds(self._create_timeout_s))
        try:
            return self._batch(
                location,
                lambda sdk: sdk.batches.create(
                    model=submission.model, src=submission.file_id, config=cast("Any", config)
                ),
            )
        except ProviderRejectedError as error:
            if error.status_code != _NOT_FOUND:
                raise
            words = f"{error}; it may run elsewhere than in {location}: see GOOGLE_CLOUD_LOCATION"
            raise ProviderRejectedError(self.name, words, status_code=_NOT_FOUND, code=error.code) from None

    def find(self, search: Search) -> list[RemoteBatch]:
        """See `Provider.find`. The model is not known here, so every place where it may run is looked at."""
        found = [
            batch
            for page in self._since(search.since_s, search.file_id)
            for batch in page
            if batch.shard_id == search.shard_id or batch.input_file_id == search.file_id != ""
        ]
        return sorted(found, key=lambda batch: batch.created_at_s or 0.0)

    def listed(self, since_s: float) -> Iterator[list[RemoteBatch]]:
        """See `Provider.listed`. Every place where a model may run is looked at."""
        return self._since(since_s, "")

    def _since(self, since_s: float, file_id: str) -> Iterator[list[RemoteBatch]]:
        configured = self._set_location(file_id)
        since = datetime.fromtimestamp(max(0.0, since_s), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        for location in [configured] if configured else DEFAULT_LOCATIONS:
            yield from self._pages(location, f'createTime>="{since}"')

    def poll(self, batch_id: str) -> RemoteBatch:
        """See `Provider.poll`."""
        location = self._location(batch_id)
        return self._again(lambda: self._batch(location, lambda sdk: sdk.batches.get(name=batch_id)))

    def poll_many(self, batch_ids: Collection[str]) -> dict[str, RemoteBatch]:
        """See `Provider.poll_many`."""
        places: dict[str, list[str]] = {}
        for batch_id in batch_ids:
            places.setdefault(location_of(batch_id) or "", []).append(batch_id)
        found: dict[str, RemoteBatch] = {}
        places.pop("", None)
        for location, ids in places.items():
            pages = partial(self._pages, location, f"labels.{SHARD_MARK}:*")
            try:
                found |= polled(ids, pages=pages, poll=self.poll)
            except BatchlineError:
                if not found:
                    raise
        return found

    def cancel(self, batch_id: str) -> RemoteBatch:
        """See `Provider.cancel`."""
        location = self._location(batch_id)
        try:
            self._again(lambda: self._json(location, lambda sdk: sdk.batches.cancel(name=batch_id)))
        except ProviderRejectedError as error:
            if error.status_code == _NOT_FOUND:
                raise
            return self.poll(batch_id)
        batch = self.poll(batch_id)
        return batch if batch.phase.is_final else replace(batch, phase=BatchPhase.CANCELLING)

    def lines(self, batch: RemoteBatch) -> Iterator[bytes]:
        """See `Provider.lines`."""
        empty = True
        for directory in batch.result_files:
            for line in self._bucket.lines(directory):
                empty = False
                yield line
        # A job that was not allowed to write them counts them all the same.
        if empty and batch.completed + batch.failed > 0 and batch.phase is not BatchPhase.FAILED:
            message = f"there are no predictions of {batch.id}"
            raise ProviderUnavailableError(self.name, message, status_code=_NOT_FOUND)

    def ask(self, call: LiveCall) -> bytes:
        """See `Provider.ask`."""
        location = location_for(call.model, self._access.location)
        return asked(call, partial(self._json, location))

    def requests(self, batch: RemoteBatch) -> Iterator[bytes]:
        """See `Provider.requests`. A table, or several files, are not read."""
        uri = batch.input_file_id or ""
        return iter(()) if not uri or "*" in uri else self._bucket.object_lines(uri)

    def clean_up(self, *, file_id: str, batch_id: str) -> None:
        """See `Provider.clean_up`. Results are beside the input, and go with it."""
        bucket, path = split_uri(file_id)
        folder = folder_of(path)
        if folder:
            self._bucket.delete_under(bucket, folder)
        if batch_id:
            location = self._location(batch_id)
            with contextlib.suppress(ProviderRejectedError):
                self._again(lambda: self._json(location, lambda sdk: sdk.batches.delete(name=batch_id)))

    def close(self) -> None:
        """Give the connections back; the next call opens new ones."""
        self._calls.close()
        self._bucket.close()

    def _client(self, location: str, options: HttpOptions) -> Client:
        from google.genai import Client  # noqa: PLC0415 - slow to import; loaded by the first call

        return Client(
            vertexai=True,
            project=self._access.project,
            location=location,
            credentials=self._access.credentials(),
            http_options=options,
        )

    def _set_location(self, file_id: str) -> str | None:
        return set_location(split_uri(file_id)[1], self._access.location)

    def _prepare(self, location: str) -> None:
        """Do what a creation needs, before it is sent: the lease allows for little more than the call."""
        started = time.monotonic()
        self._preflight.check_place(location)
        self._access.renew()
        if time.monotonic() - started > _PREPARED_S:
            raise ProviderBusyError(self.name, "preparing the creation took too long; nothing was sent")

    def _probe(self) -> None:
        """List one job, to learn whether we may."""
        location = self._access.location or DEFAULT_LOCATIONS[0]
        self._json(location, lambda sdk: sdk.batches.list(config={"page_size": 1}))

    def _pages(self, location: str, condition: str) -> Iterator[list[RemoteBatch]]:
        """List jobs; raise rather than end early. Their order is not documented."""
        token = ""
        while True:
            batches, following = self._again(partial(self._page, location, condition, token))
            yield batches
            if not following:
                return
            if following == token:
                raise self._calls.not_understood("a list of jobs that goes on")
            token = following

    def _page(self, location: str, condition: str, token: str) -> tuple[list[RemoteBatch], str]:
        config: dict[str, Any] = {"page_size": _PAGE_SIZE, "filter": condition}
        if token:
            config["page_token"] = token
        reply = self._json(location, lambda sdk: sdk.batches.list(config=cast("Any", config)))
        jobs = reply.get("batchPredictionJobs", []) if isinstance(reply, dict) else None
        batches = [remote_batch(job) for job in jobs] if isinstance(jobs, list) else [None]
        known = [batch for batch in batches if batch is not None]
        if len(known) != len(batches):
            raise self._calls.not_understood("a list of jobs")
        following = reply.get("nextPageToken")
        return known, following if isinstance(following, str) else ""

    def _batch(self, location: str, call: Callable[[Client], object]) -> RemoteBatch:
        try:
            batch = remote_batch(self._json(location, call))
        except ProviderAuthError as error:
            raise self._preflight.explained(error) from None
        if batch is None:
            raise self._calls.not_understood("a job")
        return batch

    def _json(self, location: str, call: Callable[[Client], object]) -> Any:
        # The SDK would renew them by itself, and take its time.
        self._access.renew()
        return self._calls.json(call, location=location)

    def _location(self, batch_id: str) -> str:
        location = location_of(batch_id)
        if location is None:
            raise ProviderRejectedError(self.name, "this is no name of a job", status_code=_NOT_FOUND)
        return location

    def _again(self, call: Callable[[], T]) -> T:
        return repeated(call, self._retry_waits_s)


def make_provider(name: str, account: Account, *, create_timeout_s: float) -> GoogleProvider:
    """Make the transport for an account; `name` is `google` or `google@account`."""
    return GoogleProvider(name, account, create_timeout_s=create_timeout_s)
