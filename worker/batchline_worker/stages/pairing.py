"""What an audit thinks of one batch: it is its shard's, or nobody's here, or something is wrong with it.

A batch is touched only where it is proven to be of this ledger: by the ledger's mark, or by the shard's,
which names a job at random. Several installations, and people, may share an account.
"""

from __future__ import annotations

import re
from enum import Enum, auto
from typing import TYPE_CHECKING, Final

from batchline_shared.errors import LedgerError
from batchline_shared.ledger import ShardState, Verdict
from batchline_worker.providers.base import BatchPhase
from batchline_worker.stages.reconcile import is_foreign

if TYPE_CHECKING:
    from batchline_shared.ledger import ShardWork
    from batchline_worker.context import WorkerContext
    from batchline_worker.providers.base import RemoteBatch

__all__ = ["Pair", "judge", "mark_of_line", "shard_of_mark"]

_MARK: Final = re.compile(r"((?:[0-9a-f]{20}|pool-[0-9a-f]{16})-\d+)(?:-c\d+)?")

_LINE: Final = re.compile(rf"bl-({_MARK.pattern})-\d+")

_TAKES: Final = (ShardState.IN_DOUBT, ShardState.PENDING, ShardState.UPLOADED)
"""States of a shard that a lost batch is given to."""


class Pair(Enum):
    """Nothing is wrong with a batch."""

    SHARD = auto()
    """It is its shard's, or its shard is just finding out."""
    NOBODY = auto()
    """It is none of this ledger's, or that cannot be told."""


def shard_of_mark(mark: str) -> str:
    """The shard that a batch's mark names; empty where it is no mark of ours."""
    found = _MARK.fullmatch(mark)
    return found[1] if found else ""


def mark_of_line(line_id: str) -> str:
    """The mark that a batch with this id in one of its lines would bear; empty for others' ids."""
    found = _LINE.fullmatch(line_id)
    return found[1] if found else ""


def judge(context: WorkerContext, batch: RemoteBatch) -> Pair | Verdict:
    """Pair a batch with its shard."""
    name = shard_of_mark(batch.shard_id or "")
    ours = batch.ledger_id == context.ledger_id
    if not name or not (ours or batch.ledger_id is None):
        return Pair.NOBODY
    try:
        shard = context.work.shard(name)
    except LedgerError:
        return Pair.SHARD  # set aside, and shown as such: nothing can be said of what it knows
    if shard is None:
        # One that has ended was read before its job was deleted, or its job is gone with what it said.
        return Verdict.ORPHAN if ours and not batch.phase.is_final else Pair.NOBODY
    if not ours and (shard.carriage is not None and batch.input_file_id != (shard.file_id or None)):
        return Pair.NOBODY
    return Pair.NOBODY if is_foreign(context, shard, batch) else _compared(shard, batch)


def _compared(shard: ShardWork, batch: RemoteBatch) -> Pair | Verdict:
    if shard.batch_id == batch.id or shard.state == ShardState.SUBMITTING:
        return Pair.SHARD
    if shard.unconfirmed and shard.state != ShardState.DONE:
        # The one that it has may be another's, and this one its own: its results will tell.
        return Pair.SHARD
    if batch.ran_nothing:
        return Pair.SHARD  # nothing ran, whoever's turn it was
    if batch.id in shard.dead_batches:
        return Pair.SHARD if _stops(batch) else Verdict.SECOND
    # Cut, it is another one at the provider: its lines are other rows.
    fits = batch.shard_id == shard.wire_name
    return Verdict.LOST if fits and shard.state in _TAKES else Verdict.SECOND


def _stops(batch: RemoteBatch) -> bool:
    return batch.phase.is_final or batch.phase is BatchPhase.CANCELLING
