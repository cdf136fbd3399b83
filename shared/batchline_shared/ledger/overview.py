"""The ledger in numbers, for gauges and `batchline doctor`."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from batchline_shared.ledger import keys
from batchline_shared.ledger.clock import server_ms
from batchline_shared.ledger.records import FINAL, JobStatus
from batchline_shared.ledger.work_records import ShardState, Stage

if TYPE_CHECKING:
    from redis import Redis

__all__ = ["Overview", "overview"]


class Overview(NamedTuple):
    """What is where, now; requests and final jobs since the ledger began."""

    jobs: dict[str, int]
    """`queued`, `in_progress` → jobs before and after planning; a final status → jobs that ended so."""
    shards: dict[str, int]
    """State → shards."""
    requests: dict[str, int]
    """`succeeded`, `errored` → requests of ended jobs."""
    oldest_due_s: dict[str, float]
    """Stage → seconds for which its oldest work has been due; 0 when nothing is."""
    set_aside: int = 0
    """Jobs, shards and others that nobody looks at until a person says so (`set_aside`)."""

    @property
    def open_jobs(self) -> int:
        """Jobs that have not ended."""
        return sum(count for status, count in self.jobs.items() if status not in FINAL)


def overview(client: Redis) -> Overview:
    """Read the gauges: a few round trips, whatever the number of jobs."""
    now_ms = server_ms(client)
    with client.pipeline(transaction=False) as pipe:
        for partition in range(keys.PARTITIONS):
            pipe.hgetall(keys.tally(partition))
        for stage in Stage:
            for partition in range(keys.PARTITIONS):
                pipe.zrange(keys.due(partition, stage), 0, 0, withscores=True)
        for partition in range(keys.PARTITIONS):
            pipe.hlen(keys.aside(partition))
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
    work, ended = _group(counts, "job."), _group(counts, "ended.")
    jobs = {
        str(JobStatus.QUEUED): work.get("plan", 0),
        str(JobStatus.IN_PROGRESS): work.get("wait", 0) + work.get("settle", 0),
        **{str(status): ended.get(status, 0) for status in sorted(FINAL)},
    }
    # A state that nothing is in is a 0 on a chart, not a gap; `in_doubt` most of all.
    shards = {str(state): 0 for state in ShardState} | _group(counts, "shard.")
    requests = {"succeeded": 0, "errored": 0} | _group(counts, "request.")
    set_aside = sum(replies[-keys.PARTITIONS :])
    return Overview(jobs, shards, requests, oldest, set_aside)


def _group(counts: dict[str, int], prefix: str) -> dict[str, int]:
    return {name.removeprefix(prefix): n for name, n in counts.items() if name.startswith(prefix)}
