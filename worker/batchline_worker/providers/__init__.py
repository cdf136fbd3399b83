"""Transports: one for each provider, all with the promises of `base.Provider`.

Importing this package imports no SDK; a transport imports its own on first use.
"""

from batchline_worker.providers.base import SHARD_MARK, BatchPhase, LineError, Provider, RemoteBatch
from batchline_worker.providers.registry import make_provider

__all__ = ["SHARD_MARK", "BatchPhase", "LineError", "Provider", "RemoteBatch", "make_provider"]
