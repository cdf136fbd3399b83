"""The requests of an adopted job, which become known only as its batch is read.

Row numbers are given in the order in which custom ids are first seen, and are kept once given: whoever
reads the same batch again, after a crash, finds the same rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchline_shared.ledger import keys
from batchline_shared.ledger.chunks import pack_json
from batchline_shared.ledger.scripts import Scripts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from redis import Redis

__all__ = ["Naming"]


class Naming:
    """Writes `keys.identifiers` and `keys.index` of adopted jobs, behind what they hold already."""

    def __init__(self, client: Redis) -> None:
        self._scripts = Scripts(client)

    def append(self, job_id: str, named: int, custom_ids: Sequence[str]) -> bool:
        """Give the rows from `named` on their custom ids: one chunk, so at most `chunks.MAX_ROWS`.

        Returns:
            False when somebody else has named rows since, or the job has ended or is gone.
        """
        names = (keys.meta, keys.index, keys.identifiers)
        return bool(
            self._scripts.name_rows(
                keys=[name(job_id) for name in names],
                args=[named, len(custom_ids), pack_json(list(custom_ids))],
            )
        )

    def set_total(self, job_id: str, total: int) -> bool:
        """Say how many requests the job has; False when it has ended or is gone."""
        return bool(self._scripts.set_total(keys=[keys.meta(job_id)], args=[total, keys.events(job_id)]))
