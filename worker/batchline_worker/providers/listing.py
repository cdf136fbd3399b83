"""Reading lists of batches, which providers give in pages, newest first."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Final, NamedTuple

from batchline_shared.errors import BatchlineError, ProviderRejectedError, ProviderUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from batchline_worker.providers.base import RemoteBatch

__all__ = ["Page", "listed", "polled"]

_WORTH_A_PAGE: Final = 3
"""Ids from which a list page is asked for first: below, one call each is no dearer."""


class Page(NamedTuple):
    """Some of an account's batches."""

    batches: list[RemoteBatch]
    """As the server orders them."""
    more: bool
    """Whether there may be a page after it."""

    def reaches_back(self, since_s: float) -> bool:
        """Whether all batches of later pages are older; not so where a server lists the oldest first."""
        times = [batch.created_at_s for batch in self.batches if batch.created_at_s is not None]
        return len(times) > 1 and times[-1] < since_s and times[-1] < times[0]


def listed(page: Callable[[str | None], Page], stuck: Callable[[], BatchlineError]) -> Iterator[Page]:
    """Go through the pages of a list; raise rather than end early.

    Args:
        page: Reads the page after a batch's id; None for the first.
        stuck: Makes the exception for a list that promises more and does not go on.
    """
    cursor: str | None = None
    while True:
        read = page(cursor)
        yield read
        if not read.more:
            return
        if not read.batches or read.batches[-1].id == cursor:
            raise stuck()
        cursor = read.batches[-1].id


def polled(
    batch_ids: Collection[str],
    *,
    pages: Callable[[], Iterator[list[RemoteBatch]]],
    poll: Callable[[str], RemoteBatch],
) -> dict[str, RemoteBatch]:
    """Look at several batches; see `Provider.poll_many`.

    Args:
        batch_ids: Theirs.
        pages: Lists the account's batches, a page at a time; what it cannot list is polled.
        poll: Looks at one.
    """
    missing = dict.fromkeys(batch_ids)
    found: dict[str, RemoteBatch] = {}
    try:
        if len(missing) >= _WORTH_A_PAGE:
            with contextlib.suppress(ProviderRejectedError, ProviderUnavailableError):
                _from_pages(pages(), missing, found)
        for batch_id in missing:
            with contextlib.suppress(ProviderRejectedError):
                found[batch_id] = poll(batch_id)
    except BatchlineError:
        if not found:
            raise
    return found


def _from_pages(
    pages: Iterator[list[RemoteBatch]], missing: dict[str, None], found: dict[str, RemoteBatch]
) -> None:
    """Read list pages while each of them spares calls: it has to name two ids, or it is no cheaper."""
    for page in pages:
        hits = {batch.id: batch for batch in page if batch.id in missing}
        found.update(hits)
        for batch_id in hits:
            del missing[batch_id]
        if len(hits) < 2 or len(missing) < _WORTH_A_PAGE:  # noqa: PLR2004 - see above
            return
