"""A job's whole way on one bench: a client, a worker's stages, a scripted provider, and a clock to turn.

The clock of a ledger is its server's. `later` moves every time that the ledger
holds into the past instead, which is the same thing seen from the other side.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from batchline import BatchClient, JobStatus
from batchline_shared.ledger import DeliveryKind, JobStore, Stage, WorkQueue, keys
from batchline_worker.context import WorkerContext
from batchline_worker.settings import WorkerSettings
from batchline_worker.stages import audit, clean, collect, deadline, live, notify, plan, poll, settle, submit
from scripted_provider import ScriptedProvider
from scripted_sender import ScriptedSender

if TYPE_CHECKING:
    from batchline import Job
    from batchline_shared.ledger import ShardWork

__all__ = ["WORK", "WorkerBench", "says"]

WORK = {
    Stage.PLAN: plan.work,
    Stage.SUBMIT: submit.work,
    Stage.POLL: poll.work,
    Stage.COLLECT: collect.work,
    Stage.SETTLE: settle.work,
    Stage.CLEAN: clean.work,
    Stage.DEADLINE: deadline.work,
    Stage.LIVE: live.work,
    Stage.NOTIFY: notify.work,
    Stage.AUDIT: audit.work,
}

_TIMES = (b"lease_until", b"intent_ms", b"refused_ms", b"blind_ms", b"created_ms", b"next_ms")


def says(text: str = "hello") -> list[dict[str, Any]]:
    return [{"role": "user", "content": text}]


class WorkerBench:
    """One ledger with a client, a worker and a provider."""

    def __init__(self, redis: Any, provider: ScriptedProvider | None = None, **settings: Any) -> None:
        self.redis = redis
        # One attempt, so that a test of a single stage sees what it does; tests of attempts say how many.
        self.settings = WorkerSettings.load(
            redis_url="redis://127.0.0.1:1/0", broker_url="memory://", **{"max_attempts": 1, **settings}
        )
        self.provider = provider or ScriptedProvider()
        self.sender = ScriptedSender()
        self.nudged: Counter[Stage] = Counter()
        self.client = BatchClient(settings=self.settings, redis=redis)
        self.context = self.worker()
        self.store = JobStore(redis, durable=False)
        self.queue = WorkQueue(redis, lease_s=self.settings.lease_s, durable=False)

    def worker(self) -> WorkerContext:
        """Another worker process, as far as the ledger can tell."""
        return WorkerContext(
            self.settings,
            send=lambda stage: self.nudged.update([stage]),
            redis=self.redis,
            providers={self.provider.name: self.provider},
            senders=dict.fromkeys(DeliveryKind, self.sender),
        )

    def enqueue(self, count: int = 3, **arguments: Any) -> Job[str]:
        requests = [says(f"request {n}") for n in range(count)]
        return self.client.enqueue("openai/gpt-4o-mini", None, requests, **arguments)

    def run(self, *stages: Stage, worker: WorkerContext | None = None) -> int:
        """Work on what is due in these stages (all) until nothing is."""
        total = 0
        for _ in range(100):
            count = sum(WORK[stage](worker or self.context) for stage in stages or tuple(Stage))
            total += count
            if not count:
                return total
        raise AssertionError("the stages never come to rest: something is due again at once, for ever")

    def submitted(self, count: int = 3, **arguments: Any) -> Job[str]:
        """A job whose batches all run."""
        job = self.enqueue(count, **arguments)
        self.run(Stage.PLAN, Stage.SUBMIT)
        return job

    def finish(self, job: Job[Any], *, rounds: int = 40) -> JobStatus:
        """Let batches end and time pass until the job is final."""
        for _ in range(rounds):
            self.run()
            self.provider.end_all()
            if job.status().is_final:
                return job.status()
            self.later(130)
        raise AssertionError(f"{job.info()} never ends: {self.shards(job)}")

    def later(self, seconds: float) -> None:
        """Let time pass on the ledger's clock."""
        ms = int(seconds * 1000)
        for partition in range(keys.PARTITIONS):
            for stage in Stage:
                name = keys.due(partition, stage)
                for member, score in self.redis.zrange(name, 0, -1, withscores=True):
                    self.redis.zadd(name, {member: score - ms})
            for key in self.redis.scan_iter(match=keys.work_prefix(partition) + "*"):
                record = self.redis.hgetall(key)
                for name in _TIMES:
                    if int(record.get(name, 0)) > 0:
                        self.redis.hset(key, name, int(record[name]) - ms)
        self._deadlines_later(ms)
        left_ms = self.redis.pttl(keys.SUSPECT)
        if left_ms > 0:
            self.redis.pexpire(keys.SUSPECT, max(1, left_ms - ms))
        state = keys.admission(self.provider.name)[3]
        for name, value in self.redis.hgetall(state).items():
            if name.startswith((b"paused_until", b"open_until", b"probe_until", b"refused ")):
                self.redis.hset(state, name, int(value) - ms)

    def _deadlines_later(self, ms: int) -> None:
        for key in self.redis.scan_iter(match=keys.meta("*")):
            if until_ms := self.redis.hget(key, "deadline_ms"):
                self.redis.hset(key, "deadline_ms", int(until_ms) - ms)

    def poll_now(self, shard: str) -> None:
        """Let a shard's batch be looked at with the next run."""
        for partition in range(keys.PARTITIONS):
            self.redis.zadd(keys.due(partition, Stage.POLL), {shard: 1}, xx=True)

    def shards(self, job: Job[Any]) -> list[ShardWork]:
        return self.queue.shards_of(job.id)

    def shard(self, job: Job[Any]) -> ShardWork:
        (shard,) = self.shards(job)
        return shard

    def due_in_s(self, member: str, stage: Stage) -> float | None:
        """Seconds until a member is due in a stage; None if it is not in its due set."""
        scores = [self.redis.zscore(keys.due(p, stage), member) for p in range(keys.PARTITIONS)]
        found = [score for score in scores if score is not None]
        return (found[0] - self.queue.now_ms()) / 1000 if found else None

    def assert_whole(self, job: Job[Any]) -> None:
        """Exactly one outcome for each row, and counters that say the same."""
        meta = self.store.meta(job.id)
        outcomes = job.results()
        assert sorted(one.custom_id for one in outcomes) == sorted(f"request-{n}" for n in range(meta.total))
        assert meta.succeeded == sum(one.success for one in outcomes)
        assert meta.errored == sum(not one.success for one in outcomes)
        assert sum(meta.errors.values()) == meta.errored
        assert self.store.done_count(job.id) == meta.total
