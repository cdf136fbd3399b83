"""Answers that do not fit are sent back with what is wrong, in the next shard, as often as the job says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import fakeredis
import orjson
import pytest
from pydantic import BaseModel, Field, field_validator

from batchline import BatchError, BatchSuccess, ErrorType, JobStatus, RetryPolicy
from batchline.requests import BatchRequest
from batchline_shared.errors import InvalidInputError, JobNotReadyError
from batchline_shared.ledger import Stage, keys
from batchline_worker.building import build_input
from batchline_worker.parts import parts_of
from scripted_provider import ScriptedProvider, answer_line, error_line
from worker_bench import WorkerBench, says

if TYPE_CHECKING:
    from collections.abc import Callable

    from batchline import Job

MODEL = "openai/gpt-4o-mini"


class Person(BaseModel):
    name: str
    age: int = Field(ge=0, le=120)

    @field_validator("name")
    @classmethod
    def is_capital(cls, value: str) -> str:
        if value[:1].islower():
            raise ValueError("must begin with a capital letter")
        return value


GOOD = '{"name":"Ada","age":36}'
TOO_OLD = '{"name":"Ada","age":300}'
SMALL = '{"name":"ada","age":36}'


class Model:
    """Answers each request by how often its conversation was sent back."""

    def __init__(self, bench: WorkerBench, *texts: str | int) -> None:
        """Each text in its turn, the last for ever; a number is the status of a failure."""
        self._bench = bench
        self._texts = texts
        self._calls: dict[str, int] = {}
        self.asked: list[dict[str, Any]] = []
        bench.provider.answer = self

    def __call__(self, wire_id: str) -> bytes:
        body = next(
            request["body"]
            for data in self._bench.provider.inputs.values()
            for line in data.splitlines()
            if (request := orjson.loads(line))["custom_id"] == wire_id
        )
        self.asked.append(body)
        name = body["messages"][0]["content"]
        turn = self._calls[name] = self._calls.get(name, -1) + 1
        text = self._texts[min(turn, len(self._texts) - 1)]
        return error_line(wire_id, text) if isinstance(text, int) else answer_line(wire_id, text)


@pytest.fixture
def bench() -> WorkerBench:
    return WorkerBench(fakeredis.FakeRedis())


def enqueue(bench: WorkerBench, count: int = 2, **arguments: Any) -> Job[Person]:
    requests = [says(f"who is {n}") for n in range(count)]
    return bench.client.enqueue(MODEL, Person, requests, **{"reask": 2, **arguments})


def sizes(bench: WorkerBench) -> list[int]:
    return [data.count(b"\n") for data in bench.provider.inputs.values()]


def tries(job: Job[Any]) -> list[tuple[bool, int, int]]:
    return [(one.success, one.attempts, one.reasks) for one in job.results()]


def roles(body: dict[str, Any]) -> list[str]:
    return [message["role"] for message in body["messages"]]


@pytest.mark.parametrize("bad", ["no json at all", TOO_OLD, '{"name":"Ada"}', "[]"])
def test_an_answer_that_does_not_fit_is_sent_back_and_then_fits(bench: WorkerBench, bad: str) -> None:
    model = Model(bench, bad, GOOD)
    job = enqueue(bench)

    assert bench.finish(job) is JobStatus.COMPLETED
    assert sizes(bench) == [2, 2]
    assert tries(job) == [(True, 2, 1), (True, 2, 1)]
    assert roles(model.asked[-1]) == ["user", "assistant", "user"]
    assert model.asked[-1]["messages"][1]["content"] == bad
    assert model.asked[-1]["response_format"] == model.asked[0]["response_format"]
    bench.assert_whole(job)


def test_the_model_is_told_what_is_wrong_and_where(bench: WorkerBench) -> None:
    model = Model(bench, TOO_OLD, GOOD)
    bench.finish(enqueue(bench, 1))

    told = model.asked[-1]["messages"][2]["content"]
    assert "age: 300 is greater than the maximum of 120" in told
    assert "http" not in told


def test_the_conversation_keeps_every_round(bench: WorkerBench) -> None:
    model = Model(bench, "first", TOO_OLD, GOOD)
    job = enqueue(bench, 1)

    assert bench.finish(job) is JobStatus.COMPLETED
    assert roles(model.asked[-1]) == ["user", "assistant", "user", "assistant", "user"]
    assert [model.asked[-1]["messages"][n]["content"] for n in (1, 3)] == ["first", TOO_OLD]
    assert tries(job) == [(True, 3, 2)]


def test_what_still_does_not_fit_after_the_last_round_is_an_error_with_its_answer(bench: WorkerBench) -> None:
    Model(bench, TOO_OLD, "second", '{"name":"Ada","age":-1}')
    job = enqueue(bench, 1)

    bench.finish(job)
    (end,) = job.results()
    assert isinstance(end, BatchError)
    assert (end.error_type, end.attempts, end.reasks) == (ErrorType.INVALID_OUTPUT, 3, 2)
    assert end.raw is not None
    assert end.raw["response"]["body"]["choices"][0]["message"]["content"] == '{"name":"Ada","age":-1}'
    assert sizes(bench) == [1, 1, 1]
    assert [(one.attempts, one.reasks) for one in job.iter_attempts()] == [(1, 0), (2, 1)]


def test_only_what_does_not_fit_is_sent_back(bench: WorkerBench) -> None:
    model = Model(bench, GOOD)
    bench.provider.answer = lambda wire_id: (
        answer_line(wire_id, "hm") if wire_id.endswith("-0-1") else model(wire_id)
    )
    job = enqueue(bench, 3)

    assert bench.finish(job) is JobStatus.COMPLETED
    assert sizes(bench) == [3, 1]
    assert tries(job) == [(True, 1, 0), (True, 2, 1), (True, 1, 0)]
    bench.assert_whole(job)


def test_without_reask_nothing_is_sent_back(bench: WorkerBench) -> None:
    Model(bench, "hm")
    job = enqueue(bench, reask=0)

    bench.finish(job)
    assert sizes(bench) == [2]
    assert tries(job) == [(False, 1, 0)] * 2
    assert not bench.redis.exists(keys.reasks(job.id))


def test_an_answer_that_the_model_takes_though_its_schema_does_not_is_not_sent_back(
    bench: WorkerBench,
) -> None:
    Model(bench, '{"name":"Ada","age":"36"}')
    job = enqueue(bench)

    assert bench.finish(job) is JobStatus.COMPLETED
    assert sizes(bench) == [2]
    assert all(isinstance(one, BatchSuccess) and one.result.age == 36 for one in job.results())


def test_failures_of_the_provider_and_rounds_are_counted_apart(bench: WorkerBench) -> None:
    Model(bench, TOO_OLD, 500, TOO_OLD, 500, 500)
    job = enqueue(bench, 1, retry=RetryPolicy(max_attempts=3, backoff_s=0))

    bench.finish(job)
    (end,) = job.results()
    assert isinstance(end, BatchError)
    assert (end.error_type, end.attempts, end.reasks) == (ErrorType.PROVIDER_ERROR, 5, 2)
    assert sizes(bench) == [1] * 5


def test_with_one_attempt_a_failure_after_a_round_is_final(bench: WorkerBench) -> None:
    Model(bench, TOO_OLD, 500)
    job = enqueue(bench, 1, retry=RetryPolicy(max_attempts=1))

    bench.finish(job)
    assert tries(job) == [(False, 2, 1)]


def test_answers_that_are_sent_back_wait_for_no_backoff_unless_the_provider_failed_too(
    bench: WorkerBench,
) -> None:
    Model(bench, TOO_OLD, 500, GOOD)
    job = enqueue(bench, 1, retry=RetryPolicy(max_attempts=2, backoff_s=5000))
    waits: list[float | None] = []
    for _ in range(2):
        bench.run(Stage.PLAN, Stage.SUBMIT)
        bench.provider.end_all()
        bench.later(20)
        bench.run(Stage.POLL, Stage.COLLECT, Stage.SETTLE)
        waits.append(bench.due_in_s(job.id, Stage.PLAN))

    assert waits[0] is not None
    assert waits[0] <= 0
    assert waits[1] is not None
    assert waits[1] > 1000


def test_what_was_cut_or_refused_is_not_sent_back(bench: WorkerBench) -> None:
    def cut(wire_id: str) -> bytes:
        line = orjson.loads(answer_line(wire_id, "{"))
        line["response"]["body"]["choices"][0]["finish_reason"] = "length"
        return orjson.dumps(line)

    bench.provider.answer = cut
    job = enqueue(bench)

    bench.finish(job)
    assert sizes(bench) == [2]
    assert job.info().errors == {"truncated": 2}


def test_an_empty_answer_cannot_be_sent_back_and_is_left_to_the_retry_policy(bench: WorkerBench) -> None:
    model = Model(bench, "", GOOD)
    policy = RetryPolicy(error_types=frozenset({ErrorType.INVALID_OUTPUT}), backoff_s=0)
    job = enqueue(bench, 1, retry=policy)

    assert bench.finish(job) is JobStatus.COMPLETED
    assert tries(job) == [(True, 2, 0)]
    assert roles(model.asked[-1]) == ["user"]


def test_a_cancelled_job_sends_nothing_back(bench: WorkerBench) -> None:
    Model(bench, "hm")
    job = enqueue(bench)
    bench.run(Stage.PLAN, Stage.SUBMIT)
    job.cancel()

    assert bench.finish(job).is_final
    assert sizes(bench) == [2]
    bench.assert_whole(job)


def test_a_job_that_is_cancelled_between_two_rounds_says_how_many_there_were(bench: WorkerBench) -> None:
    Model(bench, "hm")
    job = enqueue(bench, 1)
    bench.run(Stage.PLAN, Stage.SUBMIT)
    bench.provider.end_all()
    bench.later(20)
    bench.run(Stage.POLL, Stage.COLLECT, Stage.SETTLE)
    job.cancel()

    assert bench.finish(job) is JobStatus.CANCELLED
    assert tries(job) == [(False, 2, 1)]


def test_a_request_with_options_of_its_own_keeps_them(bench: WorkerBench) -> None:
    model = Model(bench, TOO_OLD, GOOD)
    requests = [BatchRequest(messages=says("who"), options={"seed": 7})]
    job = bench.client.enqueue(MODEL, Person, requests, reask=1)

    assert bench.finish(job) is JobStatus.COMPLETED
    assert (model.asked[-1]["seed"], roles(model.asked[-1])) == (7, ["user", "assistant", "user"])


def test_tokens_of_answers_that_were_sent_back_are_counted(bench: WorkerBench) -> None:
    Model(bench, TOO_OLD, TOO_OLD, GOOD)
    job = enqueue(bench, 2)
    bench.finish(job)

    assert (job.info().input_tokens, job.info().output_tokens) == (18, 12)


def test_a_round_that_the_budget_does_not_allow_is_held(bench: WorkerBench) -> None:
    def costly(wire_id: str) -> bytes:
        line = orjson.loads(answer_line(wire_id, TOO_OLD))
        line["response"]["body"]["usage"]["prompt_tokens"] = 10**6
        return orjson.dumps(line)

    bench.provider.answer = costly
    job = enqueue(bench, 1, max_cost_usd=0.01)
    for _ in range(5):
        bench.run()
        bench.provider.end_all()
        bench.later(130)

    assert sizes(bench) == [1]
    assert job.info().message.startswith("held: $0.0")
    assert job.info().status is JobStatus.IN_PROGRESS


def test_what_is_built_twice_is_the_same_whatever_was_noted_since(bench: WorkerBench) -> None:
    Model(bench, TOO_OLD)
    job = enqueue(bench, 3, reask=3)
    for _ in range(2):
        bench.run(Stage.PLAN, Stage.SUBMIT)
        bench.provider.end_all()
        bench.later(20)
        bench.run(Stage.POLL, Stage.COLLECT, Stage.SETTLE)

    for shard, sent in zip(bench.shards(job), bench.provider.inputs.values(), strict=True):
        parts = parts_of(bench.context.pools, shard)
        with build_input(bench.store, bench.settings, shard.wire_name, parts) as built:
            assert built.read() == sent


def test_a_request_that_would_outgrow_the_providers_file_is_not_sent_back() -> None:
    provider = ScriptedProvider(name="openai@small")
    bench = WorkerBench(fakeredis.FakeRedis(), provider, accounts={"small": {"max_bytes": 4000}})
    Model(bench, "x" * 1000)
    job = bench.client.enqueue("openai@small/gpt-4o-mini", Person, [says("who")], reask=5)

    bench.finish(job)
    assert tries(job) == [(False, 3, 2)]
    assert max(map(len, bench.provider.inputs.values())) <= 4000


def test_what_the_reader_would_send_back_stays_within_the_providers_file_too() -> None:
    provider = ScriptedProvider(name="openai@small")
    bench = WorkerBench(fakeredis.FakeRedis(), provider, accounts={"small": {"max_bytes": 4000}})
    Model(bench, '{"name":"%s","age":1}' % ("x" * 1000))
    job = bench.client.enqueue("openai@small/gpt-4o-mini", Person, [says("who")], reask=5)
    bench.finish(job)
    while job.reask():
        bench.finish(job)

    assert tries(job) == [(False, 3, 2)]
    assert max(map(len, bench.provider.inputs.values())) <= 4000


def test_shards_of_answers_that_are_sent_back_stay_within_the_byte_limit() -> None:
    bench = WorkerBench(fakeredis.FakeRedis(), shard_max_bytes=20_000)
    Model(bench, "x" * 3000)
    job = enqueue(bench, 20, reask=2)

    bench.finish(job)
    assert sizes(bench)[0] == 20
    assert max(map(len, bench.provider.inputs.values())) <= 20_000
    assert sum(sizes(bench)) == 60
    bench.assert_whole(job)


def test_what_went_out_again_is_deleted_with_the_job(bench: WorkerBench) -> None:
    Model(bench, TOO_OLD, GOOD)
    job = enqueue(bench)
    bench.finish(job)
    assert bench.redis.pttl(keys.reasks(job.id)) > 0

    job.delete()

    assert not bench.redis.exists(keys.reasks(job.id))


# --- what the reader sends back --------------------------------------------------------------


def test_what_a_validator_refuses_is_sent_back_by_the_reader(bench: WorkerBench) -> None:
    model = Model(bench, SMALL, GOOD)
    job = enqueue(bench)
    bench.finish(job)
    assert tries(job) == [(False, 1, 0)] * 2

    assert job.reask() == 2
    assert bench.finish(job) is JobStatus.COMPLETED
    assert tries(job) == [(True, 2, 1)] * 2
    assert model.asked[-1]["messages"][1]["content"] == SMALL
    assert "name: Value error, must begin with a capital letter" in model.asked[-1]["messages"][2]["content"]
    assert [(one.attempts, one.reasks) for one in job.iter_attempts()] == [(1, 0)] * 2
    assert job.reask() == 0
    bench.assert_whole(job)


def test_worker_and_reader_share_the_rounds_of_a_request(bench: WorkerBench) -> None:
    Model(bench, TOO_OLD, SMALL)
    job = enqueue(bench, 1)
    bench.finish(job)
    rounds = 0
    while job.reask():
        rounds += 1
        bench.finish(job)

    assert rounds == 1
    assert tries(job) == [(False, 3, 2)]
    assert sizes(bench) == [1, 1, 1]


def test_a_users_retry_goes_on_with_the_conversation_as_it_stands(bench: WorkerBench) -> None:
    model = Model(bench, TOO_OLD, 500, GOOD)
    job = enqueue(bench, 1)
    bench.finish(job)

    assert job.retry_failed() == 1
    assert bench.finish(job) is JobStatus.COMPLETED
    assert roles(model.asked[-1]) == ["user", "assistant", "user"]
    assert tries(job) == [(True, 3, 1)]


def test_a_retry_counts_its_attempts_anew_whatever_was_sent_back_before(bench: WorkerBench) -> None:
    Model(bench, TOO_OLD, 500, 500, 500, GOOD)
    job = enqueue(bench, 1, retry=RetryPolicy(max_attempts=2, backoff_s=0))
    bench.finish(job)
    assert tries(job) == [(False, 3, 1)]

    job.retry_failed()
    assert bench.finish(job) is JobStatus.COMPLETED
    assert tries(job) == [(True, 5, 1)]


def test_answers_cannot_be_sent_back_before_the_end_without_reask_or_without_a_model(
    bench: WorkerBench,
) -> None:
    Model(bench, SMALL)
    job, other = enqueue(bench), enqueue(bench, reask=0)
    with pytest.raises(JobNotReadyError, match="finished"):
        job.reask()
    with pytest.raises(InvalidInputError, match="without reask"):
        other.reask()
    bench.finish(job)

    with pytest.raises(InvalidInputError, match="response model"):
        bench.client.job(job.id).reask()


# --- asking for it ---------------------------------------------------------------------------


@pytest.mark.parametrize("rounds", [-1, 11, True, "2", None, 1.0], ids=repr)
def test_a_number_of_rounds_out_of_range_is_refused(bench: WorkerBench, rounds: Any) -> None:
    with pytest.raises(InvalidInputError, match="reask must be"):
        enqueue(bench, reask=rounds)


def test_reask_without_a_response_model_is_refused(bench: WorkerBench) -> None:
    with pytest.raises(InvalidInputError, match="response model"):
        bench.enqueue(1, reask=1)
    with pytest.raises(InvalidInputError, match="response model"):
        bench.client.enqueue(
            "openai/text-embedding-3-small", None, ["text"], endpoint="/v1/embeddings", reask=1
        )


def dying(bench: WorkerBench, monkeypatch: pytest.MonkeyPatch, owner: Any, name: str) -> Callable[[], None]:
    def die(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    def run() -> None:
        with monkeypatch.context() as patch:
            patch.setattr(owner, name, die)
            with pytest.raises(KeyboardInterrupt):
                bench.run()

    return run


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        ("jobs", "defer"),
        ("jobs", "land_rows"),
        ("work", "close_shard"),
        ("jobs", "begin_attempt"),
        ("work", "replan"),
        ("work", "plan_shard"),
        ("jobs", "end_planning"),
        ("work", "plan_done"),
    ],
)
def test_a_worker_that_dies_anywhere_sends_each_answer_back_once(
    bench: WorkerBench, monkeypatch: pytest.MonkeyPatch, owner: str, name: str
) -> None:
    model = Model(bench, GOOD)
    bench.provider.answer = lambda wire_id: (
        answer_line(wire_id, "hm") if "-0-" in wire_id and wire_id[-1] in "02" else model(wire_id)
    )
    job = enqueue(bench, 4)
    bench.run(Stage.PLAN, Stage.SUBMIT)
    bench.provider.end_all()
    bench.later(20)
    dying(bench, monkeypatch, getattr(bench.context, owner), name)()
    bench.later(200)

    assert bench.finish(job) is JobStatus.COMPLETED
    assert sizes(bench) == [4, 2]
    assert tries(job) == [(True, 2, 1), (True, 1, 0), (True, 2, 1), (True, 1, 0)]
    assert all(roles(body) == ["user", "assistant", "user"] for body in model.asked[-2:])
    bench.assert_whole(job)
