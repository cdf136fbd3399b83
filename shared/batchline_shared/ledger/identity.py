"""Which ledger this is: batches bear it, so that nobody takes another installation's for its own."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

from batchline_shared.ledger import keys

if TYPE_CHECKING:
    from redis import Redis

__all__ = ["ledger_id"]


def ledger_id(client: Redis) -> str:
    """The ledger's id, 16 of `[0-9a-f]`, made by whoever asks first."""
    # redis-py types every reply as str or bytes, whatever the client decodes; ours are bytes.
    ledger: Any = client
    # A power cut or a wipe may take it before it is read again.
    while (found := ledger.get(keys.LEDGER_ID)) is None:
        ledger.set(keys.LEDGER_ID, secrets.token_hex(8), nx=True)
    return str(found.decode())
