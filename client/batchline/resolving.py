"""Deciding of a shard in doubt, as `Job.resolve` does: it is noted, and a worker carries it out."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, NamedTuple

from batchline.provider_batches import batches_of
from batchline.waiting import Pause
from batchline_shared.batch_ids import check_batch_id
from batchline_shared.errors import InvalidInputError, LedgerError, WaitTimeoutError
from batchline_shared.ledger import NO_BATCH, Resolved, ShardState, Stage, batch_decision

if TYPE_CHECKING:
    from collections.abc import Iterator

    from batchline.connection import Connection
    from batchline.provider_batches import ProviderBatch

__all__ = ["Decided", "noted", "resolving"]

_LOOK_S: Final = 0.2
"""Seconds between two looks whether a worker has carried a decision out."""


class Decided(NamedTuple):
    """A decision that was noted."""

    part: str
    """The job's shard that it is about."""
    shard: str
    """The shard in doubt: the same, or the carrier that it rides in."""


def noted(connection: Connection, job_id: str, shard: str, batch_id: str | None) -> Decided:
    """Note what was decided, for a worker to carry out.

    Raises:
        InvalidInputError: The job has no such shard, it is not in doubt, or that is no batch's id.
        JobNotFoundError: There is no such job.
    """
    with connection.errors():
        connection.jobs.meta(job_id)
        decided = _find(connection, job_id, shard)
        found = connection.work.shard(decided.shard)
        if found is None:
            raise InvalidInputError(f"the record of shard {decided.shard} is gone")
        decision = NO_BATCH
        if batch_id is not None:
            decision = batch_decision(check_batch_id(found.route.partition("@")[0], batch_id))
        if connection.work.resolve(decided.shard, decision) is Resolved.NOT_IN_DOUBT:
            raise InvalidInputError(f"shard {decided.shard} is {found.state}, not in doubt")
        connection.nudge(Stage.SUBMIT)
    return decided


def _find(connection: Connection, job_id: str, shard: str) -> Decided:
    """The shard in doubt that a name stands for: a job's shard, or the carrier that one rides in."""
    for name, one in connection.work.read_shards(connection.work.shard_ids(job_id)).items():
        if isinstance(one, LedgerError):
            if shard == name:
                raise one
            continue
        carrier = one.ride.carrier if one.ride is not None and one.state == ShardState.POOLED else ""
        if shard in (one.id, carrier):
            return Decided(one.id, carrier or one.id)
    names = f"`batchline batch status {job_id}` names them"
    raise InvalidInputError(f"job {job_id} has no shard {shard!r}; {names}")


def resolving(
    connection: Connection, job_id: str, decided: Decided, timeout_s: float | None
) -> Iterator[ProviderBatch | Pause]:
    """Wait until a worker has carried a decision out; gives the job's part as it is then.

    Raises:
        InvalidInputError: The worker has refused it.
        WaitTimeoutError: No worker has carried it out in time.
    """
    deadline = None if timeout_s is None else time.monotonic() + timeout_s
    while True:
        late = deadline is not None and time.monotonic() >= deadline
        with connection.errors():
            shard = connection.work.shard(decided.shard)
            if shard is None or not shard.decision:
                break
        if late:
            reason = f" ({shard.message})" if shard.message else ""
            message = f"no worker has carried it out within {timeout_s:g} s{reason}; the decision stands"
            raise WaitTimeoutError(message, job_id=job_id)
        yield Pause(_LOOK_S)
    if shard is not None and shard.state == ShardState.IN_DOUBT:
        raise InvalidInputError(f"shard {shard.id} stays in doubt: {shard.message}")
    with connection.errors():
        yield next(one for one in batches_of(connection, job_id) if one.shard == decided.part)
