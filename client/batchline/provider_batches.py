"""A job's batches at the provider, as users see them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pydantic import BaseModel, ConfigDict

from batchline_shared.errors import LedgerError
from batchline_shared.ledger import ShardState, ShardWork

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batchline.connection import Connection

__all__ = ["ProviderBatch", "batches_of"]

_QUARANTINED: Final = "quarantined"
"""What is shown of a shard that is set aside, whatever its state."""


class ProviderBatch(BaseModel):
    """One batch at the provider, and the part of the job that it holds."""

    model_config = ConfigDict(frozen=True)

    shard: str
    """Our id of the part; every line of the batch bears it."""
    state: str
    """Our state of the part: `pending` … `done`; `in_doubt` (`Job.resolve`) and `quarantined`
    (`Job.release`) need a person."""
    batch_id: str | None
    """The provider's id; None before there is one."""
    provider_status: str | None
    """The provider's own word for the batch's status."""
    requests: int
    """Requests in it; 0 where its record cannot be read."""
    message: str
    """What keeps it waiting or what went wrong. May be empty."""


def batches_of(connection: Connection, job_id: str) -> list[ProviderBatch]:
    """See `Job.batches`."""
    work = connection.work
    parts = work.read_shards(work.shard_ids(job_id))
    carriers = work.read_shards(
        {
            one.ride.carrier
            for one in parts.values()
            if isinstance(one, ShardWork) and one.ride and _rides(one)
        }
    )
    return [
        _unreadable(name, one) if isinstance(one, LedgerError) else _public(one, carriers)
        for name, one in parts.items()
    ]


def _unreadable(name: str, error: LedgerError) -> ProviderBatch:
    return ProviderBatch(
        shard=name, state=_QUARANTINED, batch_id=None, provider_status=None, requests=0, message=str(error)
    )


def _rides(shard: ShardWork) -> bool:
    return shard.state == ShardState.POOLED and shard.ride is not None and bool(shard.ride.carrier)


def _public(shard: ShardWork, carriers: Mapping[str, ShardWork | LedgerError]) -> ProviderBatch:
    # What a shared batch waits for, the parts in it wait for.
    carrier = carriers.get(shard.ride.carrier) if shard.ride is not None and _rides(shard) else None
    seen = carrier if isinstance(carrier, ShardWork) and _waits_for_a_person(carrier) else shard
    return ProviderBatch(
        shard=shard.id,
        state=_QUARANTINED if seen.quarantine else seen.state,
        batch_id=shard.batch_id or None,
        provider_status=shard.provider_status or None,
        requests=shard.segment.rows,
        message=seen.quarantine or seen.message,
    )


def _waits_for_a_person(shard: ShardWork) -> bool:
    return shard.state == ShardState.IN_DOUBT or bool(shard.quarantine)
