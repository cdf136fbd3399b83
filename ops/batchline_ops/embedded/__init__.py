"""A real Valkey or Redis server, started and stopped by us, with persistence on.

`EmbeddedServer` is what `batchline up` and the tests run on where no Redis is at hand.
"""

from __future__ import annotations

from batchline_ops.embedded.binaries import ServerBinary, find_binary, server_binaries
from batchline_ops.embedded.errors import EmbeddedServerError, ServerBinaryNotFoundError
from batchline_ops.embedded.home import HomeLock, ServerHome, ServerRecord
from batchline_ops.embedded.server import EmbeddedServer

__all__ = [
    "EmbeddedServer",
    "EmbeddedServerError",
    "HomeLock",
    "ServerBinary",
    "ServerBinaryNotFoundError",
    "ServerHome",
    "ServerRecord",
    "find_binary",
    "server_binaries",
]
