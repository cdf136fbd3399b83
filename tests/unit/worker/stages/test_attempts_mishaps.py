"""Retries per request when workers die or freeze, lists lag and Redis forgets: nothing is paid for twice."""

from __future__ import annotations

import random
from collections import defaultdict
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import fakeredis
import orjson
import pytest

from batchline import ErrorType, JobStatus, RetryPolicy
from batchline_shared.errors import ProviderUnavailableError
from batchline_shared.ledger import Stage, keys
from batchline_worker.providers.base import LineError
from batchline_worker.stages import collect
from scripted_provider import answer_line, error_line, lost_reply
from worker_bench import WorkerBench

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from batchline import Job
    from batchline_worker.providers.base import RemoteBatch

POLICY = RetryPolicy(max_attempts=3, backoff_s=10)


class WorkerDied(BaseException):
    """Stands for `kill -9`."""


def failing(*positions: int) -> Callable[[str], bytes]:
    def answer(wire_id: str) -> bytes:
        return error_line(wire_id) if int(wire_id.rpartition("-")[2]) in positions else answer_line(wire_id)

    return answer


def cut_short(wire_id: str) -> bytes:
    line = orjson.loads(answer_line(wire_id))
    line["response"]["body"]["choices"][0]["finish_reason"] = "length"
    return orjson.dumps(line)


def sizes(bench: WorkerBench) -> list[int]:
    """How many requests each batch had."""
    return [data.count(b"\n") for data in bench.provider.inputs.values()]


def ends(job: Job[Any]) -> list[tuple[str, int]]:
    return [
        ("ok" if outcome.success else str(outcome.error_type), outcome.attempts) for outcome in job.results()
    ]


def ended_and_polled(bench: WorkerBench, count: int = 3, retry: RetryPolicy = POLICY) -> Job[str]:
    """A job whose one batch has ended and whose results are to be collected."""
    job = bench.submitted(count, retry=retry)
    bench.provider.end_all()
    bench.later(20)
    bench.run(Stage.POLL)
    return job


def test_a_collector_that_was_frozen_does_not_end_what_is_being_tried_again(
    bench: WorkerBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.provider.answer = failing(1)
    job = ended_and_polled(bench)
    other, find = bench.worker(), bench.context.jobs.find

    def frozen(job_id: str) -> Any:
        monkeypatch.undo()
        bench.later(bench.settings.lease_s + 1)
        bench.run(Stage.COLLECT, Stage.SETTLE, worker=other)
        bench.later(20)
        bench.run(Stage.PLAN, Stage.SUBMIT, worker=other)
        return find(job_id)

    monkeypatch.setattr(bench.context.jobs, "find", frozen)
    collect.work(bench.context)
    bench.provider.answer = answer_line

    assert bench.finish(job) is JobStatus.COMPLETED
    assert ends(job) == [("ok", 1), ("ok", 2), ("ok", 1)]
    assert sizes(bench) == [3, 1]


def test_results_that_are_read_twice_with_a_cancellation_in_between_count_once(
    bench: WorkerBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.provider.answer = cut_short
    job = ended_and_polled(bench, 2, RetryPolicy(error_types=frozenset({ErrorType.TRUNCATED}), backoff_s=5))

    def die(*_: object, **__: object) -> None:
        raise WorkerDied

    with monkeypatch.context() as patch:
        patch.setattr(bench.context.work, "close_shard", die)
        with pytest.raises(WorkerDied):
            collect.work(bench.context)
    job.cancel()
    bench.later(200)

    assert bench.finish(job).is_final
    assert (job.info().input_tokens, job.info().output_tokens) == (6, 4)
    bench.assert_whole(job)


def test_results_that_break_off_for_good_leave_what_waits_its_next_attempt(bench: WorkerBench) -> None:
    bench.provider.answer = failing(0)
    job = ended_and_polled(bench)
    lines = bench.provider.lines

    def broken(batch: RemoteBatch) -> Iterator[bytes]:
        for number, line in enumerate(lines(batch)):
            if number == 2:
                raise ProviderUnavailableError("openai", "gone", status_code=404)
            yield line

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bench.provider, "lines", broken)
        for _ in range(85):
            bench.run(Stage.COLLECT)
            bench.later(1000)
    bench.provider.answer = answer_line

    bench.finish(job)
    assert ends(job) == [("ok", 2), ("ok", 1), ("missing", 1)]


def test_an_old_batch_that_is_read_again_does_not_end_what_waits(bench: WorkerBench) -> None:
    bench.provider.answer = failing(0)
    job = bench.submitted(3, retry=POLICY)
    for _ in range(2):
        bench.provider.end_all()
        bench.later(20)
        bench.run(Stage.POLL, Stage.COLLECT)
        if bench.store.meta(job.id).attempt == 1:
            bench.run()
            bench.later(20)
            bench.run(Stage.PLAN, Stage.SUBMIT)
    assert bench.store.tally(job.id) == (2, 1, 0)
    bench.redis.setbit(keys.done(job.id), 2, 0)
    bench.run(Stage.SETTLE)
    bench.provider.answer = answer_line

    assert bench.finish(job) is JobStatus.COMPLETED
    assert ends(job)[0] == ("ok", 3)
    assert sizes(bench) == [3, 1, 1]


def test_an_outcome_that_is_lost_while_the_next_attempt_waits_is_not_paid_again(bench: WorkerBench) -> None:
    bench.provider.answer = failing(0)
    job = ended_and_polled(bench)
    bench.run()
    bench.redis.setbit(keys.done(job.id), 2, 0)
    bench.provider.answer = answer_line

    assert bench.finish(job) is JobStatus.COMPLETED
    assert sizes(bench) == [3, 1]


def test_a_job_record_that_falls_behind_its_work_is_not_paid_again(bench: WorkerBench) -> None:
    bench.provider.answer = failing(0)
    job = ended_and_polled(bench)
    names = keys.job_keys(job.id)
    before = {name: bench.redis.dump(name) for name in names if bench.redis.exists(name)}
    bench.run(Stage.COLLECT, Stage.SETTLE)
    bench.redis.delete(*names)
    for name, value in before.items():
        bench.redis.restore(name, 0, value)
    bench.provider.answer = answer_line

    assert bench.finish(job) is JobStatus.COMPLETED
    assert sizes(bench) == [3, 1]
    bench.assert_whole(job)


def test_a_worker_that_dies_between_beginning_and_planning_an_attempt_begins_one(bench: WorkerBench) -> None:
    bench.provider.answer = failing(0)
    job = ended_and_polled(bench)
    bench.run(Stage.COLLECT)

    def die(*_: object, **__: object) -> None:
        raise WorkerDied

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bench.context.work, "replan", die)
        with pytest.raises(WorkerDied):
            bench.run(Stage.SETTLE)
    assert bench.store.tally(job.id) == (2, 0, 1)
    bench.provider.answer = answer_line

    assert bench.finish(job) is JobStatus.COMPLETED
    assert ends(job) == [("ok", 2), ("ok", 1), ("ok", 1)]


def test_refused_lines_that_may_be_tried_again_hold_up_no_others(bench: WorkerBench) -> None:
    policy = RetryPolicy(max_attempts=2, backoff_s=0, error_types=frozenset({ErrorType.INVALID_REQUEST}))
    job = bench.submitted(4, retry=policy)
    (batch_id,) = bench.provider.running()
    bench.provider.refuse(batch_id, LineError(2, "invalid_value", "not like this", None))

    assert bench.finish(job) is JobStatus.COMPLETED
    assert ends(job) == [("ok", 1), ("ok", 2), ("ok", 1), ("ok", 1)]
    assert sizes(bench) == [4, 3, 1]


def test_a_blamed_row_whose_outcome_was_lost_takes_none_with_it(bench: WorkerBench) -> None:
    bench.provider.answer = failing(0)
    job = bench.submitted(4, retry=RetryPolicy(max_attempts=2, backoff_s=5))
    (batch_id,) = bench.provider.running()
    bench.provider.refuse(batch_id, LineError(2, "invalid_value", "not like this", None))
    for _ in range(2):
        bench.later(200)
        bench.run(Stage.POLL, Stage.COLLECT, Stage.SUBMIT)
        bench.provider.end_all()
    bench.later(200)
    bench.run(Stage.POLL, Stage.COLLECT)
    bench.redis.setbit(keys.done(job.id), 1, 0)
    bench.provider.answer = error_line

    bench.finish(job)
    sent = sum(b'request 0"' in data for data in bench.provider.inputs.values())
    assert sent == 3, "in the batch that was refused, and in two attempts"


def test_a_cut_batch_is_never_taken_for_the_whole_one(bench: WorkerBench) -> None:
    job = bench.enqueue(4)
    bench.run(Stage.PLAN)
    bench.provider.fail("create", lost_reply(), done=True)
    bench.run(Stage.SUBMIT)
    (lagging,) = bench.provider.running()
    bench.provider.unlisted.add(lagging)
    while len(bench.provider.inputs) == 1:
        bench.later(bench.settings.reconcile_quiet_s + 1)
        bench.run(Stage.SUBMIT)
    (second,) = set(bench.provider.running()) - {lagging}
    for batch_id in (lagging, second):
        bench.provider.refuse(batch_id, LineError(2, "invalid_value", "not like this", None))
    bench.later(200)
    bench.run(Stage.POLL)
    bench.provider.fail("create", lost_reply())
    bench.run(Stage.COLLECT, Stage.SUBMIT)
    bench.provider.unlisted.clear()

    assert bench.finish(job) is JobStatus.COMPLETED
    assert ends(job) == [("ok", 1), ("invalid_request", 1), ("ok", 1), ("ok", 1)]


def test_a_refused_batchs_input_does_not_stay_at_the_provider(bench: WorkerBench) -> None:
    job = bench.submitted(3)
    (batch_id,) = bench.provider.running()
    bench.provider.refuse(batch_id, LineError(2, "invalid_value", "not like this", None))
    bench.finish(job)

    assert bench.provider.calls["clean_up"] == 1


class Chaos:
    """A worker that may die before or after each of its writes and calls, and a provider that fails rows."""

    def __init__(self, seed: int) -> None:
        self.draw = random.Random(seed)
        size = self.draw.choice([2, 3, 100])
        # Its workers die so often that any shard would seem to be the reason.
        self.bench = WorkerBench(fakeredis.FakeRedis(), shard_max_requests=size, quarantine_after=1000)
        self.bench.provider.answer = lambda wire_id: (
            error_line(wire_id) if self.draw.random() < 0.4 else answer_line(wire_id)
        )
        self.blames = self.draw.random() < 0.4
        self.worker = self.bench.worker()
        for part, names in (
            (self.worker.work, "replan release close_shard plan_shard plan_done announce close_job keep"),
            (self.worker.jobs, "land defer begin_attempt make_ready end_planning finish find tally"),
            (self.bench.provider, "create upload"),
        ):
            for name in names.split():
                setattr(part, name, self.deadly(getattr(part, name)))

    def deadly(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def deadly_call(*args: Any, **kwargs: Any) -> Any:
            chance = self.draw.random()
            if chance < 0.08:
                raise WorkerDied
            reply = call(*args, **kwargs)
            if chance > 0.92:
                raise WorkerDied
            return reply

        return deadly_call

    def finish(self, job: Job[Any]) -> None:
        cancel_at = self.draw.choice([None, None, self.draw.randrange(30)])
        for step in range(300):
            with suppress(WorkerDied):
                self.bench.run(worker=self.worker)
            self.let_batches_end()
            if step == cancel_at and not job.status().is_final:
                job.cancel()
            if job.status().is_final:
                return
            self.bench.later(130)
        raise AssertionError("it never ends")

    def let_batches_end(self) -> None:
        for batch_id in list(self.bench.provider.running()):
            rows = self.bench.provider.inputs[batch_id].count(b"\n")
            if self.blames and rows > 1 and self.draw.random() < 0.3:
                blamed = self.draw.randrange(rows) + 1
                self.bench.provider.refuse(batch_id, LineError(blamed, "x", "not like this", None))
            elif self.draw.random() < 0.6:
                self.bench.provider.end(batch_id)

    def ran(self) -> dict[str, list[int]]:
        """What each request, by its text, was answered, in order."""
        answers = defaultdict(list)
        for batch_id, lines in self.bench.provider.results.items():
            asked = [orjson.loads(line) for line in self.bench.provider.inputs[batch_id].splitlines()]
            texts = {one["custom_id"]: one["body"]["messages"][0]["content"] for one in asked}
            for line in map(orjson.loads, lines):
                answers[texts[line["custom_id"]]].append(line["response"]["status_code"])
        return answers


@pytest.mark.parametrize("seed", range(40))
def test_however_workers_die_each_request_ends_once_and_no_answer_is_paid_twice(seed: int) -> None:
    chaos = Chaos(seed)
    job = chaos.bench.enqueue(7, retry=RetryPolicy(max_attempts=3, backoff_s=5))

    chaos.finish(job)

    chaos.bench.assert_whole(job)
    ran = chaos.ran()
    for outcome in job.results():
        codes = ran[outcome.custom_id.replace("-", " ")]
        assert len(codes) <= 3
        assert (codes.count(200), codes[-1:] == [200]) == ((1, True) if outcome.success else (0, False))
        if outcome.success:
            assert outcome.attempts == len(codes)
    noted = [(one.custom_id, one.attempts) for one in job.iter_attempts()]
    assert len(noted) == len(set(noted))
