"""Live calls: which rows have been asked, and how many calls an account may make.

A live call cannot be looked for afterwards, as a batch can. So a row is marked
before it is asked, durably, and one that is marked is never asked again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from batchline_shared.ledger import keys
from batchline_shared.ledger.durability import Durability
from batchline_shared.ledger.scripts import Scripts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from redis import Redis

__all__ = ["LiveCalls"]

_CATCH_UP_MS: Final = 1000
"""What an account that was idle may catch up on: a longer burst would be refused by the provider."""


class LiveCalls:
    """`keys.asked` and `keys.live_calls`."""

    def __init__(self, client: Redis, *, durable: bool = True) -> None:
        # redis-py types every reply as str or bytes, whatever the client decodes; ours are bytes.
        self._client: Any = client
        self._scripts = Scripts(client)
        self._durability = Durability(client, enabled=durable)

    def mark(self, job_id: str, rows: Sequence[int]) -> list[int]:
        """Mark rows as asked, on disk; returns those that the caller, and nobody else, may ask now.

        Raises:
            QueueUnavailableError: The disk did not confirm; do not ask. The rows may count as lost then.
        """
        names = [keys.meta(job_id), keys.done(job_id), keys.asked(job_id)]
        text = ",".join(map(str, rows))
        marked = self._durability.write(
            lambda pipe: self._scripts.mark_asked(keys=names, args=[text], client=pipe)
        )
        return list(marked)

    def unmark(self, job_id: str, rows: Sequence[int]) -> None:
        """Let rows be asked again that the caller has marked itself, and of which nothing was run."""
        names = [keys.meta(job_id), keys.asked(job_id)]
        self._scripts.unmark_asked(keys=names, args=[",".join(map(str, rows))])

    def take(self, route: str, wanted: int, *, per_minute: int) -> tuple[int, float]:
        """Grant calls that an account may make now; how many, and seconds until the next one."""
        interval_ms = 60_000 / per_minute
        granted, wait_ms = self._scripts.take_live(
            keys=[keys.live_calls(route)],
            args=[wanted, interval_ms, max(0.0, _CATCH_UP_MS - interval_ms)],
        )
        return int(granted), int(wait_ms) / 1000

    def pause(self, route: str, seconds: float) -> None:
        """Let nobody ask an account for a while."""
        self._scripts.pause_live(keys=[keys.live_calls(route)], args=[int(seconds * 1000)])
