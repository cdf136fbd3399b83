"""What the record of a shard that shares a batch holds beside the rest (`work_records.ShardWork`).

A *rider* is a job's shard that goes to the provider in the batch of a *carrier*, a shard of its pool.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Self

import orjson

from batchline_shared.ledger.records import as_int, as_text
from batchline_shared.ledger.runs import rows_of, runs_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["Carriage", "Ride"]


class Ride(NamedTuple):
    """How a rider shares a batch."""

    pool: str
    size_bytes: int
    """What its lines take of a batch, at most."""
    carrier: str = ""
    """The carrier that it rides in; empty before it has joined one."""
    wire_name: str = ""
    """The carrier's, once its batch has been collected: enough to find its lines there once more."""
    first_position: int = 0
    """The position of its first row there."""

    def fields(self) -> dict[str, str | int]:
        """As a shard's record holds it when it is planned."""
        return {"pool": self.pool, "bytes": self.size_bytes}

    @classmethod
    def read(cls, record: Mapping[bytes, bytes]) -> Self | None:
        """Read it out of a work hash; None: it is no rider's."""
        pool = as_text(record, b"pool")
        if not pool:
            return None
        return cls(
            pool,
            as_int(record, b"bytes"),
            as_text(record, b"carrier"),
            as_text(record, b"wire_name"),
            as_int(record, b"first_position"),
        )


class Carriage(NamedTuple):
    """What the riders of a carrier agree in, and who is not on board after all."""

    model: str
    """As the provider calls it."""
    endpoint: str
    priority: str
    left_out: tuple[int, ...] = ()
    """Positions that its batch does not hold: blamed for a refusal, or their riders had left."""

    def fields(self) -> dict[str, str | int]:
        """As a new carrier's record holds it."""
        return {"model": self.model, "endpoint": self.endpoint, "priority": self.priority}

    @staticmethod
    def left_out_field(positions: Iterable[int]) -> bytes:
        """The record's `left_out` field with these positions."""
        return orjson.dumps(runs_of(sorted(positions)))

    @classmethod
    def read(cls, record: Mapping[bytes, bytes]) -> Self | None:
        """Read it out of a work hash; None: it is no carrier's."""
        endpoint = as_text(record, b"endpoint")
        if not endpoint:
            return None
        left_out = rows_of(orjson.loads(record.get(b"left_out", b"[]")))
        return cls(as_text(record, b"model"), endpoint, as_text(record, b"priority"), left_out)
