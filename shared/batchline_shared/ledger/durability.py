"""Waiting until a write is on disk, for the two writes that must not be lost to a power cut.

Redis answers a write before its append-only file is synced (`everysec`: up to
a second later). A process kill loses nothing; a machine crash may. `WAITAOF`
(Redis ≥ 7.2, Valkey) waits for the sync of what this connection wrote.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from redis import exceptions as refusal

from batchline_shared.errors import QueueUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable

    from redis import Redis
    from redis.client import Pipeline

__all__ = ["Durability"]

_FORGOTTEN = 3
"""How often a server may restart, and forget our scripts, while one write is on its way."""

_WAIT_MS = 5000
"""Shorter than the socket's time-out, so that the server answers before we hang up."""


class Durability:
    """Runs writes and, where the server can, waits until they are on disk."""

    def __init__(self, client: Redis, *, enabled: bool) -> None:
        # redis-py types every reply as str or bytes, whatever the client decodes; ours are bytes.
        self._client: Any = client
        self._supported = enabled

    def write(self, queue: Callable[[Pipeline], object]) -> Any:
        """Run one write that `queue` puts on a pipeline, and wait for the disk.

        Returns:
            The write's own reply.

        Raises:
            QueueUnavailableError: It was written, but the disk did not confirm it in time.
        """
        replies = self._run(queue)
        for _ in range(_FORGOTTEN):
            # redis-py makes sure of a pipeline's scripts once, before it connects again to a server that
            # restarted meanwhile. What an earlier connection wrote may be there: our scripts bear it.
            if isinstance(replies[0], refusal.NoScriptError):
                replies = self._run(queue)
        if isinstance(replies[0], Exception):
            raise replies[0]
        if self._supported:
            self._judge(replies[1])
        return replies[0]

    def _run(self, queue: Callable[[Pipeline], object]) -> list[Any]:
        with self._client.pipeline(transaction=False) as pipe:
            queue(pipe)
            if self._supported:
                pipe.execute_command("WAITAOF", 1, 0, _WAIT_MS)
            replies: list[Any] = pipe.execute(raise_on_error=False)
        return replies

    def _judge(self, reply: Any) -> None:
        if isinstance(reply, refusal.ResponseError):
            # Redis before 7.2 does not know the command; without AOF it refuses
            # it. Neither can change while we run; `batchline doctor` tells.
            self._supported = False
        elif isinstance(reply, Exception):
            raise reply
        elif int(reply[0]) < 1:
            raise QueueUnavailableError(
                f"Redis took the write but did not confirm it on disk within {_WAIT_MS / 1000:g} s; "
                "look at the server's disk and call again"
            )
