"""What a provider's batch endpoint must do for the worker.

A call either returns, or raises one of the `ProviderError`s of
`batchline_shared.errors`; which one it is decides whether a request may be
paid for twice, so `tests/contract/test_provider_contract.py` runs every
implementation against a server that drops, stalls and lies.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, BinaryIO, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

__all__ = ["BROKEN_OFF", "SHARD_MARK", "BatchPhase", "LineError", "Provider", "RemoteBatch"]

SHARD_MARK = "batchline_shard"
"""Metadata key that says whose a batch is; without it a lost reply could not be told from a lost call."""

BROKEN_OFF = "broken_off"
"""Code of a `ProviderUnavailableError` of `lines`: a whole download whose last line is no JSON."""


class BatchPhase(StrEnum):
    """Where a batch stands, in our words. Phases may be skipped between two polls."""

    VALIDATING = "validating"
    """Accepted; the provider still reads the file."""
    RUNNING = "running"
    """Requests are being answered."""
    FINALIZING = "finalizing"
    """Every request has ended; the result files are being written."""
    COMPLETED = "completed"
    """Ended. It does not say that any request succeeded, or which files there are."""
    FAILED = "failed"
    """Refused as a whole: nothing ran and nothing is billed; `errors` says why."""
    EXPIRED = "expired"
    """Out of time. Finished requests have results and are billed."""
    CANCELLING = "cancelling"
    """To be cancelled; running requests may still finish."""
    CANCELLED = "cancelled"
    """Cancelled. Finished requests have results and are billed."""
    UNKNOWN = "unknown"
    """A status that this version does not know. Not final: keep polling."""

    @property
    def is_final(self) -> bool:
        """Whether the batch will not change any more."""
        return self in _FINAL


_FINAL = frozenset({BatchPhase.COMPLETED, BatchPhase.FAILED, BatchPhase.EXPIRED, BatchPhase.CANCELLED})


@dataclass(frozen=True, slots=True)
class LineError:
    """One reason for which a provider refused a whole batch."""

    line: int | None
    """Line of the input file at fault, from 1; None when the whole file is."""
    code: str | None
    """The provider's error code."""
    message: str
    """The provider's words, cut to 500 characters. For a person to read."""
    param: str | None
    """The field at fault, as the provider names it (`body.model`)."""


@dataclass(frozen=True, slots=True)
class RemoteBatch:
    """A batch as its provider showed it at one moment."""

    id: str
    """The provider's id; never empty."""
    status: str
    """The provider's own word. For people; branch on `phase`."""
    phase: BatchPhase
    """The same in our words."""
    total: int = 0
    """Requests in the batch; 0 while the provider has not counted them."""
    completed: int = 0
    """Requests that were answered, usably or not. For progress only: counts have been seen to be wrong."""
    failed: int = 0
    """Requests that ended in an error. For progress only."""
    result_files: tuple[str, ...] = ()
    """Ids of all files that hold result lines, those with errors included; often one, sometimes none."""
    errors: tuple[LineError, ...] = ()
    """Why the batch failed as a whole."""
    created_at_s: float | None = None
    """When the provider accepted it, in Unix seconds by its own clock."""
    input_file_id: str | None = None
    """The uploaded file that it runs."""
    shard_id: str | None = None
    """Our mark; None on a batch that is not ours, or where the provider keeps no marks."""
    enqueued_limit_tokens: int | None = None
    """The account's limit of enqueued tokens, where it is why the batch failed: wait, then create again."""


class Provider(Protocol):
    """A batch endpoint of one LLM vendor.

    Implementations hold no state about batches between calls, so that any worker can
    poll a batch that another one created, and are safe to share between threads.
    Every call may raise, besides what it names itself:

    * `ProviderAuthError`: the key is missing or refused; nothing took effect.
    * `ProviderBusyError`: refused for now; nothing took effect.
    * `ProviderRejectedError`: refused for good; nothing took effect.
    * `ProviderUnavailableError`: no telling whether the call took effect. Calls
      other than `create` and `upload` may simply be made again.
    """

    name: str
    """The name before the slash in `provider/model`."""

    def upload(self, buffer: BinaryIO, *, name: str) -> str:
        """Upload a JSONL file, in constant memory.

        Sends one request. A call of unknown outcome may leave a file that nobody
        uses; it costs storage, not money, so uploading again is right.

        Args:
            buffer: Seekable; sent from its start, whatever its position is.
            name: File name without suffix, for people who look at the provider's pages.

        Returns:
            The provider's file id.
        """
        ...

    def create(
        self, *, file_id: str, endpoint: str, shard_id: str, metadata: Mapping[str, str]
    ) -> RemoteBatch:
        """Start a batch. This is the call that costs money: it sends exactly one request.

        After `ProviderUnavailableError`, or a death during the call, the batch may
        exist: look with `find`, and never call `create` again before that.

        Args:
            file_id: What `upload` returned.
            endpoint: The provider's path that the lines call, such as `/v1/responses`.
            shard_id: The mark by which `find` knows the batch, at most 512 characters.
            metadata: More marks, for people. What exceeds the provider's limits is cut.
        """
        ...

    def find(self, *, shard_id: str, file_id: str, since_s: float) -> list[RemoteBatch]:
        """List the batches that bear a shard's mark or run its file, oldest first.

        Complete or raises: an empty list means that the provider showed every batch
        since `since_s` and none was ours. A batch created a moment ago may not be
        listed yet, so an empty list proves something only after a quiet period.

        Args:
            shard_id: The mark given to `create`.
            file_id: The file given to `create`; empty matches none.
            since_s: Unix seconds by the provider's clock: take the time of the intent
                less a margin for clocks that differ.
        """
        ...

    def poll(self, batch_id: str) -> RemoteBatch:
        """Look at one batch. An id that the provider does not know raises `ProviderRejectedError`."""
        ...

    def poll_many(self, batch_ids: Collection[str]) -> dict[str, RemoteBatch]:
        """Look at several batches, in fewer calls than one each where lists are cheaper.

        Returns:
            Batches by id. An id that the provider does not know, or that could not be
            read, is absent: poll it alone to learn why. An error that stops the reading
            is raised only where nothing has been read.
        """
        ...

    def cancel(self, batch_id: str) -> RemoteBatch:
        """Ask for a batch to be cancelled; one that has ended already is returned as it is.

        Safe to repeat. Cancelling is not free: finished requests are billed, and their results stay.
        """
        ...

    def lines(self, batch: RemoteBatch) -> Iterator[bytes]:
        """Stream every line of every result file, in constant memory and in no promised order.

        Lines come without their line end and are never blank. They are split at line
        feeds only: other Unicode line separators stand inside JSON strings.

        Raises:
            ProviderUnavailableError: The content broke off or is not readable yet.
                Lines given out until then are whole; collect all of them again.
        """
        ...

    def delete_file(self, file_id: str) -> None:
        """Delete a file; one that is gone already counts as deleted."""
        ...
