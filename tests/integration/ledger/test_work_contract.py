"""Work: two never hold the same row, and whoever lost it writes nothing."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from batchline_shared.ledger import Manifest, Segment, ShardState, ShardWork, Stage, WorkQueue, keys, overview

if TYPE_CHECKING:
    from batchline_shared.ledger import JobWork

JOB = "job_1"
PARTITION = keys.partition_of(JOB)


def planned(queue: WorkQueue, count: int = 1) -> list[str]:
    """A job of so many shards, all due for submission; returns their ids."""
    queue.open_job(JOB, delay_s=0)
    (job,) = queue.lease_jobs(Stage.PLAN, 1)
    for n in range(count):
        assert plan_next(queue, job, n)
    assert queue.plan_done(job)
    return [f"1-{n}" for n in range(count)]


def plan_next(queue: WorkQueue, job: JobWork, number: int) -> bool:
    cursor = (f"{number},{number}", f"{number + 1},{number + 1}")
    manifest = Manifest(Segment(number, 1, number, number + 1), inputs=1, tokens=10)
    made = queue.plan_shard(job, cursor=cursor, route="openai", manifest=manifest, attempt=1)
    assert made in (None, number)
    return made == number


def pass_time(redis: Any, member: str, stage: Stage) -> None:
    """Let a member's lease or wait be over."""
    redis.zadd(keys.due(PARTITION, stage), {member: 1}, xx=True)
    redis.hset(keys.work(PARTITION, member), "lease_until", 0)


def take(queue: WorkQueue, stage: Stage = Stage.SUBMIT) -> ShardWork:
    (shard,) = queue.lease_shards(stage, 1)
    return shard


def test_work_that_is_leased_is_leased_to_nobody_else(queue: WorkQueue) -> None:
    planned(queue, 3)

    assert len(queue.lease_shards(Stage.SUBMIT, 2)) == 2
    assert len(queue.lease_shards(Stage.SUBMIT, 2)) == 1
    assert queue.lease_shards(Stage.SUBMIT, 2) == []


def test_competing_workers_never_get_the_same_row(redis: Any, queue: WorkQueue) -> None:
    names = planned(queue, 60)
    taken: list[str] = []

    def compete() -> None:
        mine = WorkQueue(redis, lease_s=60)
        while shards := mine.lease_shards(Stage.SUBMIT, 4):
            taken.extend(shard.id for shard in shards)

    threads = [threading.Thread(target=compete) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(taken) == sorted(names)


def test_the_end_of_a_lease_is_its_redelivery(redis: Any, queue: WorkQueue) -> None:
    planned(queue)
    first = take(queue)
    pass_time(redis, first.id, Stage.SUBMIT)

    second = take(queue)

    assert second.id == first.id
    assert int(second.token) > int(first.token)


def test_a_stale_holder_can_write_nothing(redis: Any, queue: WorkQueue) -> None:
    planned(queue)
    stale = take(queue)
    pass_time(redis, stale.id, Stage.SUBMIT)
    held = take(queue)
    again = (Stage.SUBMIT, Stage.SUBMIT)

    assert queue.keep(stale, ShardState.UPLOADED, Stage.SUBMIT, file_id="f") is None
    assert queue.release(stale, ShardState.UPLOADED, again, 0.0) is None
    assert queue.announce(stale) is None
    assert not queue.close_shard(stale, Stage.SUBMIT)
    assert not queue.renew(stale, Stage.SUBMIT)
    assert queue.shards_of(JOB)[0].state == ShardState.PENDING
    assert queue.keep(held, ShardState.UPLOADED, Stage.SUBMIT, file_id="g") is not None


def test_a_lease_that_was_given_back_is_over(redis: Any, queue: WorkQueue) -> None:
    planned(queue)
    shard = take(queue)
    queue.release(shard, ShardState.PENDING, (Stage.SUBMIT, Stage.SUBMIT), 5.0)
    score = redis.zscore(keys.due(PARTITION, Stage.SUBMIT), shard.id)

    assert not queue.renew(shard, Stage.SUBMIT)
    assert queue.announce(shard) is None
    assert redis.zscore(keys.due(PARTITION, Stage.SUBMIT), shard.id) == score


def test_a_server_that_lost_its_last_second_hands_out_no_token_twice(redis: Any, queue: WorkQueue) -> None:
    planned(queue)
    before = redis.hgetall(keys.work(PARTITION, "1-0"))
    stale = take(queue)
    redis.hset(keys.work(PARTITION, "1-0"), mapping=before)  # as it was on disk
    redis.zadd(keys.due(PARTITION, Stage.SUBMIT), {"1-0": 1})
    now_ms = queue.now_ms()
    while queue.now_ms() == now_ms:
        pass

    assert take(queue).token != stale.token
    assert queue.announce(stale) is None


def test_renewing_puts_redelivery_off(redis: Any, queue: WorkQueue) -> None:
    planned(queue)
    shard = take(queue)
    pass_time(redis, shard.id, Stage.SUBMIT)

    assert queue.renew(shard, Stage.SUBMIT)
    assert queue.lease_shards(Stage.SUBMIT, 1) == []


def test_keeping_writes_and_holds_on(queue: WorkQueue) -> None:
    planned(queue)
    shard = take(queue)

    kept = queue.keep(shard, ShardState.UPLOADED, Stage.SUBMIT, file_id="file-1")
    assert kept is not None
    assert not kept.cancel
    assert queue.lease_shards(Stage.SUBMIT, 1) == []
    assert queue.announce(shard) is not None
    (seen,) = queue.shards_of(JOB)
    assert (seen.state, seen.file_id, seen.attempts) == (ShardState.SUBMITTING, "file-1", 1)
    assert abs(queue.now_ms() - seen.intent_ms) < 5000


def test_a_shard_moves_to_the_next_stage_and_out_of_the_last(redis: Any, queue: WorkQueue) -> None:
    planned(queue)
    shard = take(queue)
    queue.release(shard, ShardState.SUBMITTED, (Stage.SUBMIT, Stage.POLL), 0.0, batch_id="b")

    assert queue.due_counts()[Stage.SUBMIT] == 0
    assert take(queue, Stage.POLL).batch_id == "b"
    assert redis.zscore(keys.due(PARTITION, Stage.SUBMIT), shard.id) is None


def test_what_is_in_doubt_is_due_nowhere(redis: Any, queue: WorkQueue) -> None:
    planned(queue)
    queue.release(take(queue), ShardState.IN_DOUBT, (Stage.SUBMIT, Stage.SUBMIT), None)

    assert all(redis.zscore(keys.due(PARTITION, stage), "1-0") is None for stage in Stage)
    assert queue.cancel(JOB) == 2
    assert all(redis.zscore(keys.due(PARTITION, stage), "1-0") is None for stage in Stage)


# --- planning --------------------------------------------------------------------------------


def test_a_shard_is_planned_once_however_often_it_is_tried(queue: WorkQueue) -> None:
    queue.open_job(JOB, delay_s=0)
    (job,) = queue.lease_jobs(Stage.PLAN, 1)

    assert plan_next(queue, job, 0)
    assert not plan_next(queue, job, 0)
    assert plan_next(queue, job, 1)
    assert [shard.id for shard in queue.shards_of(JOB)] == ["1-0", "1-1"]


def test_a_stale_planner_makes_no_shard(redis: Any, queue: WorkQueue) -> None:
    queue.open_job(JOB, delay_s=0)
    (stale,) = queue.lease_jobs(Stage.PLAN, 1)
    pass_time(redis, JOB, Stage.PLAN)
    (held,) = queue.lease_jobs(Stage.PLAN, 1)

    assert not plan_next(queue, stale, 0)
    assert not queue.plan_done(stale)
    assert plan_next(queue, held, 0)


def test_planning_goes_on_at_the_cursor(redis: Any, queue: WorkQueue) -> None:
    queue.open_job(JOB, delay_s=0)
    (first,) = queue.lease_jobs(Stage.PLAN, 1)
    plan_next(queue, first, 0)
    pass_time(redis, JOB, Stage.PLAN)

    (second,) = queue.lease_jobs(Stage.PLAN, 1)

    assert (second.cursor, second.next_shard, second.open) == ("1,1", 1, 1)


def test_a_job_settles_when_its_last_shard_has_ended(queue: WorkQueue) -> None:
    planned(queue, 2)
    first, second = queue.lease_shards(Stage.SUBMIT, 2)
    assert queue.close_shard(first, Stage.SUBMIT)
    assert queue.lease_jobs(Stage.SETTLE, 1) == []

    assert not queue.close_shard(first, Stage.SUBMIT)
    assert queue.close_shard(second, Stage.SUBMIT)

    assert [job.id for job in queue.lease_jobs(Stage.SETTLE, 1)] == [JOB]


def test_a_job_whose_shards_end_while_it_is_planned_settles_after_that(queue: WorkQueue) -> None:
    queue.open_job(JOB, delay_s=0)
    (job,) = queue.lease_jobs(Stage.PLAN, 1)
    plan_next(queue, job, 0)
    queue.close_shard(take(queue), Stage.SUBMIT)
    assert queue.lease_jobs(Stage.SETTLE, 1) == []

    queue.plan_done(job)

    assert len(queue.lease_jobs(Stage.SETTLE, 1)) == 1


def test_a_shard_whose_jobs_work_is_gone_brings_no_half_of_it_back(redis: Any, queue: WorkQueue) -> None:
    planned(queue)
    redis.delete(keys.work(PARTITION, JOB))

    assert queue.close_shard(take(queue), Stage.SUBMIT)
    assert not redis.exists(keys.work(PARTITION, JOB))


# --- opening, waking, closing ----------------------------------------------------------------


def closed(queue: WorkQueue) -> JobWork:
    planned(queue, 0)
    (job,) = queue.lease_jobs(Stage.SETTLE, 1)
    assert queue.close_job(job, retention_s=100, clean_after_s=None, counts={"ended.completed": 1})
    return job


def test_work_that_is_open_is_not_opened_again(queue: WorkQueue) -> None:
    assert queue.open_job(JOB, delay_s=0)
    assert not queue.open_job(JOB, delay_s=0)


def test_reopening_ends_every_lease_from_before(queue: WorkQueue) -> None:
    old = closed(queue)

    assert queue.open_job(JOB, delay_s=0, sparse=True)
    assert not queue.close_job(old, retention_s=1, clean_after_s=None, counts={})
    (job,) = queue.lease_jobs(Stage.PLAN, 1)
    assert int(job.token) > int(old.token)
    assert (job.sparse, job.cancel, job.cursor) == (True, False, "0,0")


def test_reopening_a_shard_ends_the_lease_of_whoever_cleans_up_after_it(redis: Any, queue: WorkQueue) -> None:
    (name,) = planned(queue, 1)
    queue.close_shard(take(queue), Stage.SUBMIT)
    redis.zadd(keys.due(PARTITION, Stage.CLEAN), {name: 1})
    cleaning = take(queue, Stage.CLEAN)
    (job,) = queue.lease_jobs(Stage.SETTLE, 1)

    assert queue.reopen_shard(job, cleaning)

    assert queue.release(cleaning, ShardState.DONE, (Stage.CLEAN, Stage.CLEAN), None, cleaned=1) is None
    found = queue.shard(name)
    assert found is not None
    assert found.state == ShardState.COLLECTING


def test_closing_keeps_the_records_for_the_retention_only(redis: Any, queue: WorkQueue) -> None:
    planned(queue, 1)
    queue.close_shard(take(queue), Stage.SUBMIT)
    (job,) = queue.lease_jobs(Stage.SETTLE, 1)
    queue.close_job(job, retention_s=100, clean_after_s=None, counts={})

    names = [keys.work(PARTITION, JOB), keys.work(PARTITION, "1-0"), keys.shards(PARTITION, JOB)]
    assert all(0 < redis.pttl(name) <= 100_000 for name in names)


def test_a_job_that_ends_again_replaces_the_counts_of_its_end_also_where_they_were_none(
    redis: Any, queue: WorkQueue
) -> None:
    for counts in ({"request.succeeded": 0, "request.errored": 3}, {"request.succeeded": 3}):
        queue.open_job(JOB, delay_s=0)
        (job,) = queue.lease_jobs(Stage.PLAN, 1)
        queue.plan_done(job)
        (job,) = queue.lease_jobs(Stage.SETTLE, 1)
        assert queue.close_job(job, retention_s=100, clean_after_s=None, counts=counts)

    assert overview(redis).requests == {"succeeded": 3, "errored": 0}


def test_waking_makes_work_due_but_not_what_is_leased(queue: WorkQueue) -> None:
    queue.open_job(JOB, delay_s=60)
    assert queue.lease_jobs(Stage.PLAN, 1) == []

    assert queue.wake_job(JOB)
    assert len(queue.lease_jobs(Stage.PLAN, 1)) == 1
    assert not queue.wake_job(JOB)
    assert queue.lease_jobs(Stage.PLAN, 1) == []


def test_what_is_woken_while_it_is_leased_is_due_when_it_is_given_back(queue: WorkQueue) -> None:
    (shard_id,) = planned(queue, 1)
    shard = take(queue)
    assert not queue.wake_shard(JOB, shard_id)

    queue.release(shard, ShardState.PENDING, (Stage.SUBMIT, Stage.SUBMIT), 60)

    again = take(queue)
    queue.release(again, ShardState.PENDING, (Stage.SUBMIT, Stage.SUBMIT), 60)
    assert queue.lease_shards(Stage.SUBMIT, 1) == [], "one wake, one look"
    assert queue.wake_shard(JOB, shard_id)
    assert len(queue.lease_shards(Stage.SUBMIT, 1)) == 1


def test_a_batch_that_is_hinted_at_while_it_is_polled_is_polled_again_at_once(queue: WorkQueue) -> None:
    (shard_id,) = planned(queue, 1)
    queue.release(take(queue), ShardState.SUBMITTED, (Stage.SUBMIT, Stage.POLL), 0)
    (polled,) = queue.lease_shards(Stage.POLL, 1)
    assert not queue.hasten_poll(shard_id)

    queue.release(polled, ShardState.SUBMITTED, (Stage.POLL, Stage.POLL), 60)

    assert [shard.id for shard in queue.lease_shards(Stage.POLL, 1)] == [shard_id]


def test_waking_does_not_take_a_shard_out_of_another_stage(queue: WorkQueue) -> None:
    (shard_id,) = planned(queue, 1)
    queue.release(take(queue), ShardState.SUBMITTED, (Stage.SUBMIT, Stage.POLL), 60)

    assert not queue.wake_shard(JOB, shard_id)
    assert queue.lease_shards(Stage.SUBMIT, 1) == queue.lease_shards(Stage.POLL, 1) == []


def test_a_shard_that_is_cut_keeps_its_first_rows_and_new_shards_get_the_others(queue: WorkQueue) -> None:
    planned(queue, 2)
    shard = take(queue)
    parts = [Manifest(Segment(n, 1, 0, 1), inputs=1, tokens=n + 5) for n in range(3)]
    assert queue.cut_shard(shard, parts)
    assert not queue.cut_shard(shard, parts), "the lease went with it"

    shards = {one.id: one for one in queue.shards_of(JOB)}
    assert sorted(shards) == ["1-0", "1-1", "1-2", "1-3"]
    kept = shards[shard.id]
    assert (kept.segment.first_row, kept.tokens, kept.wire_name) == (0, 5, f"{shard.id}-c1")
    assert [(shards[name].segment.first_row, shards[name].tokens) for name in ("1-2", "1-3")] == [
        (1, 6),
        (2, 7),
    ]
    assert {one.attempt for one in shards.values()} == {1}
    assert len(queue.lease_shards(Stage.SUBMIT, 10)) == 4
    for one in queue.shards_of(JOB):
        assert queue.close_shard(one, Stage.SUBMIT)
    assert [job.id for job in queue.lease_jobs(Stage.SETTLE, 1)] == [JOB]


def test_a_cut_while_the_job_is_planned_takes_no_number_twice(queue: WorkQueue) -> None:
    queue.open_job(JOB, delay_s=0)
    (job,) = queue.lease_jobs(Stage.PLAN, 1)
    assert plan_next(queue, job, 0)
    parts = [Manifest(Segment(n, 1, 0, 1), inputs=1, tokens=5) for n in range(2)]
    assert queue.cut_shard(take(queue), parts)

    manifest = Manifest(Segment(1, 1, 1, 2), inputs=1, tokens=10)
    made = queue.plan_shard(job, cursor=("1,1", "2,2"), route="openai", manifest=manifest, attempt=1)

    assert made == 2
    assert len(queue.shards_of(JOB)) == 3


def test_waking_what_is_not_there_creates_nothing(redis: Any, queue: WorkQueue) -> None:
    queue.wake_job("job_never")

    assert redis.dbsize() == 0


# --- cancelling ------------------------------------------------------------------------------


def test_a_cancel_reaches_the_holder_and_makes_the_shard_due_at_once(queue: WorkQueue) -> None:
    planned(queue)
    shard = take(queue)
    assert queue.cancel(JOB) == 2

    kept = queue.keep(shard, ShardState.UPLOADED, Stage.SUBMIT)
    assert kept is not None
    assert kept.cancel
    queue.release(shard, ShardState.SUBMITTED, (Stage.SUBMIT, Stage.POLL), 300.0)
    assert take(queue, Stage.POLL).cancel


def test_a_holder_that_knew_of_the_cancel_keeps_its_delay(queue: WorkQueue) -> None:
    planned(queue)
    queue.cancel(JOB)
    queue.release(take(queue), ShardState.SUBMITTED, (Stage.SUBMIT, Stage.POLL), 300.0)

    assert queue.lease_shards(Stage.POLL, 1) == []


def test_a_cancel_does_not_cut_a_quiet_period_short(queue: WorkQueue) -> None:
    planned(queue)
    shard = take(queue)
    queue.cancel(JOB)
    queue.release(shard, ShardState.SUBMITTING, (Stage.SUBMIT, Stage.SUBMIT), 90.0)
    queue.cancel(JOB)

    assert queue.lease_shards(Stage.SUBMIT, 1) == []


@pytest.mark.parametrize(
    ("state", "stage"),
    [
        (ShardState.PENDING, Stage.SUBMIT),
        (ShardState.UPLOADED, Stage.SUBMIT),
        (ShardState.SUBMITTED, Stage.POLL),
    ],
)
def test_a_shard_that_waits_is_due_at_once_when_it_is_cancelled(
    queue: WorkQueue, state: ShardState, stage: Stage
) -> None:
    planned(queue)
    queue.release(take(queue), state, (Stage.SUBMIT, stage), 300.0)
    assert queue.lease_shards(stage, 1) == []

    queue.cancel(JOB)

    assert take(queue, stage).cancel


def test_cancelling_what_is_not_there_marks_nothing(redis: Any, queue: WorkQueue) -> None:
    assert queue.cancel("job_never") == 0
    assert redis.dbsize() == 0


# --- malformed, and in numbers ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "value"),
    [("segment", "{"), ("segment", "7"), ("attempts", "many"), ("job", None), ("message", b"\xff")],
)
def test_a_malformed_shard_is_set_aside(
    redis: Any, queue: WorkQueue, field: str, value: str | bytes | None
) -> None:
    planned(queue, 2)
    record = keys.work(PARTITION, "1-0")
    redis.hset(record, field, value) if value is not None else redis.hdel(record, field)

    assert [shard.id for shard in queue.lease_shards(Stage.SUBMIT, 5)] == ["1-1"]
    assert redis.zscore(keys.due(PARTITION, Stage.SUBMIT), "1-0") is None
    assert redis.exists(record)


def test_a_malformed_job_is_set_aside(redis: Any, queue: WorkQueue) -> None:
    queue.open_job(JOB, delay_s=0)
    redis.hset(keys.work(PARTITION, JOB), "open", "several")

    assert queue.lease_jobs(Stage.PLAN, 1) == []
    assert redis.zscore(keys.due(PARTITION, Stage.PLAN), JOB) is None


def test_a_due_entry_without_a_record_is_dropped(redis: Any, queue: WorkQueue) -> None:
    redis.zadd(keys.due(3, Stage.POLL), {"ghost": 1})

    assert queue.lease_shards(Stage.POLL, 1) == []
    assert redis.dbsize() == 0


def test_the_overview_counts_what_is_where(redis: Any, queue: WorkQueue) -> None:
    planned(queue, 3)
    first, *_ = queue.lease_shards(Stage.SUBMIT, 1)
    queue.release(first, ShardState.SUBMITTED, (Stage.SUBMIT, Stage.POLL), 60.0)
    redis.zadd(keys.due(PARTITION, Stage.SUBMIT), {"1-2": queue.now_ms() - 30_000})

    seen = overview(redis)

    assert {status: n for status, n in seen.jobs.items() if n} == {"in_progress": 1}
    assert seen.open_jobs == 1
    assert {state: n for state, n in seen.shards.items() if n} == {"pending": 2, "submitted": 1}
    assert 29 < seen.oldest_due_s["submit"] < 60
    assert seen.oldest_due_s["plan"] == seen.oldest_due_s["poll"] == 0


def test_the_overview_of_an_empty_ledger_has_a_zero_for_every_state(redis: Any) -> None:
    seen = overview(redis)

    assert seen.shards == dict.fromkeys(map(str, ShardState), 0)
    assert seen.requests == {"succeeded": 0, "errored": 0}
    assert seen.oldest_due_s == dict.fromkeys(map(str, Stage), 0.0)
    assert set(seen.jobs) >= {"queued", "in_progress", "failed"}
    assert not any(seen.jobs.values())
