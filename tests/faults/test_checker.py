"""Each invariant of the checker is broken by a history that it must catch, and by nothing in a good one."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from faults.checker import INVARIANTS, check, counted, doubled
from faults.history import Acked, Act, Bound, History, JobEnd, Late, Outcome, Read, SeenBatch, Shard
from faults.trade import mark_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

BATCH = SeenBatch("batch_1", "openai", "shard-0", requests=2, ran=True, results=("file-1",))
SHARD = Shard("shard-0", "shard-0", "job_1", "openai", state="done", batch_id="batch_1", requests=2)


def good() -> History:
    """A job of two requests in one batch, one of which succeeded."""
    return History(
        "a fault",
        tick_s=0.3,
        acked=[Acked("job_1", "openai", 2)],
        acts=[Act("kill", "openai"), Act("flush", "")],
        batches=[BATCH],
        reads=[Read("openai", "/v1/files/file-1/content")],
        shards=[SHARD],
        jobs=[JobEnd("job_1", "openai", final=True, total=2, succeeded=1, errored=1)],
        outcomes=[Outcome("job_1", "request-0", success=True), Outcome("job_1", "request-1", success=False)],
        late=[Late("poll", "shard-0", 0.2)],
        bounds=[Bound("seconds", 1.0, 2.0)],
        struck={"openai": 3},
        gauges={"succeeded": 1, "errored": 1},
    )


def broken(history: History) -> set[str]:
    return {violation.invariant for violation in check(history)}


def second_batch(history: History) -> None:
    history.batches.append(replace(BATCH, id="batch_2", results=()))


def lost_batch(history: History) -> None:
    history.batches.clear()


def other_batch(history: History) -> None:
    history.shards[0] = replace(SHARD, batch_id="batch_9")


def other_size(history: History) -> None:
    history.shards[0] = replace(SHARD, requests=1)


def open_shard(history: History) -> None:
    history.shards[0] = replace(SHARD, state="submitting")


def unknown_batch(history: History) -> None:
    history.batches.append(replace(BATCH, id="batch_2", mark="", results=()))


def foreign_results(history: History) -> None:
    history.batches.append(replace(BATCH, id="batch_2", mark="other", results=("file-2",)))
    history.reads.append(Read("openai", "/v1/files/file-2/content"))


def lost_outcome(history: History) -> None:
    history.outcomes.pop()


def second_outcome(history: History) -> None:
    history.outcomes.append(history.outcomes[1])


def foreign_outcome(history: History) -> None:
    history.outcomes.append(Outcome("job_1", "request-7", success=False))


def unended_job(history: History) -> None:
    history.jobs[0] = replace(history.jobs[0], final=False)


def lost_job(history: History) -> None:
    history.jobs.clear()
    history.gauges = {}


def wrong_counter(history: History) -> None:
    history.jobs[0] = replace(history.jobs[0], errored=0)


def wrong_gauge(history: History) -> None:
    history.gauges["errored"] = 2


def wrong_success(history: History) -> None:
    history.outcomes[1] = Outcome("job_1", "request-1", success=True)


def forgotten_lease(history: History) -> None:
    history.late.append(Late("submit", "shard-0", 1.7))


def forgotten_work(history: History) -> None:
    history.leftovers.append("settle: job_1")


def broken_bound(history: History) -> None:
    history.bounds.append(Bound("seconds", 2.1, 2.0))


DAMAGES: list[tuple[Callable[[History], None], str]] = [
    (second_batch, "at most one provider batch for each shard attempt"),
    (lost_batch, "exactly one provider batch once submitted"),
    (other_batch, "exactly one provider batch once submitted"),
    (other_size, "exactly one provider batch once submitted"),
    (open_shard, "exactly one provider batch once submitted"),
    (unknown_batch, "no provider batch that the ledger does not own"),
    (foreign_results, "no result taken from a batch that the ledger does not own"),
    (lost_outcome, "every request has exactly one outcome"),
    (second_outcome, "every request has exactly one outcome"),
    (foreign_outcome, "every request has exactly one outcome"),
    (unended_job, "every acknowledged job ends"),
    (lost_job, "every acknowledged job ends"),
    (wrong_counter, "the sum of all counters is the requests"),
    (wrong_gauge, "the sum of all counters is the requests"),
    (wrong_success, "the sum of all counters is the requests"),
    (forgotten_lease, "nothing is past its lease for more than two ticks"),
    (forgotten_work, "nothing is left due"),
    (broken_bound, "what was measured is within its bounds"),
]


def test_a_good_history_breaks_nothing() -> None:
    assert check(good()) == []


@pytest.mark.parametrize(("damage", "invariant"), DAMAGES, ids=lambda value: getattr(value, "__name__", ""))
def test_a_history_that_breaks_a_promise_is_caught(damage: Callable[[History], None], invariant: str) -> None:
    history = good()
    damage(history)

    assert invariant in broken(history)


def test_every_invariant_has_a_history_that_breaks_it() -> None:
    assert {invariant for _, invariant in DAMAGES} == set(INVARIANTS)


def test_a_batch_that_the_provider_failed_before_it_ran_is_no_double() -> None:
    history = good()
    history.batches.append(replace(BATCH, id="batch_2", ran=False, results=()))

    assert check(history) == []
    assert doubled(history, "openai") == 0


def test_googles_names_are_whole_paths_on_one_side_only() -> None:
    history = good()
    history.shards[0] = replace(SHARD, batch_id="projects/p/locations/l/batchPredictionJobs/batch_1")

    assert check(history) == []


def test_the_table_counts_what_happened_to_each_provider() -> None:
    history = good()
    second_batch(history)
    lost_outcome(history)
    count = counted(history, "openai")

    assert (count.submissions, count.kills, count.faults, count.batches) == (1, 1, 4, 2)
    assert (count.doubled, count.lost, count.outcomes) == (1, 1, 1)
    assert counted(history, "gemini").batches == 0


def test_a_history_is_read_as_it_was_saved(tmp_path: Path) -> None:
    good().save(tmp_path / "history.json")

    assert History.load(tmp_path / "history.json") == good()


@pytest.mark.parametrize(
    "batch",
    [
        {"metadata": {"batchline_shard": "abc-1"}},
        {"display_name": "batchline_shard=abc-1"},
        {"display_name": "abc-1", "labels": {"batchline_shard": "abc-1"}},
        {"first_custom_id": "bl-abc-1-0"},
    ],
    ids=["openai", "gemini", "google", "anthropic"],
)
def test_every_provider_tells_whose_a_batch_is(batch: dict[str, Any]) -> None:
    assert mark_of(batch) == "abc-1"
    assert mark_of({"metadata": None, "display_name": None, "first_custom_id": "somebody"}) == ""
