"""Admission, whatever happens in whatever order: no limit is exceeded, nothing leaks, nobody starves.

Every script is sent twice here, as redis-py does where an answer is lost, and the second changes nothing.
"""

from __future__ import annotations

from typing import Any

import fakeredis
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from admission_time import later
from batchline_shared.ledger import keys
from batchline_shared.ledger.admission import OPENS_AT, Admission
from batchline_shared.ledger.admission_records import Admitted, TooLarge, Wait
from batchline_shared.limits import Budgets

ROUTE = "openai@research"
MODELS = ("m0", "m1")
SHARDS = [f"{flow}-{n}" for flow in ("big", "small", "pool") for n in range(6)]


class SentTwice(fakeredis.FakeRedis):
    """Sends each script again, answers what the second said, and holds that it changed nothing."""

    def evalsha(self, sha: str, numkeys: int, *rest: Any) -> Any:
        super().evalsha(sha, numkeys, *rest)
        before = self.everything()
        answer = super().evalsha(sha, numkeys, *rest)
        assert self.everything() == before
        return answer

    def everything(self) -> dict[bytes, Any]:
        found: dict[bytes, Any] = {}
        for name in self.scan_iter():
            hashed = self.type(name) == b"hash"
            found[name] = self.hgetall(name) if hashed else self.zrange(name, 0, -1, withscores=True)
        return found


class Admissions(RuleBasedStateMachine):
    """Workers that ask, end, are refused, die and are swept, on one account."""

    def __init__(self) -> None:
        super().__init__()
        self.redis: Any = SentTwice()
        self.admission = Admission(self.redis)
        self.limits = Budgets(model_tokens=100, requests=40, batches=6)
        self.held: set[str] = set()
        self.gone: set[str] = set()

    def note(self) -> None:
        """See who was admitted; what is held together may exceed a limit only if it was lowered since."""
        now = {holder.shard_id for holder in self.admission.holders(ROUTE)}
        if now - self.held:
            room = self.admission.snapshot(ROUTE)
            uses = [room.requests, room.batches]
            for shard in now - self.held:
                one = room.models[self.model_of(shard)]
                uses += [one.tokens, one.requests]
            assert all(use.limit is None or use.used <= use.limit for use in uses)
        self.held = now

    def model_of(self, shard: str) -> str:
        return MODELS[int(shard[-1]) % 2]

    @rule(
        shard=st.sampled_from(SHARDS),
        tokens=st.integers(1, 120),
        requests=st.integers(1, 30),
        weight=st.sampled_from([0.5, 1, 3]),
    )
    def ask(self, shard: str, tokens: int, requests: int, weight: float) -> None:
        answer = self.admission.ask(
            ROUTE,
            self.model_of(shard),
            shard,
            tokens=tokens,
            requests=requests,
            weight=weight,
            flow=shard.partition("-")[0],
            limits=self.limits,
        )
        self.gone.discard(shard)
        self.note()
        if isinstance(answer, Admitted):
            assert shard in self.held
        if isinstance(answer, TooLarge):
            assert shard not in self.held
            assert not self.redis.hexists(keys.admission(ROUTE)[0], shard)
        if isinstance(answer, Wait) and shard not in self.held:
            assert self.redis.hexists(keys.admission(ROUTE)[0], shard)

    @rule(shard=st.sampled_from(SHARDS))
    def give_back(self, shard: str) -> None:
        self.admission.give_back(ROUTE, shard)
        self.note()
        assert shard not in self.held

    @rule(shard=st.sampled_from(SHARDS))
    def lose(self, shard: str) -> None:
        """The shard's record is gone, and nobody has given back what it holds."""
        self.gone.add(shard)

    @rule()
    def sweep(self) -> None:
        self.admission.sweep(ROUTE, lambda shard: shard not in self.gone)
        self.note()
        assert not self.gone & self.held

    @precondition(lambda self: self.held)
    @rule(data=st.data(), limit=st.one_of(st.none(), st.integers(30, 150)))
    def refuse(self, data: st.DataObject, limit: int | None) -> None:
        shard = data.draw(st.sampled_from(sorted(self.held)))
        self.admission.learn(ROUTE, self.model_of(shard), shard_id=shard, limit_tokens=limit)
        self.note()
        assert shard not in self.held

    @rule(tokens=st.sampled_from([60, 100, None]), batches=st.sampled_from([1, 6, None]))
    def configure(self, tokens: int | None, batches: int | None) -> None:
        self.limits = Budgets(model_tokens=tokens, requests=40, batches=batches)

    @rule(model=st.sampled_from(MODELS), actual=st.integers(1, 1000))
    def refine(self, model: str, actual: int) -> None:
        assert 0.25 <= self.admission.refine(ROUTE, model, estimated_tokens=100, actual_tokens=actual) <= 4

    @rule(times=st.integers(1, OPENS_AT))
    def fail(self, times: int) -> None:
        for _ in range(times):
            self.admission.failed(ROUTE)

    @rule()
    def succeed(self) -> None:
        self.admission.succeeded(ROUTE)

    @rule(seconds=st.sampled_from([1, 200, 90_000]))
    def wait(self, seconds: int) -> None:
        later(self.redis, ROUTE, seconds)

    @invariant()
    def what_is_used_is_what_the_holders_hold(self) -> None:
        records = self.redis.hgetall(keys.admission(ROUTE)[0])
        room = self.admission.snapshot(ROUTE)
        totals: dict[str, tuple[int, int]] = dict.fromkeys(MODELS, (0, 0))
        for holder in self.admission.holders(ROUTE):
            model, tokens, requests, *_ = records[holder.shard_id.encode()].decode().split()
            before = totals[model]
            totals[model] = (before[0] + int(tokens), before[1] + int(requests))

        assert {m: (one.tokens.used, one.requests.used) for m, one in room.models.items()} == {
            m: totals[m] for m in room.models
        }
        assert room.requests.used == sum(requests for _, requests in totals.values())
        assert len(records) == len(self.held) + sum(one.waiting for one in room.models.values())

    def teardown(self) -> None:
        """Once everybody is gone nothing is held, and nobody waits for ever."""
        self.admission.succeeded(ROUTE)
        later(self.redis, ROUTE, 90_000)
        self.limits = Budgets()
        turns = 0
        while self.redis.exists(keys.admission(ROUTE)[0]):
            turns += 1
            assert turns <= len(SHARDS) + 1
            for shard in [name.decode() for name in self.redis.hkeys(keys.admission(ROUTE)[0])]:
                self.ask(shard, 1, 1, 1)
            for shard in self.held:
                self.admission.give_back(ROUTE, shard)
            self.note()

        assert list(self.redis.scan_iter("*:waiting:*")) == []
        assert list(self.redis.scan_iter("*:flows:*")) == []
        assert self.admission.snapshot(ROUTE).requests.used == 0


TestAdmissions = Admissions.TestCase
TestAdmissions.settings = settings(max_examples=40, stateful_step_count=30)


@settings(max_examples=60)
@given(
    big=st.lists(st.integers(20, 100), min_size=3, max_size=25),
    others=st.integers(1, 4),
    arrives=st.integers(0, 20),
    small=st.integers(1, 20),
)
def test_a_small_job_waits_for_at_most_one_shard_of_each_larger_one(
    big: list[int], others: int, arrives: int, small: int
) -> None:
    admission = Admission(fakeredis.FakeRedis())

    def ask(shard: str, tokens: int, flow: str) -> None:
        admission.ask(ROUTE, "m", shard, tokens=tokens, requests=1, weight=1, flow=flow, limits=Budgets(100))

    for flow in range(others):
        for n, tokens in enumerate(big):
            ask(f"{flow}-{n:02}", tokens, f"big-{flow}")
    seen = {holder.shard_id for holder in admission.holders(ROUTE)}
    for _ in range(min(arrives, len(big) * others - 2)):
        seen.update(admission.give_back(ROUTE, admission.holders(ROUTE)[0].shard_id))
    ask("small", small, "small")

    before: list[str] = []
    while all(holder.shard_id != "small" for holder in admission.holders(ROUTE)):
        before += admission.give_back(ROUTE, admission.holders(ROUTE)[0].shard_id)

    ahead = before[: before.index("small")] if "small" in before else []
    assert all(sum(shard.startswith(f"{flow}-") for shard in ahead) <= 1 for flow in range(others)), ahead
