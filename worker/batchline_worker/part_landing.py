"""Landing a batch's results part by part, with a bounded number of parts open at once."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, NamedTuple, Self

import structlog

from batchline_shared.errors import LedgerError
from batchline_shared.ledger import ShardState
from batchline_worker.attempts import Attempt
from batchline_worker.landing import Lander, RowNames
from batchline_worker.reasking import Reasker, Rounds

if TYPE_CHECKING:
    from batchline_shared.ledger import JobMeta, ShardWork
    from batchline_worker.context import WorkerContext
    from batchline_worker.landing import Names
    from batchline_worker.parts import Part

__all__ = ["OpenPart", "PartLanding", "Sums"]

_log = structlog.get_logger("batchline.collect")

_MAX_OPEN = 128
"""Parts that are held open, each with less than a chunk of outcomes: answers may come in any order."""


class OpenPart(NamedTuple):
    """A part whose outcomes are being collected."""

    meta: JobMeta
    lander: Lander
    reasker: Reasker | None
    """Says which answers are sent back; None where each is the last word."""


class Sums(NamedTuple):
    """What landing came to, see `Lander`."""

    landed: int
    deferred: int
    answered_rows: int
    input_tokens: int

    @classmethod
    def of(cls, lander: Lander) -> Self:
        """What one part came to."""
        return cls(lander.landed, lander.deferred, lander.answered_rows, lander.input_tokens)


class PartLanding:
    """Lands outcomes of a shard's parts. Landing a row twice changes nothing."""

    def __init__(
        self, context: WorkerContext, shard: ShardWork, *, final: bool = False, names: Names | None = None
    ) -> None:
        """Prepare to land.

        Args:
            context: Of this process.
            shard: The shard.
            final: Every failure is the last word, whatever the job's policy says.
            names: Custom ids of its one part that become known as it is read; None: those of the ledger.
        """
        self._names = names
        self._context = context
        self._shard = shard
        self._final = final
        self._open: OrderedDict[int, OpenPart] = OrderedDict()
        self._gone: set[int] = set()
        self._ended = Sums(0, 0, 0, 0)

    @property
    def sums(self) -> Sums:
        """What all parts came to."""
        each = [self._ended, *(Sums.of(opened.lander) for opened in self._open.values())]
        return Sums(*map(sum, zip(*each, strict=True)))

    def open(self, part: Part) -> OpenPart | None:
        """Begin, or go on, with a part; None when its job is gone, or nobody waits for it any more."""
        if part.first in self._open:
            self._open.move_to_end(part.first)
            return self._open[part.first]
        if part.first in self._gone:
            return None
        opened = self._opened_alone(part)
        if opened is None:
            self._gone.add(part.first)
            return None
        if len(self._open) == _MAX_OPEN:
            self._forget(next(iter(self._open)))
        self._open[part.first] = opened
        return opened

    def end(self, part: Part) -> None:
        """Land what is left of a part, which has had all its lines."""
        if part.first in self._open:
            self._open[part.first].lander.flush()
            # That of an ordinary shard stays as it was when its lease was taken.
            if self._shard.carriage is not None:
                self._forget(part.first)

    def flush(self) -> None:
        """Land what is left of all."""
        for opened in self._open.values():
            opened.lander.flush()

    def _forget(self, first: int) -> None:
        self._open[first].lander.flush()
        ended = Sums.of(self._open.pop(first).lander)
        self._ended = Sums(*map(sum, zip(self._ended, ended, strict=True)))

    def _opened_alone(self, part: Part) -> OpenPart | None:
        try:
            return self._opened(part)
        except LedgerError as error:
            if self._shard.carriage is None:
                raise
            # Those that share its batch must not wait for it; mended, it reads its lines by itself.
            _log.error("part_damaged", shard=self._shard.id, rider=part.shard_id, reason=str(error))
            return None

    def _opened(self, part: Part) -> OpenPart | None:
        # The record first: a rider that is on board after it was read has not gone on to another attempt.
        meta = self._context.jobs.find(part.job_id)
        holder = self._shard if self._shard.carriage is None else self._rider(part)
        if meta is None or holder is None:
            return None
        jobs, segment = self._context.jobs, part.segment
        attempt = Attempt.ending(meta, part.attempt) if self._final else Attempt.of(meta, holder)
        rounds = Rounds(jobs, meta, segment, part.attempt)
        names = RowNames(jobs, meta, segment) if self._names is None else self._names
        lander = Lander(jobs, meta.id, names, attempt, rounds)
        settings = self._context.settings
        return OpenPart(
            meta, lander, Reasker.of(jobs, settings, meta, segment, attempt=attempt, rounds=rounds)
        )

    def _rider(self, part: Part) -> ShardWork | None:
        rider = self._context.work.shard(part.shard_id)
        if rider is None or rider.ride is None or rider.state != ShardState.POOLED:
            return None
        # One that was put out may not know it yet; it is not ours to end, but goes with another.
        on_board = rider.ride.carrier == self._shard.id == self._context.pools.carrier_of(rider)
        return rider if on_board else None
