"""The requests of one batch, answered one after another onto disk.

Nothing is kept per line but its place in the output, so a batch of 50,000
lines needs little memory. The same batch always gets the same answers, invented
again or kept in the journal: after a restart it is executed from the start.
"""

import logging
from pathlib import Path

from batchline_simulator.answer_faults import broken_answer
from batchline_simulator.core.reading import row_of
from batchline_simulator.core.trade import Desk, Line, Relay, Row
from batchline_simulator.phases import Phase
from batchline_simulator.responder import Answer, Question, Responder
from batchline_simulator.row_faults import ANSWER_KINDS, ERROR_KINDS, RowFaults
from batchline_simulator.shuffled_lines import ShuffledLines
from batchline_simulator.upstream import Reply, ReplyJournal, UpstreamFailedError, answer_of

_LOGGER = logging.getLogger(__name__)

_COPIES = {"missing_line": 0, "duplicate_line": 2}


class Run:
    """One run over an input. Its methods are called from one thread at a time."""

    def __init__(
        self,
        source: Path,
        work: Path,
        *,
        desk: Desk,
        responder: Responder,
        faults: RowFaults,
        fail_all: bool,
        replies: ReplyJournal | None = None,
    ) -> None:
        """Open the input.

        Args:
            source: One request a line, in the provider's own form.
            work: Where work files may be made; each gets a suffix of its own.
            desk: Reads and writes the lines.
            responder: Answers.
            faults: Says what goes wrong with each request.
            fail_all: Every request ends as a server error.
            replies: Of the upstream server, which then answers instead of the responder. A step may
                only reach requests that have one.
        """
        self._source = source.open("rb")
        self._work = work
        self._desk = desk
        self._responder = responder
        self._faults = faults
        self._fail_all = fail_all
        self.replies = replies
        self._piles: dict[str, ShuffledLines] = {}
        self.completed = 0
        self.failed = 0

    @property
    def desk(self) -> Desk:
        """What wrote the lines, for totals that it has kept."""
        return self._desk

    @property
    def done(self) -> int:
        """Count the requests that were executed."""
        return self.completed + self.failed

    def pile(self, name: str) -> ShuffledLines:
        """Return the lines of one result file; none may have been written."""
        if name not in self._piles:
            self._piles[name] = ShuffledLines(self._work.with_suffix(f".{name}"))
        return self._piles[name]

    def step(self, lines: int) -> None:
        """Execute up to `lines` more requests."""
        for _ in range(lines):
            line = self._source.readline()
            if not line:
                return
            self._execute(line)

    def leave_rest(self, end: Phase) -> None:
        """Write of every request that has not been executed that it was not."""
        for line in self._source:
            written = self._desk.never_run(row_of(self._desk, line), end)
            if written is not None:
                self.pile(written.pile).add(written.data)

    def close(self) -> None:
        """Close the files and remove those that were work only."""
        self._source.close()
        if self.replies is not None:
            self.replies.close()
        for pile in self._piles.values():
            pile.discard()

    def _execute(self, line: bytes) -> None:
        row = row_of(self._desk, line)
        fault = "server_error" if self._fail_all else self._faults.draw(row.custom_id, line, row.raw)
        if fault in {"foreign_custom_id", "missing_custom_id"}:
            row = row_of(self._desk, line, fault)
        written = self._written(row, fault)
        self.completed += written.succeeded
        self.failed += not written.succeeded
        for _ in range(_COPIES.get(fault or "", 1)):
            self.pile(written.pile).add(written.data)

    def _written(self, row: Row, fault: str | None) -> Line:
        if fault in ERROR_KINDS:
            return self._desk.fault(fault, row)
        reply = None if self.replies is None else self.replies.get(self.done)
        if reply is not None and isinstance(self._desk, Relay):
            return self._desk.relayed(row, reply)
        if (refused := self._desk.rejection(row)) is not None:
            return refused
        question = self._desk.question(row)
        answer = self._answer(question, reply)
        if isinstance(answer, str):
            return self._desk.fault(answer, row)
        if fault in ANSWER_KINDS:
            answer = broken_answer(fault, question, answer)
        return self._desk.reply(row, answer)

    def _answer(self, question: Question, reply: Reply | None) -> Answer | str:
        """Return what the model says, or the kind of fault that says why it said nothing."""
        try:
            return self._responder(question) if reply is None else answer_of(reply)
        except UpstreamFailedError as failed:
            return failed.kind
        except Exception:
            # A responder that breaks must not leave the batch hanging; its author sees why on stderr.
            _LOGGER.exception("the responder failed on request %r", question.custom_id)
            return "server_error"
