"""The ledger's clock: the server's, as machines differ."""

from __future__ import annotations

from typing import Any

__all__ = ["server_ms"]


def server_ms(client: Any) -> int:
    """Milliseconds since the Unix epoch, by the server's clock."""
    seconds, microseconds = client.time()
    return int(seconds) * 1000 + int(microseconds) // 1000
