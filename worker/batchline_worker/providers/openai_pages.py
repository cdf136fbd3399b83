"""A page of an account's batches, as a list call replies it.

A list proves that a batch does not exist, so a page is either read whole or not at all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from batchline_worker.providers.openai_batch import remote_batch

if TYPE_CHECKING:
    from batchline_worker.providers.base import RemoteBatch

__all__ = ["Page", "read_page"]


class Page(NamedTuple):
    """Some of an account's batches."""

    batches: list[RemoteBatch]
    """As the server orders them: newest first at OpenAI."""
    more: bool
    """Whether there may be a page after it."""

    def reaches_back(self, since_s: float) -> bool:
        """Whether all batches of later pages are older; not so where a server lists the oldest first."""
        times = [batch.created_at_s for batch in self.batches if batch.created_at_s is not None]
        return len(times) > 1 and times[-1] < since_s and times[-1] < times[0]


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
