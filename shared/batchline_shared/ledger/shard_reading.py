"""Reading shards as they are now. A record that cannot be read must not hide the others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from redis.exceptions import ResponseError

from batchline_shared.errors import LedgerError
from batchline_shared.ledger import keys
from batchline_shared.ledger.leasing import Leasing
from batchline_shared.ledger.work_records import ShardWork, job_of

if TYPE_CHECKING:
    from collections.abc import Collection

__all__ = ["ShardReading"]


class ShardReading(Leasing):
    """Reads work records of shards without leasing them."""

    def shard_ids(self, job_id: str) -> list[str]:
        """The ids of all shards of a job, in order."""
        key = keys.shards(keys.partition_of(job_id), job_id)
        return [name.decode() for name in self._client.zrange(key, 0, -1)]

    def read_shards(self, names: Collection[str]) -> dict[str, ShardWork | LedgerError]:
        """Shards by their ids, in one round trip, with the error of each that cannot be read.

        Those that are gone are left out.
        """
        with self._client.pipeline(transaction=False) as pipe:
            for name in names:
                pipe.hgetall(keys.work(keys.partition_of(job_of(name)), name))
            replies = pipe.execute(raise_on_error=False)
        return {name: _read(name, reply) for name, reply in zip(names, replies, strict=True) if reply}

    def shards_of(self, job_id: str) -> list[ShardWork]:
        """All shards of a job, in order.

        Raises:
            LedgerError: The record of one cannot be read.
        """
        return [_whole(found) for found in self.read_shards(self.shard_ids(job_id)).values()]

    def shard(self, shard_id: str) -> ShardWork | None:
        """One shard as it is now; None when it is gone.

        Raises:
            LedgerError: Its record cannot be read.
        """
        found = self.read_shards([shard_id]).get(shard_id)
        return None if found is None else _whole(found)


def _read(name: str, reply: Any) -> ShardWork | LedgerError:
    if isinstance(reply, ResponseError) and "WRONGTYPE" in str(reply):
        return LedgerError(f"the record of shard {name} is of another type")
    if isinstance(reply, Exception):
        raise reply
    try:
        return ShardWork.read(name, reply)
    except LedgerError as error:
        return error


def _whole(found: ShardWork | LedgerError) -> ShardWork:
    if isinstance(found, LedgerError):
        raise found
    return found
