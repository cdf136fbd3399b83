"""OpenAI's responses and embeddings: a job's whole way, over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from pydantic import BaseModel

from batchline import BatchError, BatchRequest, BatchSuccess, ErrorType
from batchline_shared.accounts import Account
from batchline_simulator import SimulatorConfig, SimulatorProcess, running_simulator
from pipeline import pipeline

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from batchline import BatchResult, Job
    from pipeline import Pipeline

MAX_INPUTS = 20
EMBED = "openai@sim/text-embedding-3-small"


class User(BaseModel):
    name: str
    age: int


@pytest.fixture
def server(tmp_path: Path) -> Iterator[SimulatorProcess]:
    with running_simulator(SimulatorConfig(data_dir=tmp_path, speed=0, max_inputs=MAX_INPUTS)) as running:
        yield running


@pytest.fixture
def line(server: SimulatorProcess, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pipeline]:
    monkeypatch.setenv("BATCHLINE_TEST_KEY", "sk-x")
    account = Account(base_url=server.base_url, api_key_env="BATCHLINE_TEST_KEY", max_requests=MAX_INPUTS)
    with pipeline(accounts={"sim": account}) as made:
        yield made


def in_order(job: Job[Any]) -> list[BatchResult[Any]]:
    return sorted(job.results(), key=lambda outcome: int(outcome.custom_id.removeprefix("request-")))


def test_responses_are_typed_and_their_failures_too(line: Pipeline) -> None:
    talk = [{"role": "user", "content": [{"type": "text", "text": "Who is it?"}]}]
    requests: list[Any] = [
        talk,
        BatchRequest(messages="Who?", options={"text": {"verbosity": "low"}}),
        [{"role": "user", "content": "[[fault:refusal]]"}],
    ]

    job = line.client.enqueue("openai@sim/gpt-6-sol", User, requests, endpoint="/v1/responses")
    line.finish(job)

    first, second, refused = in_order(job)
    assert isinstance(first, BatchSuccess)
    assert isinstance(first.result, User)
    assert first.usage is not None
    assert isinstance(second, BatchSuccess)
    assert isinstance(refused, BatchError)
    assert refused.error_type is ErrorType.REFUSED


def test_embeddings_are_lists_of_numbers_and_several_texts_are_answered_together(line: Pipeline) -> None:
    requests: list[Any] = ["one", ["one", "two"], BatchRequest(messages="one", options={"dimensions": 3})]

    job = line.client.enqueue(EMBED, None, requests, endpoint="/v1/embeddings", options={"dimensions": 4})
    line.finish(job)

    one, both, short = (outcome.result for outcome in in_order(job) if isinstance(outcome, BatchSuccess))
    assert len(one) == 4
    assert both[0] == one
    assert len(both) == 2
    assert len(short) == 3


def test_no_batch_holds_more_texts_than_the_provider_takes(line: Pipeline, server: SimulatorProcess) -> None:
    requests: list[Any] = [[f"{row}-{at}" for at in range(row % 7 + 1)] for row in range(40)]

    job = line.client.enqueue(EMBED, None, requests, endpoint="/v1/embeddings", options={"dimensions": 2})
    line.finish(job)

    assert [outcome for outcome in job.results() if not isinstance(outcome, BatchSuccess)] == []
    assert {batch["status"] for batch in server.batches()} == {"completed"}
