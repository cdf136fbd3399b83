"""Live calls through each provider's SDK, over HTTP: one request each, and answers like a batch's."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import BaseModel

from acceptance.live_stack import service_account_of, simulator_config
from batchline import BatchError, BatchRequest, BatchSuccess
from batchline_ops.simulated import simulated_environment
from batchline_shared.ledger import Stage
from batchline_simulator import SimulatorProcess, running_simulator
from pipeline import pipeline
from worker_bench import WORK

if TYPE_CHECKING:
    from collections.abc import Iterator

    from batchline import Job
    from pipeline import Pipeline

CALLS = {
    "openai/gpt-4.1-mini": "chat.completions.create",
    "anthropic/claude-haiku-4-5": "anthropic.messages.create",
    "google/gemini-2.5-flash": "vertex.models.generate",
    "gemini/gemini-2.5-flash": "gemini.models.generate",
}
AT_ONCE: dict[str, Any] = {"deadline": timedelta(milliseconds=1), "on_deadline": "live"}


class User(BaseModel):
    name: str
    age: int


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatorProcess]:
    with running_simulator(simulator_config(tmp_path_factory.mktemp("live"), speed=0)) as server:
        yield server


@pytest.fixture
def server(running: SimulatorProcess, monkeypatch: pytest.MonkeyPatch) -> SimulatorProcess:
    running.set_faults()
    for name, value in simulated_environment(
        running.url, service_account_of(running.config.data_dir), {}
    ).items():
        monkeypatch.setenv(name, value)
    return running


@pytest.fixture
def line() -> Iterator[Pipeline]:
    with pipeline(live_requests_per_minute=100_000, live_parallel=3, submit_give_up_s=0.5) as made:
        yield made


def finish(line: Pipeline, job: Job[Any]) -> None:
    """End a job whose deadline passes before anything is submitted."""
    while not WORK[Stage.DEADLINE](line.context):
        pass
    line.finish(job)


def made(server: SimulatorProcess, call: str, since: int = 0) -> Counter[int | None]:
    """Status → calls since some number of them."""
    return Counter(entry["status"] for entry in server.calls(call)[since:])


@pytest.mark.parametrize("model", CALLS)
def test_each_row_is_one_call_with_the_request_that_a_batch_would_have_held(
    model: str, server: SimulatorProcess, line: Pipeline
) -> None:
    seed = {"seed": 5} if not model.startswith("anthropic") else {"top_k": 3}
    asked = [
        [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Who?"}],
        BatchRequest(messages=[{"role": "user", "content": "Who?"}], max_tokens=70, options=seed),
        *([{"role": "user", "content": f"Who is {at}?"}] for at in range(5)),
    ]
    before = len(server.calls(CALLS[model]))
    job = line.client.enqueue(model, User, asked, custom_ids=[f"id-{at}" for at in range(7)], **AT_ONCE)
    finish(line, job)

    outcomes = job.results()
    assert [one.custom_id for one in outcomes] == [f"id-{at}" for at in range(7)]
    assert all(isinstance(one, BatchSuccess) and isinstance(one.result, User) for one in outcomes), outcomes
    assert {one.source for one in outcomes} == {"live"}
    assert all(
        one.usage is not None and one.usage.input_tokens and one.usage.output_tokens for one in outcomes
    )
    assert made(server, CALLS[model], before) == {200: 7}
    cost = job.info().cost
    assert cost.batch_usd == cost.standard_usd


@pytest.mark.parametrize("model", CALLS)
@pytest.mark.usefixtures("server")
def test_an_answer_without_a_model_is_text(model: str, line: Pipeline) -> None:
    job = line.client.enqueue(model, None, [[{"role": "user", "content": "Say something."}]], **AT_ONCE)
    finish(line, job)

    (outcome,) = job.results()
    assert isinstance(outcome, BatchSuccess)
    assert outcome.result.endswith(".")


@pytest.mark.parametrize(
    ("endpoint", "call"),
    [("/v1/responses", "responses.create"), ("/v1/embeddings", "embeddings.create")],
)
def test_openais_other_endpoints_are_asked_too(
    endpoint: str, call: str, server: SimulatorProcess, line: Pipeline
) -> None:
    embeds = endpoint == "/v1/embeddings"
    model = "openai/text-embedding-3-small" if embeds else "openai/gpt-4.1-mini"
    asked: list[Any] = ["a text"] if embeds else [[{"role": "user", "content": "Who?"}]]
    how: dict[str, Any] = {"endpoint": endpoint} | (
        {"max_tokens": None, "temperature": None} if embeds else {}
    )
    before = len(server.calls(call))
    job: Job[Any] = line.client.enqueue(model, None, asked, **how, **AT_ONCE)
    finish(line, job)

    (outcome,) = job.results()
    assert isinstance(outcome, BatchSuccess)
    assert isinstance(outcome.result, list if embeds else str)
    assert made(server, call, before) == {200: 1}


@pytest.mark.parametrize("model", CALLS)
def test_a_refused_request_is_one_call_and_one_failure_in_the_providers_words(
    model: str, server: SimulatorProcess, line: Pipeline
) -> None:
    call = CALLS[model]
    before = len(server.calls(call))
    server.arm({"call": call, "kind": "error_before", "status": 400})
    job = line.client.enqueue(model, None, [[{"role": "user", "content": "Who?"}]], **AT_ONCE)
    finish(line, job)

    (outcome,) = job.results()
    assert isinstance(outcome, BatchError)
    assert outcome.error_type == "invalid_request"
    assert made(server, call, before) == {400: 1}


@pytest.mark.parametrize("model", CALLS)
@pytest.mark.parametrize("kind", ["drop_before", "drop_after", "html"])
def test_a_call_whose_answer_is_lost_is_never_repeated(
    kind: str, model: str, server: SimulatorProcess, line: Pipeline
) -> None:
    call = CALLS[model]
    before = len(server.calls(call))
    server.arm({"call": call, "kind": kind})
    job = line.client.enqueue(model, None, [[{"role": "user", "content": "Who?"}]], **AT_ONCE)
    finish(line, job)

    (outcome,) = job.results()
    assert isinstance(outcome, BatchError)
    assert outcome.error_type == "unknown"
    assert "retry_failed" in outcome.error_message
    assert made(server, call, before).total() == 1


@pytest.mark.parametrize("model", CALLS)
def test_a_server_error_is_one_call_and_a_provider_error(
    model: str, server: SimulatorProcess, line: Pipeline
) -> None:
    call = CALLS[model]
    before = len(server.calls(call))
    server.arm({"call": call, "kind": "error_after", "status": 500})
    job = line.client.enqueue(model, None, [[{"role": "user", "content": "Who?"}]], **AT_ONCE)
    finish(line, job)

    assert job.info().errors == {"provider_error": 1}
    assert made(server, call, before) == {500: 1}


@pytest.mark.parametrize("model", CALLS)
def test_a_rate_limit_is_waited_for_and_the_sdk_repeats_nothing(
    model: str, server: SimulatorProcess, line: Pipeline
) -> None:
    call = CALLS[model]
    before = len(server.calls(call))
    server.arm({"call": call, "kind": "rate_limit", "retry_after": 1})
    asked = [[{"role": "user", "content": f"Who is {at}?"}] for at in range(3)]
    job = line.client.enqueue(model, None, asked, **AT_ONCE)
    finish(line, job)

    assert job.info().succeeded == 3
    assert made(server, call, before) == {429: 1, 200: 3}
