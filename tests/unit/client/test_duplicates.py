"""Requests that equal an earlier one are found as they stream in, whatever their number."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest

from batchline import BatchRequest, BudgetExceededError, DuplicateCustomIdError, InvalidRequestError
from batchline.chunking import EncodedRequest
from batchline.duplicates import DuplicateFinder, marking
from batchline_shared.ledger import JobStore, keys
from batchline_shared.ledger.chunks import MAX_ROWS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from redis import Redis

    from batchline import BatchClient

MODEL = "openai/gpt-4.1-mini"


def said(text: str) -> list[dict[str, Any]]:
    return [{"role": "user", "content": text}]


def requests(*texts: str) -> list[EncodedRequest]:
    return [EncodedRequest(text.encode(), None) for text in texts]


@pytest.fixture
def finder() -> Iterator[DuplicateFinder]:
    made = DuplicateFinder()
    yield made
    made.close()


def test_the_first_of_equal_requests_is_told_at_once(finder: DuplicateFinder) -> None:
    marked = finder.marked(requests("a", "b", "a", "a", "b", "c"))

    assert [one.equals for one in marked] == [None, None, 0, 0, 1, None]
    assert finder.found == 3
    assert list(finder.copies()) == [(0, 0, [(2, None), (3, None)]), (1, 0, [(4, None)])]


def test_copies_keep_their_own_ids(finder: DuplicateFinder) -> None:
    list(finder.marked([EncodedRequest(b"a", "x"), EncodedRequest(b"a", "é\n")]))

    assert list(finder.copies()) == [(0, 0, [(1, "é\n")])]


def test_more_copies_than_a_part_holds_come_in_parts(finder: DuplicateFinder) -> None:
    list(finder.marked(requests(*["a"] * (2 * MAX_ROWS + 2))))
    parts = list(finder.copies())

    assert [(one.first, one.part, len(one.rows)) for one in parts] == [
        (0, 0, MAX_ROWS),
        (0, 1, MAX_ROWS),
        (0, 2, 1),
    ]
    assert [row for one in parts for row, _ in one.rows] == list(range(1, 2 * MAX_ROWS + 2))


def test_what_does_not_fit_into_memory_is_found_on_disk() -> None:
    draw = random.Random(7)
    texts = [str(draw.randrange(20_000)) for _ in range(40_000)]
    firsts: dict[str, int] = {}
    expected = [
        None if firsts.setdefault(text, row) == row else firsts[text] for row, text in enumerate(texts)
    ]
    small = DuplicateFinder(cache_kib=64)
    try:
        found = [one.equals for one in small.marked(requests(*texts))]
        copies = [(one.first, row) for one in small.copies() for row, _ in one.rows]
    finally:
        small.close()

    assert found == expected
    assert copies == sorted((first, row) for row, first in enumerate(expected) if first is not None)


def test_the_database_goes_when_the_enqueue_is_given_up() -> None:
    with pytest.raises(RuntimeError), marking(requests("a"), deduplicate=True) as (_, used):
        raise RuntimeError

    assert used is not None
    with pytest.raises(Exception, match="closed"):
        list(used.marked(requests("a")))


def test_a_job_says_how_many_of_its_requests_are_not_sent(client: BatchClient, ledger: Redis) -> None:
    job = client.enqueue(MODEL, None, [said("a"), said("b"), said("a")], deduplicate=True)
    store = JobStore(ledger)

    assert (job.info().total, job.info().duplicates) == (3, 1)
    assert store.unequal_rows(job.id, 0, 3) == [0, 1]
    assert next(store.rows(job.id, [0]))[2] == b"0"
    assert store.infos(job.id, 0, 1)[0].duplicates == 1
    assert all(ledger.ttl(name) == -1 for name in keys.job_keys(job.id) if ledger.exists(name))


def test_requests_are_sent_as_often_as_they_come_unless_asked_otherwise(
    client: BatchClient, ledger: Redis
) -> None:
    job = client.enqueue(MODEL, None, [said("a")] * 3)

    assert job.info().duplicates == 0
    assert not ledger.exists(keys.duplicates(job.id), keys.copies(job.id))


def test_requests_with_other_options_are_not_equal(client: BatchClient) -> None:
    same = BatchRequest(messages=said("a"), max_tokens=5)
    job = client.enqueue(MODEL, None, [same, same, BatchRequest(messages=said("a"))], deduplicate=True)

    assert job.info().duplicates == 1


def test_equal_requests_may_not_bear_equal_ids(client: BatchClient, ledger: Redis) -> None:
    with pytest.raises(DuplicateCustomIdError):
        client.enqueue(MODEL, None, [said("a")] * 2, custom_ids=["x", "x"], deduplicate=True)

    assert not list(ledger.scan_iter(match="batchline:{*"))


def test_a_bad_request_behind_equal_ones_is_named_by_its_own_number(client: BatchClient) -> None:
    with pytest.raises(InvalidRequestError, match="request 2"):
        client.enqueue(MODEL, None, [said("a"), said("a"), []], deduplicate=True)


def test_embeddings_count_only_the_texts_that_are_sent(client: BatchClient, ledger: Redis) -> None:
    job = client.enqueue(
        "openai/text-embedding-3-small",
        None,
        [["a", "b"], ["a", "b"], "c"],
        endpoint="/v1/embeddings",
        deduplicate=True,
    )
    (info,) = JobStore(ledger).infos(job.id, 0, 1)

    assert (info.rows, info.duplicates, info.inputs) == (3, 1, 3)


def test_what_is_not_sent_is_not_estimated(client: BatchClient) -> None:
    once = client.estimate(MODEL, None, [said("hello")])

    assert client.estimate(MODEL, None, [said("hello")] * 9, deduplicate=True) == once
    assert client.estimate(MODEL, None, [said("hello")] * 9).requests == 9


def test_what_is_not_sent_counts_for_no_budget(client: BatchClient) -> None:
    many = [said("x" * 100_000)] * 600
    with pytest.raises(BudgetExceededError):
        client.enqueue(MODEL, None, many, max_cost_usd=0.5)

    assert client.enqueue(MODEL, None, many, max_cost_usd=0.5, deduplicate=True).info().duplicates == 599


@pytest.mark.parametrize("count", [2 * MAX_ROWS + 1, 3])
def test_an_idempotency_key_gives_the_same_job(client: BatchClient, count: int) -> None:
    jobs = [
        client.enqueue(MODEL, None, [said("a")] * count, deduplicate=True, idempotency_key="k") for _ in "12"
    ]

    assert jobs[0].id == jobs[1].id
    assert jobs[0].info().duplicates == count - 1
