"""The parts of a shard: whose rows stand where in its batch.

An ordinary shard has one part, its job's segment. A carrier has one for each rider, in the order in
which they joined. Positions never change: what a carrier's batch goes without leaves a gap.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from batchline_shared.ledger import Pools, Segment, ShardWork

__all__ = ["Part", "Parts", "parts_of"]


class Part(NamedTuple):
    """One job's share of a batch."""

    shard_id: str
    """The shard itself, or the rider."""
    job_id: str
    segment: Segment
    attempt: int
    first: int
    """The position of its first row on the wire."""

    @property
    def end(self) -> int:
        """One past the position of its last row."""
        return self.first + self.segment.rows

    def row(self, position: int) -> int:
        """The job's row at a position of the batch."""
        return self.segment.row(position - self.first)


class Parts:
    """All parts of a batch; those that it goes without altogether are none."""

    def __init__(self, parts: Sequence[Part], left_out: Sequence[int] = ()) -> None:
        self.left_out = frozenset(left_out)
        """Positions that the batch does not hold."""
        self._parts = [part for part in parts if not left_out or self.requests_of(part)]
        self._firsts = [part.first for part in self._parts]

    def __iter__(self) -> Iterator[Part]:
        return iter(self._parts)

    def __len__(self) -> int:
        return len(self._parts)

    @property
    def end(self) -> int:
        """One past the last position."""
        return self._parts[-1].end if self._parts else 0

    def requests_of(self, part: Part) -> int:
        """How many of a part's rows the batch holds."""
        if not self.left_out:
            return part.segment.rows
        return sum(position not in self.left_out for position in range(part.first, part.end))

    def at(self, position: int) -> Part | None:
        """The part that a position belongs to; None where the batch has no such line."""
        index = bisect_right(self._firsts, position) - 1
        if index < 0 or position in self.left_out or position >= self._parts[index].end:
            return None
        return self._parts[index]

    def of_rider(self, shard_id: str) -> Part | None:
        """The part of a rider; None when it is not on board."""
        return next((part for part in self._parts if part.shard_id == shard_id), None)

    def positions(self) -> Iterator[int]:
        """The position of each line, in the order of the file."""
        for part in self._parts:
            yield from (at for at in range(part.first, part.end) if at not in self.left_out)


def parts_of(pools: Pools, shard: ShardWork) -> Parts:
    """The parts of a shard as it goes to its provider; a carrier's are its riders' berths."""
    if shard.carriage is None:
        first = shard.ride.first_position if shard.ride is not None else 0
        return Parts([Part(shard.id, shard.job_id, shard.segment, shard.attempt, first)])
    parts, first = [], 0
    for berth in pools.berths(shard):
        parts.append(Part(berth.rider, berth.job_id, berth.segment, berth.attempt, first))
        first += berth.segment.rows
    return Parts(parts, shard.carriage.left_out)
