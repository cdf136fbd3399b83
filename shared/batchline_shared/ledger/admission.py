"""Who may create a batch next, in each provider account: what all workers share of its limits.

A shard asks before it is uploaded, holds its share of the room from the answer on until its batch has ended,
and gives it back then. Holding is not leasing: it outlives a worker's death, as the batch does, so a shard
that is gone has to be swept.

Jobs share a model's room by fair queueing over tokens: a small job waits for at most one shard of each larger
one, and a large one not longer because small ones keep coming. The next in that order gets its room before
anyone after it, also where those would fit. Each call is one script, safe to repeat; all times are the
server's.

Source:
    Golestani: "A Self-Clocked Fair Queueing Scheme for Broadband Applications" (INFOCOM 1994).
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

from batchline_shared.ledger import keys
from batchline_shared.ledger.admission_records import Admitted, Holder, Reason, RouteRoom, TooLarge, Wait
from batchline_shared.ledger.scripts import Scripts

if TYPE_CHECKING:
    from collections.abc import Callable

    from redis import Redis
    from redis.commands.core import Script

    from batchline_shared.limits import Budgets

__all__ = ["Admission"]

FORGET_AFTER_S = 24 * 3600
"""Seconds for which a limit that a provider named holds. Accounts rise by themselves; where one has
not, the next refusal teaches it again. It is forgotten at once when the settings change."""

REFUSED_S = 60
"""Seconds for which a refused model waits, unless a batch of it ends: OpenAI frees tokens late, and others
may use the account."""

OPENS_AT = 3
"""Failures in a row that stop an account."""

FIRST_STOP_S = 30
LONGEST_STOP_S = 600

PROBE_S = 180
"""Seconds for which one shard tries out an account after a stop: more than an upload and a creation take."""

FACTOR_WEIGHT = 0.2
"""Of a new observation, in the average of a model's token factor. The first one counts wholly."""

LEAST_FACTOR, LARGEST_FACTOR = 0.25, 4.0

_TAUGHT_S = 30 * 24 * 3600
_PAGE = 500


class Admission:
    """`keys.admission`. Every method is for one route: `ModelName.route`."""

    def __init__(self, client: Redis) -> None:
        # redis-py types every reply as str or bytes, whatever the client decodes; ours are bytes.
        self._client: Any = client
        self._scripts = Scripts(client)

    def ask(
        self,
        route: str,
        model: str,
        shard_id: str,
        *,
        tokens: int,
        requests: int,
        weight: float,
        flow: str,
        limits: Budgets,
    ) -> Admitted | Wait | TooLarge:
        """Queue a shard where it is new, admit whoever is next, and say whether this one may go ahead.

        Args:
            route: Provider and account.
            model: Its name without both.
            shard_id: An id that asks again keeps its place, and one that is admitted stays so.
            tokens: Input tokens as estimated; the model's factor is applied here.
            requests: What it counts of enqueued requests.
            weight: Above 0. A flow of weight 2 gets twice as much through as one of weight 1.
            flow: Who waits in line with itself: a job's id, or a pool's.
            limits: As the settings have them now; the last asker's count for everybody.
        """
        reply = self._call(
            self._scripts.ask_admission,
            route,
            shard_id,
            model,
            tokens,
            requests,
            repr(float(weight)),
            flow,
            *("-" if limit is None else limit for limit in limits),
            PROBE_S * 1000,
        )
        kind, *rest = [part.decode() if isinstance(part, bytes) else part for part in reply]
        if kind == "admitted":
            return Admitted(tuple(rest))
        if kind == "wait":
            position, reason, again_ms, *wake = rest
            return Wait(int(position), Reason(reason), int(again_ms) / 1000 or None, tuple(wake))
        return TooLarge(*(None if limit == "-" else int(limit) for limit in rest))

    def give_back(self, route: str, shard_id: str) -> list[str]:
        """Free a shard's share once its batch has ended, or let it leave the queue; safe to call for any.

        Returns:
            The shards that were admitted in its stead, or have become too large: let them ask now.
        """
        return self._give_back(route, shard_id, b"")

    def _give_back(self, route: str, shard_id: str, seen: bytes) -> list[str]:
        return _ids(self._call(self._scripts.give_back, route, shard_id, _mark(), seen))

    def learn(
        self,
        route: str,
        model: str,
        *,
        shard_id: str = "",
        limit_tokens: int | None = None,
        limit_requests: int | None = None,
    ) -> list[str]:
        """Mind a refusal for want of room: the limits that it names, and the shard that it hit.

        A named limit holds for `FORGET_AFTER_S`, or until the settings say another than now; a lower one in
        the settings wins. The shard goes back to its place, and its model waits for a batch of it to end, at
        most `REFUSED_S`, unless the limit says why: then the shard is too large, and is to be cut.

        Args:
            route: Provider and account.
            model: Its name without both.
            shard_id: What was refused; empty: nothing was, and only the limits are minded.
            limit_tokens: None where the refusal does not tell.
            limit_requests: None where the refusal does not tell.

        Returns:
            The shards that were admitted in its stead, or have become too large: let them ask now.
        """
        named = ("" if limit is None else limit for limit in (limit_tokens, limit_requests))
        times = (FORGET_AFTER_S * 1000, REFUSED_S * 1000, _TAUGHT_S)
        return _ids(self._call(self._scripts.learn_limit, route, shard_id, model, _mark(), *named, *times))

    def refine(self, route: str, model: str, *, estimated_tokens: int, actual_tokens: int) -> float:
        """Learn from what a batch used how far estimates are off; returns the model's factor.

        factor ← factor + 0.2 · (actual / estimated - factor), each within 0.25 … 4.

        Args:
            route: Provider and account.
            model: Its name without both.
            estimated_tokens: Of the requests that were answered, as for `ask`.
            actual_tokens: What the provider reports of their input.
        """
        if estimated_tokens <= 0 or actual_tokens <= 0:
            return self.factor(route, model)
        observed = (estimated_tokens, actual_tokens, FACTOR_WEIGHT, LEAST_FACTOR, LARGEST_FACTOR)
        return float(self._call(self._scripts.refine_estimate, route, model, _mark(), *observed, _TAUGHT_S))

    def factor(self, route: str, model: str) -> float:
        """What estimates of a model's tokens are multiplied with; 1 while nothing is known."""
        return float(self._client.hget(_named_keys(route)["taught"], f"factor {model}") or 1)

    def pause(self, route: str, seconds: float) -> None:
        """Let nobody ahead for a while; of two pauses the later end counts."""
        self._call(self._scripts.pause_route, route, int(seconds * 1000), _mark())

    def paused(self, route: str) -> float:
        """Seconds for which an account stands still yet, paused or stopped after failures; 0: it does not."""
        room = self.snapshot(route)
        return max(room.paused_s, room.stopped_s)

    def failed(self, route: str) -> float:
        """Count a call that failed on the provider's side.

        The third in a row stops the account for 30 s, and each failure after a stop for twice as long, up
        to 10 minutes. After a stop one shard at a time is let through, until one reports `succeeded`.

        Returns:
            Seconds for which the account is stopped; 0: it is not. Spread what comes back then.
        """
        stops_ms = (FIRST_STOP_S * 1000, LONGEST_STOP_S * 1000)
        return int(self._call(self._scripts.count_failure, route, _mark(), OPENS_AT, *stops_ms)) / 1000

    def succeeded(self, route: str) -> None:
        """Note that the provider has answered, be it with a refusal: it is there."""
        fields = ("failures", "open_until", "probe", "probe_until")
        self._client.hdel(_named_keys(route)["state"], *fields)

    def holders(self, route: str) -> list[Holder]:
        """The shards that are admitted, longest first."""
        held = self._client.zrange(_named_keys(route)["held"], 0, -1, withscores=True)
        return [Holder(name.decode(), int(since_ms)) for name, since_ms in held]

    def sweep(self, route: str, is_open: Callable[[str], bool]) -> list[str]:
        """Give back what shards hold, or their place in the queue, that nobody will.

        Args:
            route: Provider and account.
            is_open: Whether a shard may still be created or has a batch that runs; asked for every shard.

        Returns:
            The shards that were admitted instead, or have become too large: let them ask now.
        """
        wake: list[str] = []
        for shard_id, record in self._client.hscan_iter(_named_keys(route)["records"], count=_PAGE):
            # The record as it was seen: a shard that has left and come back meanwhile is another's.
            if not is_open(shard_id.decode()):
                wake += self._give_back(route, shard_id.decode(), record)
        return wake

    def snapshot(self, route: str) -> RouteRoom:
        """What is used of every limit, now."""
        return RouteRoom.read(self._call(self._scripts.admission_room, route))

    @staticmethod
    def _call(script: Script, route: str, *args: Any) -> Any:
        return script(keys=keys.admission(route), args=[keys.admission_prefix(route), *args])


def _named_keys(route: str) -> dict[str, str]:
    return {name.rpartition(":")[2]: name for name in keys.admission(route)}


def _mark() -> str:
    """What tells one call from every other: redis-py may send it twice."""
    return secrets.token_hex(8)


def _ids(reply: list[bytes]) -> list[str]:
    return [name.decode() for name in reply]
