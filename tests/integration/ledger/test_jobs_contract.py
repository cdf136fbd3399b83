"""Jobs: committed or not there; and every row's outcome exactly once."""

from __future__ import annotations

import random
import threading
from typing import Any

import pytest

from batchline_shared.errors import JobNotFoundError, LedgerError, QueueUnavailableError
from batchline_shared.ledger import JobStatus, JobStore, Landing, keys
from batchline_shared.ledger.connection import check_schema

JOB = "job_1"
FIELDS: dict[str, str | int | bytes] = {"model": "openai/m", "provider": "openai", "idem": ""}


def committed(store: JobStore, total: int = 10, job_id: str = JOB) -> None:
    store.begin(job_id, FIELDS)
    store.commit(job_id, {"total": total, "chunks": 0})


def outcomes(*rows: int, kind: str = "succeeded") -> Landing:
    lines = [b'{"n":%d}' % row for row in rows]
    return Landing(list(rows), lines, [{kind: 1, "input_tokens": 2} for _ in rows])


def stored(store: JobStore) -> list[bytes]:
    landed = store.meta(JOB).landed
    return [row for rows in store.outcome_rows(JOB, 0, landed) for row in rows]


# --- enqueueing ------------------------------------------------------------------------------


def test_a_job_is_seen_by_nobody_before_it_is_committed(redis: Any, store: JobStore) -> None:
    assert store.begin(JOB, FIELDS)
    assert 0 < redis.pttl(keys.meta(JOB)) <= 24 * 3600 * 1000
    with pytest.raises(JobNotFoundError):
        store.meta(JOB)
    assert list(store.recent()) == []
    assert store.staged(JOB) == 0

    store.commit(JOB, {"total": 1, "chunks": 0})

    assert store.meta(JOB).status == JobStatus.QUEUED
    assert [meta.id for meta in store.recent()] == [JOB]
    assert redis.pttl(keys.meta(JOB)) == -1
    assert store.staged(JOB) is None


def test_beginning_twice_is_beginning_once_and_a_committed_id_is_taken(store: JobStore) -> None:
    assert store.begin(JOB, FIELDS)
    assert store.begin(JOB, FIELDS)
    store.commit(JOB, {"total": 1, "chunks": 0})

    assert not store.begin(JOB, {"model": "other"})
    assert store.meta(JOB).model == "openai/m"


def test_committing_twice_is_committing_once(store: JobStore) -> None:
    committed(store)
    store.set_status(JOB, JobStatus.IN_PROGRESS, since=[JobStatus.QUEUED])

    store.commit(JOB, {"total": 99, "chunks": 0})

    assert (store.meta(JOB).status, store.meta(JOB).total) == (JobStatus.IN_PROGRESS, 10)


def test_a_commit_whose_record_vanished_is_an_error(redis: Any, store: JobStore) -> None:
    store.begin(JOB, FIELDS)
    redis.flushall()

    with pytest.raises(QueueUnavailableError, match="wiped"):
        store.commit(JOB, {"total": 1})


def test_abandoning_forgets_what_was_not_committed_alone(redis: Any, store: JobStore) -> None:
    store.begin(JOB, FIELDS)
    assert store.abandon(JOB)
    assert redis.dbsize() == 0

    committed(store)

    assert not store.abandon(JOB)
    assert store.meta(JOB).total == 10


def test_a_key_stands_for_the_first_who_claims_it(store: JobStore) -> None:
    assert store.claim("d", "job_a") == "job_a"
    assert store.claim("d", "job_b") == "job_a"
    assert store.claim("d", "job_b", instead_of="job_x") == "job_a"
    store.unclaim("d", "job_b")
    assert store.claim("d", "job_b") == "job_a"


def test_a_dead_claim_is_replaced_by_one_of_those_who_wait(redis: Any, store: JobStore) -> None:
    store.claim("d", "job_dead")
    held: list[str] = []

    def compete(name: str) -> None:
        held.append(JobStore(redis).claim("d", name, instead_of="job_dead"))

    threads = [threading.Thread(target=compete, args=[f"job_{n}"]) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(set(held)) == 1


# --- landing ---------------------------------------------------------------------------------


def test_an_outcome_lands_once(store: JobStore) -> None:
    committed(store)

    assert store.land(JOB, outcomes(0, 1, 2)) == 3
    assert store.land(JOB, outcomes(0, 1, 2)) == 0
    assert stored(store) == [b'{"n":0}', b'{"n":1}', b'{"n":2}']


def test_of_a_mixed_chunk_only_the_new_rows_land(store: JobStore) -> None:
    committed(store)
    store.land(JOB, outcomes(1, 3))

    assert store.land(JOB, outcomes(0, 1, 2, 3, 4, kind="errored")) == 3
    assert (store.meta(JOB).succeeded, store.meta(JOB).errored) == (2, 3)
    assert sorted(stored(store)) == [b'{"n":%d}' % n for n in range(5)]


def test_a_row_that_comes_twice_in_one_chunk_lands_once(store: JobStore) -> None:
    committed(store)

    assert store.land(JOB, outcomes(4, 5, 4, 4)) == 2
    assert (store.meta(JOB).succeeded, store.meta(JOB).input_tokens) == (2, 4)
    assert stored(store) == [b'{"n":4}', b'{"n":5}']


def test_counters_equal_rows_whoever_lands_what_when(redis: Any, store: JobStore) -> None:
    committed(store, 300)

    def land(seed: int) -> None:
        random_ = random.Random(seed)
        mine = JobStore(redis)
        for _ in range(30):
            rows = [random_.randrange(300) for _ in range(40)]
            mine.land(JOB, outcomes(*rows, kind=random_.choice(["succeeded", "errored"])))
        mine.land(JOB, outcomes(*range(300)))

    threads = [threading.Thread(target=land, args=[seed]) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    meta = store.meta(JOB)
    assert sorted(stored(store)) == sorted(b'{"n":%d}' % n for n in range(300))
    assert meta.succeeded + meta.errored == store.done_count(JOB) == 300
    assert meta.input_tokens == 600
    assert store.open_rows(JOB, 0, 300) == []


def test_nothing_lands_in_a_job_that_is_gone(redis: Any, store: JobStore) -> None:
    with pytest.raises(JobNotFoundError):
        store.land(JOB, outcomes(0))
    assert redis.dbsize() == 0


@pytest.mark.parametrize(("first", "count"), [(0, 20), (1, 7), (7, 2), (8, 8), (13, 1), (100, 3)])
def test_open_rows_are_those_without_an_outcome(store: JobStore, first: int, count: int) -> None:
    committed(store)
    done = {0, 7, 8, 15, 16}
    store.land(JOB, outcomes(*done))

    assert store.open_rows(JOB, first, count) == [n for n in range(first, first + count) if n not in done]


def test_whoever_listens_is_told_of_outcomes_and_statuses(redis: Any, store: JobStore) -> None:
    committed(store)
    with redis.pubsub(ignore_subscribe_messages=True) as pubsub:
        pubsub.subscribe(keys.events(JOB))
        pubsub.get_message(timeout=1)
        store.land(JOB, outcomes(0))
        store.set_status(JOB, JobStatus.CANCELLING, since=[JobStatus.QUEUED])
        store.finish(JOB, JobStatus.CANCELLED, message="", retention_s=0)
        heard = [message["data"] for _ in range(9) if (message := pubsub.get_message(timeout=0.2))]

    assert heard == [b"landed", b"cancelling", b"cancelled"]


# --- status ----------------------------------------------------------------------------------


def test_a_status_moves_only_from_where_it_should_be(store: JobStore) -> None:
    committed(store)
    since = [JobStatus.SUBMITTING, JobStatus.IN_PROGRESS]

    assert not store.set_status(JOB, JobStatus.CANCELLING, since=since)
    assert store.set_status(JOB, JobStatus.IN_PROGRESS, since=[JobStatus.QUEUED], stamp="submitted_ms")
    first = store.meta(JOB).submitted_at
    assert first is not None
    store.set_status(JOB, JobStatus.IN_PROGRESS, since=since, stamp="submitted_ms")
    assert store.meta(JOB).submitted_at == first


def test_a_final_status_stays(redis: Any, store: JobStore) -> None:
    committed(store)
    assert store.finish(JOB, JobStatus.FAILED, message="why", retention_s=50)
    assert store.finish(JOB, JobStatus.COMPLETED, message="", retention_s=99)

    meta = store.meta(JOB)
    assert (meta.status, meta.message) == (JobStatus.FAILED, "why")
    assert 0 < redis.pttl(keys.meta(JOB)) <= 50_000


def test_a_message_for_a_job_that_is_gone_brings_nothing_back(redis: Any, store: JobStore) -> None:
    store.explain(JOB, "waiting")

    assert redis.dbsize() == 0


# --- trying again ----------------------------------------------------------------------------


def ended(store: JobStore) -> None:
    committed(store, 3)
    store.land(JOB, outcomes(0, 1, 2, kind="errored"))
    store.finish(JOB, JobStatus.FAILED, message="", retention_s=100)


def test_outcomes_are_taken_back_once_and_only_as_they_were_read(store: JobStore) -> None:
    ended(store)
    assert store.begin_retry(JOB) == 1
    before = store.outcome_chunk(JOB, 0)
    rest, gone = [b'{"n":0}', b"", b""], [b'{"n":1}', b'{"n":2}']

    assert store.take_back(JOB, 0, before, rest, gone, [1, 2], {"errored": 2})
    assert store.take_back(JOB, 0, before, rest, gone, [1, 2], {"errored": 2}), "as when it is sent twice"
    assert not store.take_back(JOB, 0, before, [b""] * 3, [b'{"n":0}'], [0], {"errored": 1})
    assert stored(store) == rest[:1]
    assert list(store.attempt_rows(JOB, 0, store.meta(JOB).logged)) == [gone]
    assert store.meta(JOB).errored == 1
    assert store.open_rows(JOB, 0, 3) == [1, 2]


def test_nothing_is_taken_back_outside_a_retry(store: JobStore) -> None:
    ended(store)
    before = store.outcome_chunk(JOB, 0)
    assert not store.take_back(JOB, 0, before, [], [], [0, 1, 2], {"errored": 3})

    store.begin_retry(JOB)
    store.break_retry(JOB)

    assert not store.take_back(JOB, 0, before, [], [], [0, 1, 2], {"errored": 3})
    assert store.done_count(JOB) == 3


def test_a_retry_begins_once_and_lets_nothing_expire(redis: Any, store: JobStore) -> None:
    ended(store)
    assert store.begin_retry(JOB) == 1
    assert store.begin_retry(JOB) == 0
    assert redis.pttl(keys.meta(JOB)) == redis.pttl(keys.outcomes(JOB)) == -1


def test_a_job_does_not_end_while_a_retry_is_open(store: JobStore) -> None:
    ended(store)
    store.begin_retry(JOB)

    assert not store.finish(JOB, JobStatus.FAILED, message="", retention_s=1)
    store.break_retry(JOB)
    assert store.finish(JOB, JobStatus.FAILED, message="", retention_s=1)


# --- listing ---------------------------------------------------------------------------------


def test_jobs_are_listed_newest_first_and_those_that_are_gone_are_dropped(
    redis: Any,
) -> None:
    store = JobStore(redis, durable=False)
    for n in range(230):
        committed(store, job_id=f"job_{n:03}")
        redis.zadd(keys.ALL_JOBS, {f"job_{n:03}": n})
    for n in range(0, 230, 2):
        redis.delete(keys.meta(f"job_{n:03}"))

    assert [meta.id for meta in store.recent()] == [f"job_{n:03}" for n in range(229, 0, -2)]
    assert redis.zcard(keys.ALL_JOBS) == 115


def test_a_job_that_is_enqueued_during_the_listing_repeats_none(redis: Any) -> None:
    store = JobStore(redis, durable=False)
    for n in range(120):
        committed(store, job_id=f"job_{n:03}")
        redis.zadd(keys.ALL_JOBS, {f"job_{n:03}": n})
    listing = store.recent()
    seen = [next(listing).id]
    committed(store, job_id="job_new")
    seen += [meta.id for meta in listing]

    assert seen == [f"job_{n:03}" for n in range(119, -1, -1)]


def test_a_malformed_record_hides_no_other_job(redis: Any, store: JobStore) -> None:
    for name in ("job_a", "job_b", "job_c"):
        committed(store, job_id=name)
    redis.hset(keys.meta("job_b"), "total", "lots")

    assert {meta.id for meta in store.recent()} == {"job_a", "job_c"}
    with pytest.raises(LedgerError, match="job_b"):
        store.meta("job_b")


def test_a_missing_chunk_is_named(redis: Any, store: JobStore) -> None:
    committed(store)
    store.land(JOB, outcomes(0))
    redis.delete(keys.outcomes(JOB))

    with pytest.raises(LedgerError, match="chunks of job job_1 are missing"):
        stored(store)


# --- version ---------------------------------------------------------------------------------


def test_a_ledger_of_another_version_is_refused(redis: Any) -> None:
    check_schema(redis)
    check_schema(redis)
    redis.set(keys.SCHEMA, keys.SCHEMA_VERSION + 1)

    with pytest.raises(LedgerError, match="schema version"):
        check_schema(redis)
