"""Having what was set aside worked on again, or given up, as `Job.release` does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchline_shared.errors import InvalidInputError
from batchline_shared.ledger import GIVE_UP, Deliveries, SetAside, ShardState, ShardWork, job_of
from batchline_shared.ledger.deadlines import timer_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from batchline.connection import Connection

__all__ = ["release"]


def release(connection: Connection, job_id: str, shard: str | None, *, give_up: bool) -> list[str]:
    """See `Job.release`."""
    if give_up and shard is None:
        raise InvalidInputError("name the shard that is to be given up; `batchline doctor` does")
    aside = SetAside(connection.redis)
    released = []
    for part, owner, member in _members(connection, job_id):
        if shard is not None and shard not in (part, member):
            continue
        decision = GIVE_UP if give_up and part != job_id else ""
        for stage in aside.stages_of(owner, member):
            if aside.take_up(owner, stage, member, decision=decision):
                released.append(member)
                connection.nudge(stage)
    if not released:
        raise InvalidInputError(f"nothing of {shard or job_id} is set aside")
    return released


def _members(connection: Connection, job_id: str) -> Iterator[tuple[str, str, str]]:
    """A job's own work, its shards, and the carriers that they ride in: the part, its owner, its name.

    Its timer and its deliveries are parts of the job itself.
    """
    for name in (job_id, timer_of(job_id), *Deliveries(connection.redis).names_of(job_id)):
        yield job_id, job_id, name
    names = connection.work.shard_ids(job_id)
    shards = connection.work.read_shards(names)
    for name in names:
        yield name, job_id, name
        shard = shards.get(name)
        if not isinstance(shard, ShardWork):
            continue
        if shard.state == ShardState.POOLED and shard.ride and shard.ride.carrier:
            yield name, job_of(shard.ride.carrier), shard.ride.carrier
