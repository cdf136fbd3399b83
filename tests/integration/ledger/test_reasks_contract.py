"""Answers that are sent back: noted once, together with the failure, and read row by row."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest

from batchline_shared.errors import LedgerError
from batchline_shared.ledger import JobStatus, Landing, Note, keys
from batchline_shared.ledger.reasks import BLOCK_ROWS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from batchline_shared.ledger import JobStore

JOB = "job_1"


@pytest.fixture(autouse=True)
def _committed(store: JobStore) -> None:
    store.begin(JOB, {"model": "openai/m", "provider": "openai", "idem": "", "max_attempts": 1})
    store.commit(JOB, {"total": 5000, "chunks": 0})


def failures(rows: Sequence[int]) -> Landing:
    return Landing(list(rows), [b'{"n":%d}' % row for row in rows], [{"input_tokens": 2} for _ in rows])


def turns(rows: Sequence[int], attempt: int = 1) -> list[bytes]:
    return [b'{"row":"%d \\"],["},{"attempt":%d}' % (row, attempt) for row in rows]


def send_back(store: JobStore, rows: Sequence[int], attempt: int = 1) -> int:
    return store.defer(JOB, attempt, failures(rows), turns(rows, attempt))


def read(store: JobStore, rows: Sequence[int], before: int = 99) -> list[list[bytes]]:
    reader = store.notes(JOB, before)
    return [reader.turns(row) for row in rows]


def test_what_is_noted_is_read_byte_for_byte_in_whatever_order_it_came(store: JobStore) -> None:
    rows = list(range(0, 3000, 7))
    random.Random(1).shuffle(rows)
    for at in range(0, len(rows), 50):
        assert send_back(store, rows[at : at + 50]) == len(rows[at : at + 50])

    assert read(store, range(3000)) == [turns([row]) if row % 7 == 0 else [] for row in range(3000)]
    assert store.tally(JOB) == (0, len(rows), 0)


def test_rows_at_the_edges_of_a_block_keep_their_own_notes(store: JobStore) -> None:
    rows = [0, BLOCK_ROWS - 1, BLOCK_ROWS, 2 * BLOCK_ROWS]
    send_back(store, rows)

    assert read(store, rows) == [turns([row]) for row in rows]
    assert read(store, [1, BLOCK_ROWS + 1]) == [[], []]


def test_noting_twice_is_noting_once(store: JobStore) -> None:
    assert send_back(store, [1, 2, 3]) == 3
    assert send_back(store, [1, 2, 3]) == 0
    assert send_back(store, [2, 3, 4]) == 1

    assert read(store, [1, 2, 3, 4]) == [turns([row]) for row in (1, 2, 3, 4)]
    assert store.meta(JOB).input_tokens == 8
    assert sum(len(rows) for rows in store.attempt_rows(JOB, 0, store.meta(JOB).logged)) == 4


def test_a_row_that_has_its_outcome_and_an_attempt_that_is_over_note_nothing(
    redis: Any, store: JobStore
) -> None:
    store.land(JOB, Landing([1], [b'{"n":1}'], [{"succeeded": 1}]))

    assert (send_back(store, [1]), send_back(store, [2], attempt=2)) == (0, 0)
    assert not redis.exists(keys.reasks(JOB))


def test_notes_of_later_attempts_are_not_read_by_what_is_built_for_an_earlier_one(store: JobStore) -> None:
    for attempt in (1, 2, 3):
        assert send_back(store, [7], attempt) == 1
        assert store.begin_attempt(JOB, attempt) == attempt + 1

    for before in (1, 2, 3, 4):
        assert read(store, [7], before) == [[turns([7], attempt)[0] for attempt in range(1, before)]]


def test_only_a_failure_of_the_providers_is_remembered_as_one(store: JobStore) -> None:
    send_back(store, [1])
    assert store.meta(JOB).failed_attempt == 0

    store.defer(JOB, 1, failures([2]))

    assert store.meta(JOB).failed_attempt == 1


def test_an_outcome_is_taken_back_together_with_its_note_or_not_at_all(store: JobStore) -> None:
    store.land(JOB, Landing([5, 6], [b'{"n":5}', b'{"n":6}'], [{"succeeded": 1}] * 2))
    store.finish(JOB, JobStatus.COMPLETED, message="", retention_s=100)
    before = store.outcome_chunk(JOB, 0)
    arguments = (JOB, 0, before, [b"", b'{"n":6}'], [b'{"n":5}'], [5], {"succeeded": 1})
    note = Note(5, 1, turns([5])[0])
    assert not store.take_back(*arguments, [note])
    assert read(store, [5]) == [[]]
    store.begin_retry(JOB)

    assert store.take_back(*arguments, [note])
    assert store.take_back(*arguments, [note]), "as when it is sent twice"
    assert read(store, [5, 6]) == [turns([5]), []]
    assert (store.meta(JOB).succeeded, store.ready_rows(JOB, 0, 10)) == (1, [5])


def test_notes_end_with_their_job_and_live_on_with_a_retry(redis: Any, store: JobStore) -> None:
    send_back(store, [1])
    assert redis.pttl(keys.reasks(JOB)) == -1
    store.finish(JOB, JobStatus.FAILED, message="", retention_s=100)
    assert 0 < redis.pttl(keys.reasks(JOB)) <= 100_000
    store.begin_retry(JOB)

    assert redis.pttl(keys.reasks(JOB)) == -1
    assert read(store, [1]) == [turns([1])]


def test_notes_that_are_missing_are_no_empty_conversation(redis: Any, store: JobStore) -> None:
    send_back(store, [1])
    redis.hdel(keys.reasks(JOB), "0:0")

    with pytest.raises(LedgerError, match="notes of job job_1 are missing"):
        read(store, [1])
