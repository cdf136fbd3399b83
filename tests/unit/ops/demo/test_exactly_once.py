"""What the demo would say if something were lost, doubled or sent twice."""

from __future__ import annotations

from collections import Counter

import pytest

from batchline import ProviderBatch
from batchline_ops.demo.exactly_once import AcceptedBatch, Verdict, judge


def shard(name: str, batch_id: str | None, requests: int) -> ProviderBatch:
    return ProviderBatch(
        shard=name,
        state="done",
        batch_id=batch_id,
        provider_status="completed",
        requests=requests,
        message="",
    )


def batch(batch_id: str, lines: int) -> AcceptedBatch:
    return AcceptedBatch(id=batch_id, status="completed", line_count=lines)


ASKED = ("a", "b", "c")
SHARDS = [shard("s1", "b1", 2), shard("s2", "b2", 1)]
BATCHES = [batch("b1", 2), batch("b2", 1)]


def verdict(
    seen: str = "abc",
    *,
    shards: list[ProviderBatch] | None = None,
    batches: list[AcceptedBatch] | None = None,
) -> Verdict:
    return judge(ASKED, Counter(seen), shards or SHARDS, BATCHES if batches is None else batches)


def test_one_outcome_for_each_request_and_one_batch_for_each_part_is_exactly_once() -> None:
    found = verdict()

    assert found.exactly_once
    assert (found.outcomes, found.shards, found.batches, found.problems) == (3, 2, 2, ())


@pytest.mark.parametrize(
    ("seen", "problem"),
    [
        pytest.param("ab", "1 requests have no outcome, such as 'c'", id="missing"),
        pytest.param("abcc", "1 requests have more than one outcome, such as 'c'", id="twice"),
        pytest.param("abcd", "1 outcomes answer nothing that was asked, such as 'd'", id="foreign"),
    ],
)
def test_outcomes_that_are_not_one_for_each_request_are_named(seen: str, problem: str) -> None:
    found = verdict(seen)

    assert not found.exactly_once
    assert problem in found.problems


def test_a_part_that_was_submitted_twice_is_named() -> None:
    found = verdict(batches=[*BATCHES, batch("b3", 1)])

    assert "1 batches belong to no part, such as 'b3'" in found.problems
    assert "the provider was sent 4 lines for 3 requests" in found.problems


def test_a_part_whose_batch_the_provider_does_not_know_is_named() -> None:
    assert not verdict(batches=BATCHES[:1]).exactly_once


def test_two_parts_that_claim_one_batch_are_named() -> None:
    found = verdict(shards=[shard("s1", "b1", 2), shard("s2", "b1", 1)])

    assert "2 parts have no batch, or not one of their own, such as 's1'" in found.problems


def test_a_part_without_a_batch_is_named() -> None:
    assert not verdict(shards=[SHARDS[0], shard("s2", None, 1)]).exactly_once
