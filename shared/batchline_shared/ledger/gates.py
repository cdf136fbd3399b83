"""One creation of unknown outcome at a time, for accounts whose provider keeps no marks on batches.

Such a batch can only be found by the time of its creation and its size (Anthropic). With one in question
at a time, and every known batch left out, that leaves at most the one that is looked for, unless somebody
else uses the account.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from batchline_shared.ledger import keys
from batchline_shared.ledger.scripts import Scripts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from redis import Redis

    from batchline_shared.ledger.work_records import ShardWork

__all__ = ["Gates"]

_KEPT_S = 35 * 24 * 3600
"""Seconds for which a batch is remembered: longer than any provider keeps results."""


class Gates:
    """`keys.gate` and `keys.created_batches`."""

    def __init__(self, client: Redis) -> None:
        # redis-py types every reply as str or bytes, whatever the client decodes; ours are bytes.
        self._client: Any = client
        self._scripts = Scripts(client)

    def enter(self, shard: ShardWork, *, instead_of: str = "") -> str | None:
        """Take the gate of a shard's account, where it is free, the shard's already, or held by `instead_of`.

        Returns:
            None when the shard holds it; else who does, as `instead_of` takes it and `shard_of` reads it.
        """
        # With the lease's token: whoever lost the lease must neither replace nor free its successor's hold.
        mine = _holder(shard)
        held = self._claim(shard.route, mine, instead_of)
        if self.shard_of(held) == shard.id and _token(held) < _token(mine):
            held = self._claim(shard.route, mine, held)
        return None if held == mine else held

    @staticmethod
    def shard_of(holder: str) -> str:
        """The id of the shard that holds a gate."""
        return holder.rpartition("/")[0]

    def leave(self, shard: ShardWork) -> None:
        """Free the gate of a shard's account, if it was entered under this lease and is held since."""
        self._scripts.unclaim(keys=[keys.gate(shard.route)], args=[_holder(shard)])

    def _claim(self, route: str, holder: str, instead_of: str) -> str:
        return str(self._scripts.claim(keys=[keys.gate(route)], args=[holder, instead_of, ""]).decode())

    def note(self, shard: ShardWork, batch_id: str) -> None:
        """Remember that a batch has its shard, and which."""
        route, now_s = shard.route, int(self._client.time()[0])
        with self._client.pipeline(transaction=False) as pipe:
            pipe.zadd(keys.created_batches(route), {batch_id: now_s, _owned(batch_id, shard.id): now_s})
            pipe.zremrangebyscore(keys.created_batches(route), "-inf", now_s - _KEPT_S)
            pipe.execute()

    def noted(self, route: str, batch_ids: Sequence[str]) -> set[str]:
        """Those of some batches that have a shard."""
        if not batch_ids:
            return set()
        scores = self._client.zmscore(keys.created_batches(route), list(batch_ids))
        return {batch_id for batch_id, score in zip(batch_ids, scores, strict=True) if score is not None}

    def noted_for_others(self, shard: ShardWork, batch_ids: Sequence[str]) -> set[str]:
        """Those that have another shard.

        One that was noted for this shard is its own still: the server may have lost, with its last writes,
        that the shard's record said so.
        """
        owned = self.noted(shard.route, [_owned(batch_id, shard.id) for batch_id in batch_ids])
        known = self.noted(shard.route, batch_ids)
        return {batch_id for batch_id in known if _owned(batch_id, shard.id) not in owned}


def _owned(batch_id: str, shard_id: str) -> str:
    """The member that says whose a batch is; neither id holds a space."""
    return f"{batch_id} {shard_id}"


def _holder(shard: ShardWork) -> str:
    return f"{shard.id}/{shard.token}"


def _token(holder: str) -> int:
    return int(holder.rpartition("/")[2])
