"""The judge: reads a history and says which promises it breaks. Asks nobody, starts nothing.

Each invariant is a function from a history to sentences, one for each breach.
`tests/faults/test_checker.py` shows each of them a history that breaks it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from faults.history import History, SeenBatch

__all__ = ["INVARIANTS", "Count", "Violation", "check", "counted", "doubled"]

_WITH_BATCH = frozenset({"submitted", "collecting", "done"})
"""States of a shard in which exactly one batch exists."""

_TICKS = 2
"""Ticks within which work that is past its lease must be taken over."""

_HANDED_OVER_S = 1.0
"""For a tick to become a lease where two cores have a dozen workers to run. It is no part of the promise.

Ticks are a twentieth of the usual here; what nobody takes over stays for longer than that.
"""


@dataclass(frozen=True)
class Violation:
    """One breach of one invariant."""

    invariant: str
    text: str

    def __str__(self) -> str:
        return f"{self.invariant}: {self.text}"


@dataclass(frozen=True)
class Count:
    """One row of the table: what happened to one provider under one fault."""

    submissions: int
    """Shard attempts that were given to the provider."""
    kills: int
    faults: int
    """Spoiled calls, and all else that was done, SIGKILLs not counted."""
    batches: int
    doubled: int
    lost: int
    """Requests of acknowledged jobs without an outcome."""
    outcomes: int


def check(history: History) -> list[Violation]:
    """Judge a history by every invariant."""
    return [Violation(name, text) for name, judge in INVARIANTS.items() for text in judge(history)]


def counted(history: History, provider: str) -> Count:
    """Count what happened to one provider."""
    ours = [shard for shard in history.shards if shard.provider == provider]
    acts = [act for act in history.acts if act.provider in {provider, ""}]
    kills = sum(act.kind == "kill" for act in acts)
    wanted = Counter({job.job_id: job.requests for job in history.acked if job.provider == provider})
    read = Counter(outcome.job_id for outcome in history.outcomes if outcome.job_id in wanted)
    return Count(
        submissions=len({shard.mark for shard in ours if shard.batch_id}),
        kills=kills,
        faults=len(acts) - kills + history.struck.get(provider, 0),
        batches=sum(batch.provider == provider for batch in history.batches),
        doubled=doubled(history, provider),
        lost=(wanted - read).total(),
        outcomes=read.total(),
    )


def doubled(history: History, provider: str) -> int:
    """Count batches beyond the first of each shard attempt."""
    marks = _marks(history)
    return sum(len(batches) - 1 for batches in marks.values() if batches[0].provider == provider)


def _marks(history: History) -> dict[str, list[SeenBatch]]:
    """All batches that may be billed, by the shard attempt that they say they are."""
    found: dict[str, list[SeenBatch]] = defaultdict(list)
    for batch in history.batches:
        if batch.ran:
            found[batch.mark or batch.id].append(batch)
    return found


def _last(name: str) -> str:
    """What tells a resource from the others: Google's are whole paths."""
    return name.rpartition("/")[2]


def _one_batch_for_each_attempt(history: History) -> Iterator[str]:
    for mark, batches in _marks(history).items():
        if len(batches) > 1:
            yield f"{batches[0].provider} has {len(batches)} batches of {mark}: {_ids(batches)}"


def _one_batch_once_submitted(history: History) -> Iterator[str]:
    marks = _marks(history)
    for shard in history.shards:
        batches = marks.get(shard.mark, [])
        if shard.state in _WITH_BATCH and not batches:
            yield f"{shard.id} is {shard.state}, and {shard.provider} has no batch of it"
        elif shard.state in _WITH_BATCH and _last(shard.batch_id) not in {_last(b.id) for b in batches}:
            yield f"{shard.id} names {shard.batch_id or 'no batch'}, and its own is {_ids(batches)}"
        elif shard.state in _WITH_BATCH and shard.requests not in {batch.requests for batch in batches}:
            yield f"{shard.id} has {shard.requests} requests, and its batch another number"
        elif shard.state not in _WITH_BATCH:
            yield f"{shard.id} has not ended: it is {shard.state}"


def _no_batch_without_a_shard(history: History) -> Iterator[str]:
    known = {_last(shard.batch_id) for shard in history.shards if shard.batch_id}
    for batch in history.batches:
        if batch.ran and _last(batch.id) not in known:
            yield f"no shard has {batch.provider}'s batch {batch.id} ({batch.mark or 'without a mark'})"


def _results_of_our_own_only(history: History) -> Iterator[str]:
    known = {_last(shard.batch_id) for shard in history.shards if shard.batch_id}
    foreign = [batch for batch in history.batches if _last(batch.id) not in known]
    for read in history.reads:
        for batch in foreign:
            if batch.provider == read.provider and any(place in read.path for place in batch.results):
                yield f"results of {batch.id} were read, which no shard has"


def _one_outcome_for_each_request(history: History) -> Iterator[str]:
    read: dict[str, Counter[str]] = defaultdict(Counter)
    for outcome in history.outcomes:
        read[outcome.job_id][outcome.custom_id] += 1
    for job in history.acked:
        wanted = Counter({f"request-{row}": 1 for row in range(job.requests)})
        missing, surplus = wanted - read[job.job_id], read[job.job_id] - wanted
        if missing:
            yield f"{job.job_id} ({job.provider}) lacks {missing.total()} outcomes: {sorted(missing)[:5]}"
        if surplus:
            yield f"{job.job_id} ({job.provider}) has {surplus.total()} too many: {sorted(surplus)[:5]}"


def _every_job_ends(history: History) -> Iterator[str]:
    ends = {job.job_id: job for job in history.jobs}
    for job in history.acked:
        if job.job_id not in ends:
            yield f"{job.job_id} ({job.provider}) was acknowledged, and is gone"
        elif not ends[job.job_id].final:
            yield f"{job.job_id} ({job.provider}) has not ended"


def _counters_are_the_requests(history: History) -> Iterator[str]:
    acked = {job.job_id: job.requests for job in history.acked}
    for job in history.jobs:
        wanted = acked.get(job.job_id, job.total)
        if not job.total == wanted == job.succeeded + job.errored:
            yield (
                f"{job.job_id} has {wanted} requests, counts {job.total}, "
                f"{job.succeeded} succeeded and {job.errored} errored"
            )
    total = sum(job.total for job in history.jobs)
    if sum(history.gauges.values()) != total:
        yield f"the gauges count {sum(history.gauges.values())} requests, the jobs {total}"
    good = Counter(outcome.job_id for outcome in history.outcomes if outcome.success)
    for job in history.jobs:
        if job.job_id in acked and good[job.job_id] != job.succeeded:
            yield f"{job.job_id} counts {job.succeeded} successes, and {good[job.job_id]} were read"


def _nothing_past_its_lease(history: History) -> Iterator[str]:
    for late in history.late:
        if late.late_s > _TICKS * history.tick_s + _HANDED_OVER_S:
            yield f"{late.member} was {late.late_s:.2f} s past its lease in {late.stage}"


def _nothing_left_due(history: History) -> Iterator[str]:
    for member in history.leftovers:
        yield f"{member} is still due although every job has ended"


def _bounds_hold(history: History) -> Iterator[str]:
    for bound in history.bounds:
        if bound.measured > bound.limit:
            who = f" ({bound.provider})" if bound.provider else ""
            yield f"{bound.name}{who}: {bound.measured:.2f}, and at most {bound.limit:.2f} is allowed"


def _ids(batches: list[SeenBatch]) -> str:
    return ", ".join(batch.id for batch in batches)


INVARIANTS: dict[str, Callable[[History], Iterator[str]]] = {
    "at most one provider batch for each shard attempt": _one_batch_for_each_attempt,
    "exactly one provider batch once submitted": _one_batch_once_submitted,
    "no provider batch that the ledger does not own": _no_batch_without_a_shard,
    "no result taken from a batch that the ledger does not own": _results_of_our_own_only,
    "every request has exactly one outcome": _one_outcome_for_each_request,
    "every acknowledged job ends": _every_job_ends,
    "the sum of all counters is the requests": _counters_are_the_requests,
    "nothing is past its lease for more than two ticks": _nothing_past_its_lease,
    "nothing is left due": _nothing_left_due,
    "what was measured is within its bounds": _bounds_hold,
}
"""Name → judge."""
