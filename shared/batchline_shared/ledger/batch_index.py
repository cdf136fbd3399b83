"""Which shard a provider's batch is, for hints that a batch has ended (`keys.batch_shard`).

Only a hint is looked up here, so an entry that is missing or late costs a poll's
interval, and one that outlives its batch nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from batchline_shared.ledger import keys

if TYPE_CHECKING:
    from redis import Redis

__all__ = ["BatchIndex"]

_KEPT_S: Final = 4 * 24 * 3600
"""Longer than any provider that sends hints lets a batch run (Gemini: 48 hours)."""


class BatchIndex:
    """Batches that run, by the provider's id."""

    def __init__(self, client: Redis) -> None:
        # redis-py types every reply as str or bytes, whatever the client decodes; ours are bytes.
        self._client: Any = client

    def note(self, route: str, batch_id: str, shard_id: str) -> None:
        """Remember whose a batch is, while it may run."""
        self._client.set(keys.batch_shard(route, batch_id), shard_id, ex=_KEPT_S)

    def forget(self, route: str, batch_id: str) -> None:
        """Forget a batch that has ended."""
        self._client.delete(keys.batch_shard(route, batch_id))

    def shard_of(self, route: str, batch_id: str) -> str | None:
        """The id of a batch's shard; None where it is not known, or has ended."""
        found = self._client.get(keys.batch_shard(route, batch_id))
        return None if found is None else str(found.decode())
