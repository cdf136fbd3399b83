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
    from collections.abc import Collection, Iterator

__all__ = [
    "BROKEN_OFF",
    "LEDGER_MARK",
    "SHARD_MARK",
    "BatchPhase",
    "LineError",
    "LiveCall",
    "Provider",
    "RemoteBatch",
    "Search",
    "SendAgain",
    "Submission",
]

SHARD_MARK = "batchline_shard"
"""Metadata key that says whose a batch is; without it a lost reply could not be told from a lost call."""

LEDGER_MARK = "batchline_ledger"
"""The same for the ledger whose shard it is: several installations may share an account."""

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
    """Refused or broken as a whole; `errors` says why. Where rows ran, there are result files."""
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


class SendAgain(StrEnum):
    """What to do with the requests of a batch that failed as a whole and of which nothing ran."""

    NO_ROOM = "no_room"
    """The account has no room for it now: wait, then create again from the same file."""
    FILE_UNFOUND = "file_unfound"
    """The provider does not find the uploaded file: upload again."""
    BROKEN = "broken"
    """The provider failed, and says that the same may succeed: upload and create again."""


@dataclass(frozen=True, slots=True)
class Submission:
    """What `create` makes a batch of."""

    shard_id: str
    """The mark by which `find` knows the batch: at most 64 of `[a-z0-9-]`."""
    job_id: str
    """For people who look at the provider's pages."""
    endpoint: str
    """The provider's path that the lines call, such as `/v1/responses`."""
    model: str
    """As the provider calls it."""
    requests: int
    """Lines of the input."""
    file_id: str = ""
    """What `upload` returned; empty where the provider takes no files."""
    buffer: BinaryIO | None = None
    """The JSONL, for a provider that takes no files; sent from its start."""
    ledger_id: str = ""
    """The ledger of the shard (`ledger.identity`): a further mark, of 16 hex digits."""


@dataclass(frozen=True, slots=True)
class LiveCall:
    """One request, to be asked through the live API."""

    endpoint: str
    """The provider's path of it, such as `/v1/responses`."""
    model: str
    """As the provider calls it."""
    line: bytes
    """The request as a line of a batch's input."""
    timeout_s: float
    """Longest silence, in seconds."""


@dataclass(frozen=True, slots=True)
class Search:
    """What is known of a batch that may or may not exist."""

    shard_id: str
    """The mark given to `create`."""
    file_id: str
    """The file given to `create`; empty matches none."""
    requests: int
    """Requests that it would have."""
    since_s: float
    """Unix seconds by the provider's clock before which it was not created, a margin for clocks that
    differ included."""
    until_s: float
    """The same, after which it was not created."""


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
    of_requests: bool = True
    """Whether requests are at fault; if not, the provider or the account is, and a retry may help."""


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
    """Where result lines are, those with errors included; often one place, sometimes none. For `lines`."""
    errors: tuple[LineError, ...] = ()
    """Why the batch failed as a whole."""
    created_at_s: float | None = None
    """When the provider accepted it, in Unix seconds by its own clock."""
    input_file_id: str | None = None
    """The uploaded file that it runs."""
    shard_id: str | None = None
    """Our mark; None on a batch that is not ours, or where the provider keeps no marks."""
    ledger_id: str | None = None
    """The mark of the ledger that made it; None where there is none, as on batches of earlier versions."""
    send_again: SendAgain | None = None
    """Why and how a batch that failed should be sent again; None: the same would fail again, or rows ran."""
    enqueued_limit_tokens: int | None = None
    """The account's limit of enqueued tokens, where it is why the batch failed."""
    enqueued_limit_requests: int | None = None
    """The same of enqueued requests."""

    @property
    def ran_nothing(self) -> bool:
        """Whether it was refused as a whole: no request of it ran."""
        return self.phase is BatchPhase.FAILED and not self.completed + self.failed


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

    `tests/contract/` checks each one.
    """

    name: str
    """What stands before the slash in `provider/model` or `provider@account/model`."""

    takes_files: bool
    """Whether a batch runs an uploaded file; if not, `create` sends the requests itself."""

    marks_batches: bool
    """Whether a batch bears our mark. If not, `find` can only guess by time and size, so that the ledger
    lets one creation of unknown outcome exist at a time, and the results have to confirm the guess."""

    def upload(self, buffer: BinaryIO, *, name: str) -> str:
        """Upload a JSONL file, in constant memory.

        Sends one request. A call of unknown outcome may leave a file that nobody
        uses; it costs storage, not money, so uploading again is right.

        Args:
            buffer: Seekable; sent from its start, whatever its position is.
            name: File name without suffix, at most 40 of `[a-z0-9-]`. The same name always means the same
                content: where the provider has it already, that file is returned.

        Returns:
            The provider's file id.

        Raises:
            ProviderAuthError: Besides its usual reasons: something that an operator has to set up is
                missing (a bucket, a role); says what.
        """
        ...

    def create(self, submission: Submission) -> RemoteBatch:
        """Start a batch. This is the call that costs money: it sends exactly one request.

        After `ProviderUnavailableError`, or a death during the call, the batch may
        exist: look with `find`, and never call `create` again before that.
        """
        ...

    def find(self, search: Search) -> list[RemoteBatch]:
        """List the batches that may be the one that is looked for, oldest first.

        Those that bear the mark or run the file; where the provider keeps no marks, those that were
        created in the time given and have as many requests.

        Complete or raises: an empty list means that the provider showed every batch
        since `since_s` and none was ours. A batch created a moment ago may not be
        listed yet, so an empty list proves something only after a quiet period.
        """
        ...

    def listed(self, since_s: float) -> Iterator[list[RemoteBatch]]:
        """List the account's batches that were created since a time, a page at a time; some may be older.

        Complete or raises, as `find`.
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

    def ask(self, call: LiveCall) -> bytes:
        """Ask one request through the live API: it sends exactly one request, and costs the full price.

        After `ProviderUnavailableError`, or a death during the call, nobody can tell whether it was run.

        Returns:
            A result line as a batch's results would have it. A refusal of this request for good is one too.
        """
        ...

    def requests(self, batch: RemoteBatch) -> Iterator[bytes]:
        """Stream every line of a batch's input as `lines` does, in the order of its requests.

        None where the provider shows it to nobody. Raises `ProviderRejectedError` where it has been deleted.
        """
        ...

    def clean_up(self, *, file_id: str, batch_id: str) -> None:
        """Delete what a batch that has ended left at the provider: its input and its results.

        What is gone already counts as deleted, so it is safe to repeat.

        Args:
            file_id: What `upload` returned; empty where there was none.
            batch_id: Of the batch; empty where there was none.
        """
        ...
