"""Reading lists of batches, which every provider gives in pages, newest first."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Final

from batchline_shared.errors import BatchlineError, ProviderRejectedError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from batchline_worker.providers.base import RemoteBatch

__all__ = ["listed", "polled"]

_WORTH_A_PAGE: Final = 3
"""Ids from which a list page is asked for first: below, one call each is no dearer."""


def listed(
    page: Callable[[str | None], tuple[list[RemoteBatch], bool]], stuck: Callable[[], BatchlineError]
) -> Iterator[list[RemoteBatch]]:
    """Go through the pages of a list; raise rather than end early.

    Args:
        page: Reads the page after a batch's id, None for the first; says whether there are more.
        stuck: Makes the exception for a list that promises more and does not go on.
    """
    cursor: str | None = None
    while True:
        batches, more = page(cursor)
        yield batches
        if not more:
            return
        if not batches or batches[-1].id == cursor:
            raise stuck()
        cursor = batches[-1].id


def polled(
    batch_ids: Collection[str],
    *,
    pages: Callable[[], Iterator[list[RemoteBatch]]],
    poll: Callable[[str], RemoteBatch],
) -> dict[str, RemoteBatch]:
    """Look at several batches; see `Provider.poll_many`."""
    missing = dict.fromkeys(batch_ids)
    found: dict[str, RemoteBatch] = {}
    try:
        if len(missing) >= _WORTH_A_PAGE:
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
