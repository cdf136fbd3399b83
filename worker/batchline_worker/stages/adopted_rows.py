"""Which requests an adopted batch has: rows, in the order in which their custom ids are first seen.

Names are in the ledger before an outcome is, so that whoever reads the same lines again gives each the same
row. Here, they are in SQLite's private temporary file: a batch may have millions, and memory holds few.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Final

import structlog

from batchline_shared.ledger import Segment, Stage
from batchline_shared.ledger.chunks import MAX_ROWS
from batchline_worker.stages.adoption import refuse, taken

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from batchline_shared.ledger import JobMeta, ShardWork
    from batchline_worker.context import WorkerContext

__all__ = ["AdoptedRows", "OursError", "OvertakenError", "adopted_rows", "name_all"]

_log = structlog.get_logger("batchline.adoption")

_MOST_UNNAMED: Final = 10_000_000
"""More requests without a name are none: counts have been seen to be wrong."""


class OursError(Exception):
    """The results bear ids of ours: the batch belongs to a shard."""

    def __init__(self, shard_id: str) -> None:
        super().__init__(shard_id)
        self.shard_id = shard_id


class OvertakenError(Exception):
    """Somebody else names this job's rows, so our lease is lost; what they write counts."""


@contextmanager
def adopted_rows(context: WorkerContext, shard: ShardWork) -> Iterator[AdoptedRows]:
    """Open the rows of an adopted job under the lease of its shard; end it where the batch is ours."""
    meta = context.jobs.meta(shard.job_id)
    try:
        with closing(AdoptedRows(context, meta)) as rows:
            yield rows
    except OvertakenError:
        _log.warning("overtaken", shard=shard.id)
    except OursError as error:
        reason = taken(context, shard.batch_id, error.shard_id)
        refuse(context, shard, Stage.COLLECT, reason)


def name_all(context: WorkerContext, shard: ShardWork) -> Segment | None:
    """Name every request of an adopted batch that is counted, and return all; None when others do so."""
    if context.jobs.find(shard.job_id) is None:
        return shard.segment
    with adopted_rows(context, shard) as rows:
        return rows.fill(shard.segment.rows)
    return None


class AdoptedRows:
    """The rows of one adopted job, as far as they are known; grows while the batch is read."""

    def __init__(self, context: WorkerContext, meta: JobMeta) -> None:
        """Read what is known; `meta` must have been read under the lease that is held."""
        self._naming = context.naming
        self.meta = meta
        self._db = sqlite3.connect("")
        self._db.execute("CREATE TABLE names (row INTEGER PRIMARY KEY, name TEXT NOT NULL)")
        self._db.execute("CREATE INDEX by_name ON names (name)")
        self.count = self.chunks = 0
        for names in context.jobs.custom_ids(meta.id, range(meta.chunks)):
            self._keep(names)

    def close(self) -> None:
        """Give the disk space back."""
        self._db.close()

    def __getitem__(self, row: int) -> str:
        (name,) = self._db.execute("SELECT name FROM names WHERE row = ?", (row,)).fetchone()
        return str(name)

    def add(self, names: Sequence[str]) -> list[int]:
        """The rows of these names, `MAX_ROWS` at most; those that are new get the next ones.

        Raises:
            OvertakenError: Somebody else names rows.
        """
        fresh: dict[str, int] = {}
        rows = []
        for name in names:
            row = self._find(name)
            rows.append(fresh.setdefault(name, self.count + len(fresh)) if row is None else row)
        if fresh:
            self._append(list(fresh))
        return rows

    def fill(self, total: int) -> Segment:
        """Make up a name for each request that the provider counts and nobody has named; returns all rows.

        Raises:
            OvertakenError: Somebody else names rows.
        """
        total = min(total, self.count + _MOST_UNNAMED)
        while self.count < total:
            end = min(total, self.count + MAX_ROWS)
            self._append([f"unnamed-{row}" for row in range(self.count, end)])
        if not self._naming.set_total(self.meta.id, self.count):
            raise OvertakenError
        return Segment(0, self.count, 0, self.chunks)

    def _append(self, names: list[str]) -> None:
        if not self._naming.append(self.meta.id, self.count, names):
            raise OvertakenError
        self._keep(names)

    def _keep(self, names: Sequence[str]) -> None:
        self._db.executemany("INSERT INTO names VALUES (?, ?)", enumerate(names, start=self.count))
        self.count += len(names)
        self.chunks += 1

    def _find(self, name: str) -> int | None:
        found = self._db.execute("SELECT min(row) FROM names WHERE name = ?", (name,)).fetchone()
        return None if found[0] is None else int(found[0])
