"""Giving requests that equal another one that one's outcome: they are never sent.

What is copied is always an outcome that has landed, so that all of them have the same one, whoever dies
when: copies that were not written are found when the job settles, and written from what is stored.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson

from batchline_shared.outcome_rows import encode_copy, error_type_of, row_of
from batchline_worker.pile import Pile, outcome_counts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from batchline_shared.ledger import JobMeta, JobStore

__all__ = ["land_all_copies", "land_copies"]


def land_copies(store: JobStore, meta: JobMeta, rows: Sequence[int], lines: Sequence[bytes]) -> int:
    """Land the copies of outcomes that have landed; a row that has an outcome keeps it.

    Args:
        store: Where the job lies.
        meta: The job.
        rows: The rows that have these outcomes.
        lines: Their outcomes as they are stored.

    Returns:
        How many rows got their outcome by this call.
    """
    stored = dict(zip(rows, lines, strict=True))
    pile = Pile()
    landed = 0
    for part in store.copies_of(meta.id, rows):
        line = stored[part.first]
        counts = {**outcome_counts(error_type_of(orjson.loads(line))), "copied": 1}
        for row, given in part.rows:
            custom_id = meta.default_id(row) if given is None else given
            if pile.add(row, encode_copy(line, row, custom_id), counts):
                landed += store.land(meta.id, pile.take())
    return landed + (store.land(meta.id, pile.take()) if pile.rows else 0)


def land_all_copies(store: JobStore, meta: JobMeta) -> int:
    """Land the copies of every outcome of a job, in bounded memory; returns how many rows had none before."""
    return sum(
        land_copies(store, meta, [row_of(line) for line in lines], lines)
        for lines in store.outcome_rows(meta.id, 0, meta.landed)
    )
