"""Whether a server keeps what it is given, as every process asks once when it opens the ledger.

By INFO, which managed servers answer where they refuse CONFIG. `batchline doctor` looks at more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from redis import exceptions as refusal

from batchline_shared.errors import ConfigurationError
from batchline_shared.ledger.connection import server_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from redis import Redis

__all__ = ["KEEPS_ALL", "dangers", "require_no_eviction"]

KEEPS_ALL: Final = "noeviction"
"""The only `maxmemory-policy` under which a full server refuses, instead of deleting parts of jobs."""


def dangers(client: Redis) -> list[str]:
    """What is wrong with the server's settings, for a person, and what to do; empty where nothing is.

    A user who may not ask, and a server that does not tell, count as right.
    """
    found = (_eviction(_info(client, "memory")), _forgetting(_info(client, "persistence")))
    return [danger for danger in found if danger is not None]


def require_no_eviction(client: Redis) -> None:
    """Refuse a server that has a `maxmemory` and deletes keys when it is reached.

    Raises:
        ConfigurationError: It does; says what to do.
    """
    memory = _info(client, "memory")
    found = _eviction(memory)
    if found is not None and int(memory.get("maxmemory", 0)):
        raise ConfigurationError(f"nothing was enqueued; of Redis at {server_name(client)}, {found}")


def _info(client: Redis, section: str) -> Mapping[str, Any]:
    try:
        found: Any = client.info(section)  # redis-py leaves it untyped
    except refusal.ResponseError:
        return {}
    return dict(found)


def _eviction(memory: Mapping[str, Any]) -> str | None:
    policy = memory.get("maxmemory_policy", KEEPS_ALL)
    if policy == KEEPS_ALL:
        return None
    return (
        f"its maxmemory-policy is {policy}, so that a full server deletes parts of jobs; "
        f"redis-cli CONFIG SET maxmemory-policy {KEEPS_ALL}, and the same in redis.conf"
    )


def _forgetting(persistence: Mapping[str, Any]) -> str | None:
    if not int(persistence.get("aof_enabled", 1)):
        return (
            "it has no append-only file, so that its restart loses jobs; "
            "redis-cli CONFIG SET appendonly yes, and the same in redis.conf"
        )
    if persistence.get("aof_last_write_status", "ok") != "ok":
        return "the last write to its append-only file failed; look at the server's disk and log"
    return None
