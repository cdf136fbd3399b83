"""What can go wrong with the embedded server.

* ConfigurationError
    * ServerBinaryNotFoundError   no server on this machine; says what to install or set
* BatchlineError
    * EmbeddedServerError         a server is there and does not answer; names its log
"""

from __future__ import annotations

from batchline_shared.errors import BatchlineError, ConfigurationError

__all__ = ["EmbeddedServerError", "ServerBinaryNotFoundError"]


class ServerBinaryNotFoundError(ConfigurationError):
    """This machine has no Valkey and no Redis server that can be started."""


class EmbeddedServerError(BatchlineError):
    """The server did not start, did not answer, or its data directory cannot be used."""
