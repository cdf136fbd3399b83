"""Keeping creations of unknown outcome apart, where the provider keeps no marks on batches.

See `ledger.gates`. For providers that mark batches, nothing here does anything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from batchline_shared.errors import LedgerError, ProviderError
from batchline_shared.ledger import ShardState

if TYPE_CHECKING:
    from batchline_shared.ledger import ShardWork
    from batchline_worker.context import WorkerContext

__all__ = ["enter", "known_batches", "leave"]

_log = structlog.get_logger("batchline.gating")

_UNKNOWN = (ShardState.PENDING, ShardState.UPLOADED, ShardState.SUBMITTING)
"""States of a shard that holds a gate for a reason: before and during its creation."""


def enter(context: WorkerContext, shard: ShardWork) -> bool:
    """Take the account's gate, to announce a creation or look for one; False while another's is in question.

    Raises:
        ProviderAuthError: This worker has no such account.
    """
    if context.provider(shard.route).marks_batches:
        return True
    holder = context.gates.enter(shard)
    if holder is None:
        return True
    try:
        other = context.work.shard(context.gates.shard_of(holder))
    except LedgerError:
        other = None  # set aside for a person, as one in doubt is: it must not stop the account for ever
    if other is not None and other.state in _UNKNOWN and not other.quarantine:
        return False
    # Its worker died between writing the outcome and freeing the gate; or it is set aside, as above.
    if other is not None and other.batch_id:
        context.gates.note(other, other.batch_id)
    _log.warning("gate_taken_over", shard=shard.id, holder=holder)
    return context.gates.enter(shard, instead_of=holder) is None


def leave(context: WorkerContext, shard: ShardWork, *, batch_id: str = "") -> None:
    """Free the account's gate, once it is written whether there is a batch, and which."""
    try:
        if context.provider(shard.route).marks_batches:
            return
    except ProviderError:
        return  # a worker without the account has not entered its gate
    if batch_id:
        context.gates.note(shard, batch_id)
    context.gates.leave(shard)


def known_batches(context: WorkerContext, shard: ShardWork, batch_ids: list[str]) -> set[str]:
    """Those of some batches that are known to be another shard's."""
    if context.provider(shard.route).marks_batches:
        return set()
    return context.gates.noted_for_others(shard, batch_ids)
