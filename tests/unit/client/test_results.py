"""Reading outcomes: order, types, and what of an answer may be said in an error."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, TypeAdapter, field_validator

from batchline import (
    BatchClient,
    BatchError,
    BatchProcessor,
    BatchResult,
    BatchSuccess,
    ErrorType,
    JobNotFoundError,
    JobNotReadyError,
    TokenUsage,
    extract_results,
    filter_errors,
    filter_successful,
    get_results_by_custom_id,
)
from unit.client.sketches import ANN, BOB, MODEL, User, says
from unit.client.worker_desk import answer_line

if TYPE_CHECKING:
    from unit.client.worker_desk import WorkerDesk

SECRET = "the patient's secret"


def test_results_come_in_the_order_of_the_requests(client: BatchClient, desk: WorkerDesk) -> None:
    job = client.enqueue(MODEL, User, [says()] * 4, custom_ids=["d", "a", "c", "b"])
    desk.answer(job.id, (3, ANN), (1, BOB))
    desk.answer(job.id, (2, ErrorType.EXPIRED))
    desk.complete(job.id, (0, BOB))

    assert [outcome.custom_id for outcome in job.results()] == ["d", "a", "c", "b"]


def test_streamed_results_come_once_each_as_they_landed(client: BatchClient, desk: WorkerDesk) -> None:
    job = client.enqueue(MODEL, User, [says()] * 4)
    desk.answer(job.id, (3, ANN), (1, BOB))
    stream = job.iter_results(timeout_s=5)

    first = [next(stream).custom_id, next(stream).custom_id]
    desk.answer(job.id, (0, ANN))
    desk.complete(job.id, (2, ANN))

    assert first + [outcome.custom_id for outcome in stream] == [f"request-{n}" for n in (3, 1, 0, 2)]


def test_results_of_a_job_that_runs_are_refused(client: BatchClient) -> None:
    with pytest.raises(JobNotReadyError, match="wait"):
        client.enqueue(MODEL, User, [says()]).results()


def test_an_outcome_says_what_it_cost_and_where_it_came_from(client: BatchClient, desk: WorkerDesk) -> None:
    job = client.enqueue(MODEL, User, [says(), says(), says()])
    desk.complete(job.id, (0, ANN), (1, ErrorType.RATE_LIMITED), (2, None))

    good, limited, empty = job.results()

    assert good.usage == TokenUsage(input_tokens=10, output_tokens=5)
    assert good.raw == {**answer_line(ANN), "custom_id": "request-0"}, "users see their own ids only"
    assert isinstance(limited, BatchError)
    assert (limited.error_type, limited.retry_may_help, limited.raw) == ("rate_limited", True, None)
    assert isinstance(empty, BatchError)
    assert (empty.error_type, empty.usage) == ("invalid_output", good.usage)


class Visit(BaseModel):
    """A model whose misfits could quote an answer in many ways."""

    model_config = ConfigDict(extra="forbid")

    name: str
    kind: Literal["first", "again"] = "first"
    scores: dict[str, int] = {}
    age: int = 0

    @field_validator("name")
    @classmethod
    def _short(cls, name: str) -> str:
        if len(name) > 40:
            raise ValueError(f"too long: {name}")
        return name


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({"name": "A", "age": SECRET}, "age: int_parsing"),
        ({"name": "A", SECRET: 1}, "*: extra_forbidden"),
        ({"name": "A", "scores": {SECRET: "x"}}, "scores.*: int_parsing"),
        ({"name": "A", "kind": SECRET}, "kind: literal_error"),
        ({"name": SECRET * 3}, "name: value_error"),
        ({"age": 1}, "name: missing"),
        ([SECRET], "answer: model_type"),
    ],
)
def test_a_misfit_names_the_fields_and_never_quotes_the_answer(answer: Any, said: str) -> None:
    line = json.dumps({**answer_line(json.dumps(answer)), "custom_id": "a"})

    (outcome,) = BatchProcessor(MODEL, Visit).parse_results(line)

    assert isinstance(outcome, BatchError)
    assert outcome.error_type is ErrorType.INVALID_OUTPUT
    assert outcome.error_message == f"the answer does not fit Visit: {said}"


def test_an_answer_that_is_no_json_is_not_quoted_either(client: BatchClient, desk: WorkerDesk) -> None:
    job = client.enqueue(MODEL, User, [says()])
    desk.complete(job.id, (0, SECRET))

    (outcome,) = job.results()

    assert isinstance(outcome, BatchError)
    assert (outcome.error_type, outcome.error_message) == ("invalid_output", "the answer is no JSON")


def test_a_job_without_a_model_gives_text(client: BatchClient, desk: WorkerDesk) -> None:
    job = client.enqueue(MODEL, None, [says(), says()])
    desk.complete(job.id, (0, "plain words"), (1, "```json\n{}\n```"))

    assert extract_results(job.results()) == ["plain words", "```json\n{}\n```"]


def test_a_job_found_without_its_model_gives_json_values(client: BatchClient, desk: WorkerDesk) -> None:
    job = client.enqueue(MODEL, User, [says(), says()])
    desk.complete(job.id, (0, ANN), (1, f"```json\n{BOB}\n```"))

    assert extract_results(client.job(job.id).results()) == [json.loads(ANN), json.loads(BOB)]
    assert extract_results(client.job(job.id, User).results()) == [
        User(name="Ann", age=28),
        User(name="Bob", age=35),
    ]


def test_a_job_found_with_another_model_is_judged_by_that_one(client: BatchClient, desk: WorkerDesk) -> None:
    job = client.enqueue(MODEL, User, [says()])
    desk.complete(job.id, (0, ANN))

    (outcome,) = client.job(job.id, Visit).results()

    assert (outcome.success, job.results()[0].success) == (True, True)


def test_outcomes_survive_a_round_trip_through_json(client: BatchClient, desk: WorkerDesk) -> None:
    job = client.enqueue(MODEL, User, [says(), says(), says()])
    desk.complete(job.id, (0, ANN), (1, ErrorType.EXPIRED), (2, '{"name": "A"}'))
    adapter: TypeAdapter[BatchResult[User]] = TypeAdapter(BatchResult[User])

    outcomes = job.results()

    assert [adapter.validate_json(outcome.model_dump_json()) for outcome in outcomes] == outcomes
    good, expired, _ = outcomes
    assert BatchSuccess[User].model_validate_json(good.model_dump_json()) == good
    assert BatchError.model_validate_json(expired.model_dump_json()) == expired


def test_outcomes_can_be_split_extracted_and_found(client: BatchClient, desk: WorkerDesk) -> None:
    job = client.enqueue(MODEL, User, [says(), says(), says()], custom_ids=["x", "y", "z"])
    desk.complete(job.id, (0, ANN), (1, ErrorType.EXPIRED), (2, BOB))

    outcomes = job.results()

    assert [outcome.custom_id for outcome in filter_successful(outcomes)] == ["x", "z"]
    assert [outcome.custom_id for outcome in filter_errors(outcomes)] == ["y"]
    assert [user.name for user in extract_results(outcomes)] == ["Ann", "Bob"]
    assert get_results_by_custom_id(outcomes) == {"x": outcomes[0], "y": outcomes[1], "z": outcomes[2]}


def test_the_documents_duck_typing_tells_outcomes_apart(client: BatchClient, desk: WorkerDesk) -> None:
    job = client.enqueue(MODEL, User, [says(), says()])
    desk.complete(job.id, (0, ANN), (1, ErrorType.EXPIRED))

    good, bad = job.results()

    assert (hasattr(good, "result"), hasattr(good, "error_message")) == (True, False)
    assert (hasattr(bad, "result"), hasattr(bad, "error_message")) == (False, True)


def test_a_job_that_does_not_exist_is_not_found(client: BatchClient) -> None:
    ids: list[Any] = ["job_0", "", None, 5]
    for job_id in ids:
        with pytest.raises(JobNotFoundError) as caught:
            client.job(job_id)
        assert isinstance(caught.value, LookupError)
