"""What was not run by the deadline is asked through the live API: each row once, whatever happens."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import fakeredis
import pytest

from batchline import BatchError, BatchSuccess, JobStatus
from batchline_shared.errors import (
    ProviderAuthError,
    ProviderBusyError,
    ProviderRejectedError,
    ProviderUnavailableError,
)
from batchline_shared.ledger import ShardState, Stage, keys
from batchline_worker.stages import live
from scripted_provider import answer_line, error_line
from worker_bench import WorkerBench

if TYPE_CHECKING:
    from batchline import Job

HOUR = timedelta(hours=1)
LATE_S = 3700


@pytest.fixture
def bench() -> WorkerBench:
    return WorkerBench(fakeredis.FakeRedis(), live_requests_per_minute=1_000_000, live_parallel=2)


def late(bench: WorkerBench, count: int = 3, **arguments: Any) -> Job[str]:
    """A job of whose batch nothing has run when its deadline passes; its rows are to be asked live next."""
    bench.provider.answer = lambda _: None
    job = bench.submitted(count, deadline=HOUR, on_deadline="live", **arguments)
    bench.later(LATE_S)
    batch_stages = [stage for stage in Stage if stage is not Stage.LIVE]
    for _ in range(3):
        bench.run(*batch_stages)
        bench.provider.end_all()
        bench.later(20)
    bench.run(*batch_stages)
    return job


def kinds(job: Job[Any]) -> Counter[str]:
    return Counter(str(one.error_type) if isinstance(one, BatchError) else "success" for one in job.results())


def asked_once(bench: WorkerBench) -> bool:
    return max(Counter(bench.provider.asked).values(), default=0) <= 1


def test_what_the_batch_did_not_run_is_asked_live_and_says_so(bench: WorkerBench) -> None:
    bench.provider.answer = lambda one: answer_line(one) if one.endswith("-0") else None
    job = bench.submitted(3, deadline=HOUR, on_deadline="live")
    bench.later(LATE_S)
    bench.provider.live_answer = lambda one: answer_line(one, "from live")

    assert bench.finish(job) is JobStatus.COMPLETED
    outcomes = job.results()
    assert [one.source for one in outcomes] == ["batch", "live", "live"]
    assert [one.attempts for one in outcomes] == [1, 2, 2]
    assert isinstance(outcomes[1], BatchSuccess)
    assert outcomes[1].result == "from live"
    assert sorted(bench.provider.asked) == ["request 1", "request 2"]
    bench.assert_whole(job)


def test_nothing_is_asked_before_every_batch_has_been_collected(bench: WorkerBench) -> None:
    job = bench.submitted(3, deadline=HOUR, on_deadline="live")
    bench.later(LATE_S)
    bench.run()
    assert bench.provider.calls["cancel"] == 1
    bench.later(60)
    bench.run()
    assert bench.provider.calls["ask"] == 0
    # It was cancelled too late, and has run everything.
    assert bench.finish(job) is JobStatus.COMPLETED

    assert bench.provider.calls["ask"] == 0
    assert {one.source for one in job.results()} == {"batch"}


def test_rows_that_no_batch_ever_held_are_asked_at_once(bench: WorkerBench) -> None:
    job = bench.enqueue(5, deadline=HOUR, on_deadline="live")
    bench.later(LATE_S)
    bench.run(Stage.DEADLINE)

    assert bench.finish(job) is JobStatus.COMPLETED
    assert (bench.provider.calls["create"], bench.provider.calls["ask"]) == (0, 5)
    assert asked_once(bench)
    bench.assert_whole(job)


def test_live_tokens_cost_the_live_price(bench: WorkerBench) -> None:
    # Three input tokens and two of output each, one in the batch and two live.
    bench.provider.answer = lambda one: answer_line(one) if one.endswith("-0") else None
    job = bench.submitted(3, deadline=HOUR, on_deadline="live")
    bench.later(LATE_S)
    bench.finish(job)
    info = job.info()

    assert (info.input_tokens, info.output_tokens) == (9, 6)
    assert info.cost.batch_usd is not None
    assert info.cost.standard_usd is not None
    # A batch costs half: one request at a half, and two in full.
    assert float(info.cost.batch_usd / info.cost.standard_usd) == pytest.approx(2.5 / 3)
    assert bench.client.costs()[0].cost == info.cost


def test_a_row_whose_answer_was_lost_with_its_worker_is_unknown_and_never_asked_again(
    bench: WorkerBench,
) -> None:
    job = late(bench, 3)

    class DeathError(BaseException):
        pass

    def die(*_: Any, **__: Any) -> None:
        raise DeathError

    worker = bench.worker()
    worker.jobs.land_rows = die  # type: ignore[method-assign]
    with pytest.raises(DeathError):
        live.work(worker)
    assert len(bench.provider.asked) == 2
    bench.later(130)

    assert bench.finish(job) is JobStatus.COMPLETED
    assert kinds(job) == {"unknown": 2, "success": 1}
    assert asked_once(bench)
    lost = next(one for one in job.results() if isinstance(one, BatchError))
    assert "a worker was lost during this request's live call" in lost.error_message
    assert "retry_failed(error_types=['unknown'])" in lost.error_message
    assert lost.source == "live"
    bench.assert_whole(job)


def test_a_worker_that_dies_after_the_marks_and_before_the_calls_loses_only_what_it_marked(
    bench: WorkerBench,
) -> None:
    job = late(bench, 5)
    worker = bench.worker()
    worker.live_calls.mark(job.id, [0, 1])

    assert bench.finish(job) is JobStatus.COMPLETED
    assert kinds(job) == {"unknown": 2, "success": 3}
    assert asked_once(bench)


def test_an_unknown_row_may_be_retried_by_its_user_and_goes_into_a_batch(bench: WorkerBench) -> None:
    job = late(bench, 2)
    bench.context.live_calls.mark(job.id, [0, 1])
    bench.finish(job)
    bench.provider.answer = answer_line

    assert job.retry_failed(["unknown"]) == 2
    assert bench.finish(job) is JobStatus.COMPLETED
    assert bench.provider.asked == []
    assert {one.source for one in job.results()} == {"batch"}
    assert not bench.redis.exists(keys.asked(job.id))


def test_outcomes_that_redis_lost_after_a_live_call_are_unknown_and_not_asked_again(
    bench: WorkerBench,
) -> None:
    job = late(bench, 3)
    bench.run(Stage.LIVE)
    for row in range(3):
        bench.redis.setbit(keys.done(job.id), row, 0)
    bench.finish(job)

    assert len(bench.provider.asked) == 3
    assert asked_once(bench)
    assert job.info().errors == {"unknown": 3}


def test_two_workers_with_the_same_shard_never_ask_the_same_row(bench: WorkerBench) -> None:
    job = late(bench, 6)

    def overtake() -> None:
        # Our lease has run out, and another worker takes the shard over while our call is under way.
        bench.later(130)
        live.work(bench.worker())

    bench.provider.meanwhile("ask", overtake)
    live.work(bench.context)
    bench.finish(job)

    assert asked_once(bench)
    bench.assert_whole(job)


@pytest.mark.parametrize(
    "error",
    [
        ProviderBusyError("openai", "slow down", status_code=429, retry_after_s=33.0),
        ProviderAuthError("openai", "no key"),
    ],
    ids=["429", "401"],
)
def test_a_refusal_for_now_is_waited_for_and_loses_nothing(bench: WorkerBench, error: Exception) -> None:
    job = late(bench, 3)
    bench.provider.fail("ask", error)
    bench.run(Stage.LIVE)
    (shard,) = [one for one in bench.shards(job) if one.state == ShardState.LIVE]
    due_s = bench.due_in_s(shard.id, Stage.LIVE)

    assert due_s is not None
    assert shard.message == str(error)
    if isinstance(error, ProviderBusyError):
        assert 30 < due_s <= 33
        assert bench.context.live_calls.take("openai", 1, per_minute=1000)[0] == 0
    bench.redis.delete(keys.live_calls("openai"))
    assert bench.finish(job) is JobStatus.COMPLETED
    assert kinds(job) == {"success": 3}
    assert asked_once(bench)


def test_an_account_that_refuses_for_too_long_ends_the_rows(bench: WorkerBench) -> None:
    job = late(bench, 2)
    quota = ProviderBusyError("openai", "no credit", status_code=429, code="insufficient_quota")
    bench.provider.fail("ask", quota, times=10_000)
    for _ in range(40):
        bench.redis.delete(keys.live_calls("openai"))
        bench.run()
        bench.later(130)

    assert job.status() is JobStatus.FAILED
    assert job.info().errors == {"quota_exhausted": 2}
    assert bench.provider.asked == []


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ProviderRejectedError("openai", "bad", status_code=400), "invalid_request"),
        (ProviderUnavailableError("openai", "oops", status_code=500), "provider_error"),
        (ProviderUnavailableError("openai", "reset"), "unknown"),
        (RuntimeError("nobody foresaw this"), "unknown"),
    ],
    ids=["refused", "5xx", "reset", "bug"],
)
def test_a_call_that_failed_is_one_outcome_and_is_not_made_again(
    bench: WorkerBench, error: Exception, kind: str
) -> None:
    job = late(bench, 3)
    bench.provider.fail("ask", error)

    assert bench.finish(job) is JobStatus.COMPLETED
    assert kinds(job) == {kind: 1, "success": 2}
    assert bench.provider.calls["ask"] == 3
    bench.assert_whole(job)


def test_a_failed_answer_is_classified_like_a_batchs(bench: WorkerBench) -> None:
    job = late(bench, 2)
    bench.provider.live_answer = error_line

    assert bench.finish(job) is JobStatus.FAILED
    assert job.info().errors == {"provider_error": 2}


def test_a_users_cancel_stops_the_asking(bench: WorkerBench) -> None:
    job = late(bench, 5)
    bench.provider.meanwhile("ask", lambda: job.cancel() and None)

    assert bench.finish(job) is JobStatus.CANCELLED
    info = job.info()
    assert 1 <= info.succeeded <= 2
    assert info.errors == {"cancelled": 5 - info.succeeded}
    assert len(bench.provider.asked) == info.succeeded
    bench.assert_whole(job)


def test_what_would_exceed_the_budget_expires_instead_of_being_held(bench: WorkerBench) -> None:
    job = late(bench, 5, max_cost_usd=0.0001)
    bench.redis.hincrby(keys.meta(job.id), "output_tokens", 10**6)

    assert bench.finish(job) is JobStatus.EXPIRED
    assert bench.provider.asked == []
    (message,) = {one.error_message for one in job.results() if isinstance(one, BatchError)}
    assert "max_cost_usd is spent" in message


def test_the_account_is_asked_no_faster_than_the_setting_says() -> None:
    bench = WorkerBench(fakeredis.FakeRedis(), live_requests_per_minute=6, live_parallel=8)
    job = late(bench, 4)
    bench.run(Stage.LIVE)

    assert len(bench.provider.asked) == 1
    (shard,) = [one for one in bench.shards(job) if one.state == ShardState.LIVE]
    due_s = bench.due_in_s(shard.id, Stage.LIVE)
    assert due_s is not None
    assert 8 < due_s <= 10


def test_a_worker_that_is_to_stop_ends_what_it_asked_and_gives_the_rest_back(bench: WorkerBench) -> None:
    job = late(bench, 6)
    bench.provider.meanwhile("ask", bench.context.stopping.set)
    live.work(bench.context)
    asked = len(bench.provider.asked)

    assert 1 <= asked <= 2
    assert bench.store.done_count(job.id) == asked
    bench.context.stopping.clear()
    assert bench.finish(job) is JobStatus.COMPLETED
    assert kinds(job) == {"success": 6}


def test_a_large_job_is_shared_out_in_shards_of_a_few_rows(bench: WorkerBench) -> None:
    job = bench.enqueue(1200, deadline=HOUR, on_deadline="live")
    bench.later(LATE_S)
    bench.run(Stage.DEADLINE)
    bench.run(Stage.PLAN)

    shards = bench.shards(job)
    assert [(one.state, one.segment.rows) for one in shards] == [("live", 250)] * 4 + [("live", 200)]
    bench.run(Stage.LIVE, Stage.SETTLE)
    assert kinds(job) == {"success": 1200}
    assert asked_once(bench)
