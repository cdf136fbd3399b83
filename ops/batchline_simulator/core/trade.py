"""What a provider brings, so that `BatchLife` and `Run` can do the rest.

`Trade` is the provider's say over the life of its batches; `Desk` reads and
writes the lines of one batch. Neither holds state that a restart would lose.
"""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from batchline_simulator.batch_table import StoredBatch
from batchline_simulator.phases import Pace, Phase
from batchline_simulator.responder import Answer, Question
from batchline_simulator.upstream import Reply, Request

if TYPE_CHECKING:
    from batchline_simulator.core.run import Run

Fields = dict[str, Any]
"""Fields of the provider's object, which replace those of the same names."""


@dataclass(frozen=True)
class Row:
    """One request of a batch, as it was read from the input."""

    custom_id: str
    line: dict[str, Any]
    """The whole line."""
    body: dict[str, Any]
    """The part of it that the model sees."""
    raw: bytes
    """The body as bytes."""
    shown_id: str | None
    """The id to write into its result: that of the request, unless a fault forges it or leaves it out."""


@dataclass(frozen=True)
class Line:
    """What is written about one request."""

    data: bytes
    """Ends with a line feed."""
    pile: str = "output"
    """Which file it belongs to; the provider names them."""
    succeeded: bool = True


class Desk(Protocol):
    """Reads and writes the lines of one batch. Used by one thread at a time."""

    @abstractmethod
    def read(self, line: bytes) -> tuple[str, dict[str, Any], dict[str, Any]]:
        """Take a line of the input apart: its custom id, the whole of it, its body."""

    @abstractmethod
    def rejection(self, row: Row) -> Line | None:
        """Write the provider's refusal of a request that breaks its rules, or return None."""

    @abstractmethod
    def fault(self, kind: str, row: Row) -> Line:
        """Write the error that a row fault of `ERROR_KINDS` ends in; kinds unknown here are server errors."""

    @abstractmethod
    def question(self, row: Row) -> Question:
        """Put the request in the terms of responders."""

    @abstractmethod
    def reply(self, row: Row, answer: Answer) -> Line:
        """Write the model's answer."""

    @abstractmethod
    def never_run(self, row: Row, end: Phase) -> Line | None:
        """Write that a request was not executed before the batch ended; None says nothing of it."""


@runtime_checkable
class Relay(Protocol):
    """A desk whose requests an upstream server takes as they are; others are put as chat completions."""

    @abstractmethod
    def forwarded(self, row: Row) -> Request:
        """Say what is asked of the upstream server."""

    @abstractmethod
    def relayed(self, row: Row, reply: Reply) -> Line:
        """Write what the upstream server replied, failures too."""


class Trade(Protocol):
    """The provider's say over its batches. Called on the event loop unless said otherwise."""

    provider: str
    """Such as `openai`; names its batches in the table."""

    words: Mapping[Phase, str]
    """The status that clients see in each phase."""

    pace: Pace

    stuck_in: Phase
    """Where the fault `stuck` keeps a batch that it gives no status for."""

    @abstractmethod
    def check(self, batch: StoredBatch) -> Fields | None:
        """Say why the batch cannot start, as fields of its object; None lets it start.

        Called in a thread, and only for batches that begin in `checking`. Counts the batch against
        the token limit of its model.
        """

    @abstractmethod
    def start(self, batch: StoredBatch) -> None:
        """Put the input where `Workshop.input` says, unless it is there."""

    @abstractmethod
    def desk(self, batch: StoredBatch) -> Desk:
        """Make the desk of a batch that started."""

    @abstractmethod
    def entered(self, batch: StoredBatch, phase: Phase) -> Fields:
        """Say what changes in the object when a batch enters a phase: its status, its times."""

    @abstractmethod
    def progress(self, batch: StoredBatch, run: "Run") -> Fields:
        """Say what changes in the object while requests are executed."""

    @abstractmethod
    def publish(self, batch: StoredBatch, run: "Run", end: Phase) -> tuple[Phase, Fields]:
        """Make the results visible, and say how the batch really ends and what its object tells of them.

        Called in a thread, possibly a second time after a restart; then it must make the same again.
        """
