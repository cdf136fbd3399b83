"""A play: a ledger, a provider, workers and an application, and whatever befalls them."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import fakeredis

from batchline import BatchClient, InvalidInputError, WaitTimeoutError
from batchline_shared.ledger import DeliveryKind, SetAside, ShardState, WorkQueue, keys
from batchline_shared.ledger import Stage as WorkStage
from batchline_worker.context import WorkerContext
from batchline_worker.settings import WorkerSettings
from batchline_worker.ticking import tick
from scripted_sender import ScriptedSender
from simulation.clockwork import Actor
from simulation.disk import Disk
from simulation.hostile import HostileProvider, HostileRedis
from simulation.people import application, worker
from worker_bench import WORK

if TYPE_CHECKING:
    from batchline import Job
    from simulation.clockwork import Stage
    from simulation.people import Wish

__all__ = ["World"]

_LONGEST_ROUNDS = 400
"""Of two minutes, until all jobs have ended once everything works again."""

_LIMITS: list[dict[str, int]] = [
    {},
    {},
    {"enqueued_requests": 8},
    {"batches_in_flight": 1},
    {"enqueued_tokens": 300},
]


class World:
    """What a seed makes of it."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        dice = stage.dice
        self.loss = dice.choice([0.0, 0.01, 0.03, 0.1])
        """Share of Redis calls that are lost or made twice."""
        self.cuts = dice.choice([0.0, 0.001, 0.01])
        """Share of steps in which the server loses power."""
        self.meddling = dice.choice([0.0, 0.02, 0.1])
        """How eager the user is."""
        self.settings = WorkerSettings.load(
            redis_url="redis://127.0.0.1:1/0",
            broker_url="memory://",
            max_attempts=dice.choice([1, 2, 3]),
            retry_backoff_s=5,
            shard_max_requests=dice.choice([None, 2, 4]),
            quarantine_after=dice.choice([3, 1000]),
            durable_writes=True,
            retention_s=10 * 24 * 3600,
            clean_up_after_s=0,
            poll_max_interval_s=30,
            live_parallel=1,
            live_requests_per_minute=100_000,
            audit_interval_s=dice.choice([None, 300.0]),
            limits={"openai": dice.choice(_LIMITS)},
        )
        marks = dice.random() < 0.7
        self.provider = HostileProvider(
            takes_files=marks,
            marks_batches=marks,
            stage=stage,
            lag=dice.choice([0.0, 0.0, 0.3]),
            failing=dice.choice([0.0, 0.2, 0.5]),
            misfits=dice.choice([0.0, 0.3]),
        )
        self.server = fakeredis.FakeServer()
        self.disk = Disk(self.server, stage.clock)
        self.redis = HostileRedis(server=self.server).hurt(stage, self.disk, 0.0)
        self.client = BatchClient(settings=self.settings, redis=self.redis)
        self.queue = WorkQueue(self.redis, lease_s=self.settings.lease_s, durable=False)
        self.wishes: list[Wish] = []

    def context(self, redis: Any) -> WorkerContext:
        """A worker process, as far as the ledger can tell."""
        made = WorkerContext(
            self.settings,
            send=lambda _: None,
            redis=redis,
            providers={"openai": self.provider},
            senders=dict.fromkeys(DeliveryKind, ScriptedSender()),
        )
        # Leases are not renewed behind the play's back: whoever is slow loses them, as if frozen.
        made.leases._thread = self.stage  # type: ignore[assignment]
        return made

    def shard_ids(self, job: Job[Any]) -> list[str]:
        """Its shards, of which a user knows from `doctor`."""
        return self.queue.shard_ids(job.id) or ["none"]

    def run(self) -> None:
        """Let mishaps happen, and then let everything come to its end."""
        dice = self.stage.dice
        crew = [
            Actor(f"worker {number}", self.stage, lambda actor: worker(self, actor))
            for number in range(dice.choice([1, 2, 3]))
        ]
        user = Actor("user", self.stage, lambda actor: application(self, actor))
        for step in range(dice.choice([400, 1500, 3000])):
            self._befall(step, [one for one in [*crew, user] if not one.has_ended])
        self.stage.calm = True
        for one in [*crew, user]:
            # Some die where they stand; the others, slow as they were, finish what they were about.
            one.dying = one is not user and dice.random() < 0.7
            while not one.has_ended:
                one.resume()
        self._settle()

    def _befall(self, step: int, actors: list[Actor]) -> None:
        dice = self.stage.dice
        awake = [one for one in actors if one.frozen_until <= step]
        luck = dice.random()
        if dice.random() < self.cuts:
            self.disk.cut_power()
        elif luck < 0.05 or not awake:
            self.stage.clock.advance(dice.choice([1, 5, 20, 70, 130, 400]))
        elif luck < 0.12:
            self.provider.happen()
        elif luck < 0.135:
            dice.choice(awake).frozen_until = step + dice.choice([5, 50, 200])
        elif luck < 0.15:
            dice.choice(awake).dying = True
        else:
            dice.choice(awake).resume()

    def _settle(self) -> None:
        context = self.context(self.redis)
        for _ in range(_LONGEST_ROUNDS):
            self._work(context)
            running = [one for one in self.wishes if not one.deleted and not one.job.status().is_final]
            if not running:
                break
            for wish in running:
                self._attend(wish)
            self.stage.clock.advance(130)
        else:
            raise AssertionError(
                f"never ends: {running[0].job.info()} {self.queue.shards_of(running[0].job.id)}"
            )
        after = self.client.enqueue("openai/gpt-4o-mini", None, [[{"role": "user", "content": "after"}]])
        # Long enough for audits, for cleaning up, and for all that lives for two days.
        for _ in range(14):
            self._work(context)
            self._take_up()
            self.stage.clock.advance(4 * 3600)
        assert after.status().is_final, f"a job after all that never ends: {after.info()}"

    def outlive(self) -> None:
        """Let the retention of all jobs go by, and the month for which an account's limits are known."""
        self.stage.clock.advance(self.settings.retention_s + 31 * 24 * 3600)
        self._work(self.context(self.redis))
        self.stage.clock.advance(3600)

    def _work(self, context: WorkerContext) -> None:
        for _ in range(200):
            if not sum(WORK[stage](context) for stage in WorkStage):
                break
        else:
            raise AssertionError("something is due again at once, for ever")
        tick(context)
        self.provider.rest()

    def _attend(self, wish: Wish) -> None:
        """Do what only a person may: release what is set aside, and say which batch is a shard's own."""
        job = self.client.job(wish.job.id)
        with suppress(InvalidInputError):
            job.release()
        for part in job.batches():
            if part.state == ShardState.IN_DOUBT:
                batch_id = self._batch_of(part.shard)
                wish.acts.append(f"resolved as {batch_id}")
                with suppress(WaitTimeoutError, InvalidInputError):
                    job.resolve(part.shard, batch_id=batch_id, timeout_s=0)

    def _batch_of(self, part: str) -> str | None:
        shard = self.queue.shard(part)
        if shard is not None and shard.ride is not None and shard.ride.carrier:
            part = shard.ride.carrier
        works = [
            key for number in range(keys.PARTITIONS) for key in self.redis.scan_iter(keys.work(number, "*"))
        ]
        taken = {self.redis.hget(key, "batch_id") for key in works}
        found = [one for one in self.provider.batches_of(part) if one.encode() not in taken]
        return found[-1] if found else None

    def _take_up(self) -> None:
        aside = SetAside(self.redis)
        for number in range(keys.PARTITIONS):
            for name in self.redis.hkeys(keys.aside(number)):
                stage, _, member = name.decode().partition(" ")
                record = self.redis.hget(keys.work(number, member), "job") or member.encode()
                aside.take_up(record.decode(), WorkStage(stage), member)
