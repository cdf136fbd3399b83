"""What must be true after every play, whatever happened in it."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

from batchline import ErrorType
from batchline_shared.ledger import Audits, JobStore, ShardState, Verdict, keys
from simulation.disk import LIFE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from simulation.people import Wish
    from simulation.world import World

__all__ = ["broken", "left"]

_FOREVER = [
    re.escape(keys.SCHEMA),
    re.escape(keys.LEDGER_ID),
    re.escape(keys.ALL_JOBS),
    r"batchline:\{p[0-7]\}:(due:audit|work:audit~\w+|tally)",
    r"batchline:(batches|gate|strangers):\w+",
    r"batchline:audit:\w+",
    re.escape(LIFE),
    r"batchline:\{r:\w+\}:admission:state",
]
"""What no job's end takes away; see `keys`."""

_NOT_WANTED = {ErrorType.CANCELLED, ErrorType.EXPIRED, ErrorType.UNKNOWN, ErrorType.INVALID_OUTPUT}


def broken(world: World) -> list[str]:
    """The promises that were not kept, for people."""
    found = [
        f"{wish.texts[0]}: {what}" for wish in world.wishes if not wish.deleted for what in _of(world, wish)
    ]
    return [*found, *_seconds(world)]


def _of(world: World, wish: Wish) -> Iterator[str]:
    store = JobStore(world.redis, durable=False)
    # Read without a model, as what does not fit is known only to who reads with it.
    meta, outcomes = store.meta(wish.job.id), world.client.job(wish.job.id).results()
    if [one.custom_id for one in outcomes] != [f"request-{n}" for n in range(len(wish.texts))]:
        yield f"not one outcome for each request: {[one.custom_id for one in outcomes]}"
    by_success = Counter(one.success for one in outcomes)
    if (meta.succeeded, meta.errored) != (by_success[True], by_success[False]):
        yield f"counted {meta.succeeded} and {meta.errored}, but there are {by_success}"
    if sum(meta.errors.values()) != meta.errored or store.done_count(meta.id) != meta.total:
        yield f"its counters differ: {meta.errors}, {store.done_count(meta.id)} done of {meta.total}"
    for shard in world.queue.shards_of(meta.id):
        if shard.state != ShardState.DONE:
            yield f"it has ended, and its shard {shard.id} is {shard.state}"
    for outcome, text in zip(outcomes, wish.texts, strict=True):
        paid = {depth: count for (asked, depth), count in world.provider.paid.items() if asked == text}
        if max(paid.values(), default=0) > wish.rounds:
            yield f"{text} was paid for more than {wish.rounds} times: {paid}; it is {outcome}"
        if outcome.success and not paid:
            yield f"{text} succeeded, and never ran"
        simple = wish.rounds == 1 and not wish.given_up and "reask" not in wish.options
        if paid and simple and not outcome.success and outcome.error_type not in _NOT_WANTED:
            yield f"{text} was answered, and ended as {outcome.error_type}: {outcome.error_message}"


def _seconds(world: World) -> Iterator[str]:
    # Where a shard was given up, its batch is not wanted, and cancelled as a second one.
    if not any(wish.given_up for wish in world.wishes):
        for _, one in Audits(world.redis, lease_s=world.settings.lease_s, durable=False).findings():
            if one.verdict is Verdict.SECOND:
                yield f"a shard has two batches: {one}"


def left(world: World) -> Iterator[str]:
    """What is there once no job is."""
    # Of an empty one that bears no mark nobody can tell whose it is.
    results = [batch for batch, lines in world.provider.results.items() if lines]
    if results:
        yield f"results are left at the provider: {results}"
    for name in world.redis.scan_iter():
        key = name.decode()
        if not any(re.fullmatch(one, key) for one in _FOREVER):
            yield f"{key} is left, for {world.redis.ttl(name)} s"
