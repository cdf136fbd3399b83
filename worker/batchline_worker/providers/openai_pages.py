"""A page of an account's batches, as a list call replies it.

A list proves that a batch does not exist, so a page is either read whole or not at all.
"""

from __future__ import annotations

from typing import Any

from batchline_worker.providers.listing import Page
from batchline_worker.providers.openai_batch import remote_batch

__all__ = ["read_page"]


def read_page(reply: Any) -> Page | None:
    """Read a list of batches.

    Args:
        reply: The reply, parsed. Any JSON value is borne; some servers send the batches alone.

    Returns:
        The page; None where the reply is no list, or one of its entries no batch.
    """
    fields = reply if isinstance(reply, dict) else {"data": reply}
    data, more = fields.get("data"), fields.get("has_more")
    if not isinstance(data, list):
        return None
    batches = [batch for item in data if (batch := remote_batch(item)) is not None]
    if len(batches) != len(data):
        return None
    # Where a server leaves it out, its pages may be shorter than asked for: an empty one is the last.
    return Page(batches, more if isinstance(more, bool) else bool(batches))
