"""The ledger in numbers, for gauges and `batchline doctor`."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from batchline_shared.ledger import keys
from batchline_shared.ledger.work_records import Stage

if TYPE_CHECKING:
    from redis import Redis

__all__ = ["Overview", "overview"]


class Overview(NamedTuple):
    """What is where, now; requests and final jobs since the ledger began."""

    jobs: dict[str, int]
    """Final status → jobs that ended so; `active` → jobs that have not."""
    shards: dict[str, int]
    """State → shards."""
    requests: dict[str, int]
    """`succeeded`, `errored` → requests of ended jobs."""
    oldest_due_s: dict[str, float]
    """Stage → seconds for which its oldest work has been due; 0 when nothing is."""


def overview(client: Redis) -> Overview:
    """Read the gauges: a few round trips, whatever the number of jobs."""
    seconds, microseconds = client.time()
    now_ms = seconds * 1000 + microseconds / 1000
    with client.pipeline(transaction=False) as pipe:
        for partition in range(keys.PARTITIONS):
            pipe.hgetall(keys.tally(partition))
        for stage in Stage:
            for partition in range(keys.PARTITIONS):
                pipe.zrange(keys.due(partition, stage), 0, 0, withscores=True)
        replies = pipe.execute()
    counts: dict[str, int] = {}
    for tally in replies[: keys.PARTITIONS]:
        for name, value in tally.items():
            counts[name.decode()] = counts.get(name.decode(), 0) + int(value)
    oldest = {}
    for i, stage in enumerate(Stage, start=1):
        heads = replies[i * keys.PARTITIONS : (i + 1) * keys.PARTITIONS]
        scores = [head[0][1] for head in heads if head]
        oldest[str(stage)] = max(0.0, (now_ms - min(scores)) / 1000) if scores else 0.0
    jobs = _group(counts, "ended.")
    jobs["active"] = sum(n for state, n in _group(counts, "job.").items() if state != "closed")
    return Overview(jobs, _group(counts, "shard."), _group(counts, "request."), oldest)


def _group(counts: dict[str, int], prefix: str) -> dict[str, int]:
    return {name.removeprefix(prefix): n for name, n in counts.items() if name.startswith(prefix)}
