"""Rows that equal others: never to be sent, and found beside the one that is."""

from __future__ import annotations

from typing import Any

from batchline_shared.ledger import ChunkInfo, Copies, InputChunk, JobStore, Landing, keys
from batchline_shared.ledger.chunks import MAX_ROWS

JOB = "job_1"


def written(store: JobStore, total: int, *duplicates: int) -> None:
    """A job of one chunk whose duplicates all equal row 0."""
    store.begin(JOB, {"model": "openai/m", "provider": "openai", "idem": ""})
    rows = [b"0" if row in duplicates else b"[%d]" % row for row in range(total)]
    info = ChunkInfo(0, total, 9, 9, duplicates=len(duplicates))
    for _ in range(2):  # redis-py may send it again
        store.write_chunks(JOB, [InputChunk(0, info, rows, None, duplicates)])
        store.write_copies(JOB, [Copies(0, 0, [(row, None) for row in duplicates])])
    store.commit(JOB, {"total": total, "chunks": 1, "duplicates": len(duplicates)})


def landing(*rows: int) -> Landing:
    return Landing(list(rows), [b'{"n":%d}' % row for row in rows], [{"succeeded": 1}] * len(rows))


def test_duplicates_are_none_of_the_rows_that_are_to_be_sent(store: JobStore) -> None:
    written(store, 20, 3, 9, 19)
    sent = [row for row in range(20) if row not in (3, 9, 19)]
    store.make_ready(JOB, list(range(20)))

    assert store.unequal_rows(JOB, 0, 20) == sent
    assert store.unequal_rows(JOB, 9, 3) == [10, 11]
    assert store.open_rows(JOB, 0, 20) == store.lost_rows(JOB, 0, 20) == store.ready_rows(JOB, 0, 20) == sent
    store.land(JOB, landing(0, 10))
    store.defer(JOB, 1, landing(11))

    assert store.open_rows(JOB, 9, 4) == [11, 12]
    assert store.lost_rows(JOB, 9, 4) == [12]
    assert store.ready_rows(JOB, 9, 4) == [11, 12]


def test_rows_of_a_job_without_duplicates_are_all_sent(store: JobStore) -> None:
    written(store, 9)

    assert store.unequal_rows(JOB, 0, 9) == list(range(9))
    assert store.waiting_copies(JOB, 9) == 0


def test_copies_are_found_by_the_row_that_is_sent(store: JobStore) -> None:
    written(store, 20, 3, 9)

    assert list(store.copies_of(JOB, [5, 0, 3])) == [(0, 0, [(3, None), (9, None)])]
    assert list(store.copies_of(JOB, [])) == []


def test_as_many_copies_as_there_are_are_found_part_by_part(store: JobStore) -> None:
    written(store, 2, 1)
    parts = [
        Copies(1, 0, [(row, f"é{row}") for row in range(MAX_ROWS)]),
        Copies(1, 1, [(row, f"é{row}") for row in range(MAX_ROWS, 2 * MAX_ROWS)]),
    ]
    store.write_copies(JOB, parts)

    assert list(store.copies_of(JOB, [1])) == parts


def test_copies_wait_until_they_have_their_outcome(store: JobStore) -> None:
    written(store, 20, 3, 9, 19)
    assert store.waiting_copies(JOB, 20) == 3
    store.land(JOB, landing(0, 9))

    assert store.waiting_copies(JOB, 20) == 2


def test_many_duplicates_are_counted_page_by_page(redis: Any, store: JobStore) -> None:
    written(store, 1)
    total = 2_100_003
    redis.setbit(keys.duplicates(JOB), total - 1, 1)
    redis.setbit(keys.duplicates(JOB), 1 << 20, 1)
    redis.setbit(keys.done(JOB), 1 << 20, 1)

    assert store.waiting_copies(JOB, total) == 1


def test_who_equals_whom_lives_as_long_as_the_job(redis: Any, store: JobStore) -> None:
    store.begin(JOB, {"model": "openai/m", "provider": "openai", "idem": ""})
    store.write_copies(JOB, [Copies(0, 0, [(1, None)])])
    assert redis.ttl(keys.copies(JOB)) > 0

    store.abandon(JOB)
    assert not redis.exists(keys.copies(JOB))


def test_a_landing_tells_which_rows_it_was_that_landed(store: JobStore) -> None:
    written(store, 5)
    store.land(JOB, landing(1, 3))

    landed = store.land_rows(JOB, landing(0, 1, 2, 3))
    assert (landed.rows, landed.lines) == ([0, 2], [b'{"n":0}', b'{"n":2}'])
    assert store.land_rows(JOB, landing(0, 1)).rows == []
