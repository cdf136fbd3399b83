"""Those who act in a play: workers that take up whatever is due, and an application with its user."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel
from redis.exceptions import RedisError

from batchline import (
    BatchClient,
    InvalidInputError,
    JobNotFoundError,
    JobNotReadyError,
    QueueUnavailableError,
    RetryPolicy,
    WaitTimeoutError,
)
from batchline_shared.ledger import Stage as WorkStage
from batchline_worker.ticking import tick
from simulation.clockwork import Died
from simulation.hostile import HostileRedis
from worker_bench import WORK

if TYPE_CHECKING:
    from collections.abc import Callable

    from batchline import Job
    from batchline_worker.context import WorkerContext
    from simulation.clockwork import Actor
    from simulation.world import World

__all__ = ["Item", "Wish", "application", "worker"]

MODEL = "openai/gpt-4o-mini"
_MOST_ACTS = 5


class Item(BaseModel):
    """What structured jobs ask for."""

    name: str
    size: int


@dataclass
class Wish:
    """A job as its user knows it."""

    job: Job[Any]
    texts: list[str]
    """What each request says."""
    options: dict[str, Any]
    rounds: int = 1
    """How often its user has had it run, the first included: as often may each request be paid for."""
    given_up: bool = False
    """Its user has cancelled it, or given a part of it up: answers may be ignored."""
    deleted: bool = False
    acts: list[str] = field(default_factory=list)


def worker(world: World, actor: Actor) -> None:
    """One process after the other: each dies, and the next takes its place."""
    redis = HostileRedis(server=world.server).hurt(world.stage, world.disk, world.loss)
    context: WorkerContext | None = None
    stages = list(WorkStage)
    while not world.stage.calm:
        actor.revive()
        try:
            context = context or world.context(redis)
            world.stage.dice.shuffle(stages)
            if not sum(_worked(context, stage) for stage in stages):
                actor.pause()
            if world.stage.dice.random() < 0.2:
                with suppress(RedisError):
                    tick(context)
        except (Died, QueueUnavailableError):
            context = None


def _worked(context: WorkerContext, stage: WorkStage) -> int:
    try:
        return WORK[stage](context)
    except RedisError:
        return 0  # as a worker's loop does: it comes back to it


def application(world: World, actor: Actor) -> None:
    """Enqueue some jobs, and then do with them what users do."""
    redis = HostileRedis(server=world.server).hurt(world.stage, world.disk, world.loss)
    client = BatchClient(settings=world.settings, redis=redis)
    for number in range(world.stage.dice.choice([1, 2, 4])):
        _enqueue(world, actor, client, f"job {number}")
        with suppress(Died):
            for _ in range(0 if world.stage.calm else world.stage.dice.choice([0, 3, 30])):
                actor.pause()
    while not world.stage.calm:
        with suppress(Died):
            actor.pause()
        actor.revive()
        if world.wishes and world.stage.dice.random() < world.meddling:
            wish = world.stage.dice.choice(world.wishes)
            if not wish.deleted and len(wish.acts) < _MOST_ACTS:
                _meddle(world, actor, client, wish)


def _enqueue(world: World, actor: Actor, client: BatchClient, key: str) -> None:
    texts, model, options = _order(world, key)
    while True:
        actor.revive()
        try:
            requests = [[{"role": "user", "content": text}] for text in texts]
            job: Job[Any] = client.enqueue(MODEL, model, requests, idempotency_key=key, **options)
        except (Died, QueueUnavailableError):
            continue  # it starts again, and says the same
        world.wishes.append(Wish(job, texts, options))
        return


def _order(world: World, key: str) -> tuple[list[str], Any, dict[str, Any]]:
    dice = world.stage.dice
    texts = [f"{key} request {number}" for number in range(dice.choice([1, 2, 3, 7]))]
    model = Item if dice.random() < 0.4 else None
    options: dict[str, Any] = {}
    if dice.random() < 0.5:
        options["linger_s"] = dice.choice([5, 60])
    if model is not None and dice.random() < 0.6:
        options["reask"] = dice.choice([1, 2])
    if dice.random() < 0.4:
        options["retry"] = RetryPolicy(max_attempts=dice.choice([1, 2, 4]), backoff_s=dice.choice([0, 20]))
    if dice.random() < 0.2:
        options["deduplicate"] = True
        texts = [text if dice.random() < 0.6 else texts[0] for text in texts]
    if dice.random() < 0.25:
        options["deadline"] = timedelta(seconds=dice.choice([100, 600, 3000]))
        options["on_deadline"] = dice.choice(["cancel", "live"])
    if dice.random() < 0.3:
        options["on_complete"] = "app.done"
    return texts, model, options


def _meddle(world: World, actor: Actor, client: BatchClient, wish: Wish) -> None:
    acts: dict[str, Callable[[Job[Any]], object]] = {
        "cancel": lambda job: job.cancel(),
        "retry": lambda job: job.retry_failed(),
        "retry again": lambda job: job.retry_failed(),
        "reask": lambda job: job.reask(),
        "release": lambda job: job.release(),
        "give up": lambda job: job.release(world.stage.dice.choice(world.shard_ids(job)), give_up=True),
        "delete": lambda job: job.delete(force=True, timeout_s=0),
    }
    act = world.stage.dice.choice(list(acts))
    wish.acts.append(act)
    wish.given_up |= act in {"cancel", "give up", "delete"}
    is_round = act in {"retry", "retry again", "reask"}
    for time in range(6):
        actor.revive()
        try:
            # Even if it fails or dies: it may have begun.
            wish.rounds += is_round
            done = acts[act](client.job(wish.job.id, Item if "reask" in wish.options else None))
        except (Died, QueueUnavailableError):
            continue
        except JobNotFoundError:
            wish.deleted = True  # by a call that did not hear of it
            return
        except (JobNotReadyError, InvalidInputError, WaitTimeoutError):
            wish.rounds -= is_round and time == 0
            return
        wish.rounds -= is_round and not done
        wish.deleted |= act == "delete"
        return
    wish.deleted |= act == "delete"
