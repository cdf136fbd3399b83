"""Which shards are in doubt, and of which jobs: no index holds them, as few ever are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from batchline import Settings
from batchline.connection import Connection
from batchline.provider_batches import batches_of
from batchline_ops.cli.doctor.findings import warn
from batchline_shared.ledger import ShardState

if TYPE_CHECKING:
    from collections.abc import Iterator

    from batchline_ops.cli.doctor.findings import Finding

__all__ = ["doubts"]


def doubts(client: Any, count: int, *, shown: int) -> list[Finding]:
    """Name what is in doubt.

    Args:
        client: Redis.
        count: How many shards are in doubt, shared batches among them.
        shown: Most of them that are named.
    """
    if not count:
        return []
    # Those of a shared batch are in doubt together, so there may be more of them than are counted.
    named = [one for one, _ in zip(_in_doubt(client), range(shown), strict=False)]
    if not named:
        text = f"{count} batches may or may not exist at the provider"
        return [
            warn("In doubt", text, "batchline batch status JOB_ID names them; then batchline batch resolve")
        ]
    return [
        warn(
            "In doubt",
            f"{shard} of {job_id}: {message or 'a batch may or may not exist at the provider'}",
            f"Look at the provider's page, then: batchline batch resolve {job_id} {shard}",
        )
        for job_id, shard, message in named
    ]


def _in_doubt(client: Any) -> Iterator[tuple[str, str, str]]:
    connection = Connection(settings=Settings.load(), redis=client)
    for meta in connection.jobs.recent():
        if not meta.is_final:
            for batch in batches_of(connection, meta.id):
                if batch.state == ShardState.IN_DOUBT:
                    yield meta.id, batch.shard, batch.message
