"""Jobs on Vertex AI and on the Gemini API: a job's whole way, over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from pydantic import BaseModel

from batchline import BatchError, BatchRequest, BatchSuccess, ErrorType
from batchline_simulator import SimulatorConfig, SimulatorProcess, running_simulator
from pipeline import pipeline

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MODELS = ["google/gemini-2.5-flash", "google/gemini-3.1-flash-lite", "gemini/gemini-2.5-flash"]


class User(BaseModel):
    name: str
    age: int


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[SimulatorProcess, Path]]:
    folder = tmp_path_factory.mktemp("google")
    config = SimulatorConfig(data_dir=folder, speed=0, buckets={"b": "us-central1"}, prediction_shards=2)
    with running_simulator(config) as server:
        yield server, server.write_service_account(folder / "account.json")


@pytest.fixture
def server(running: tuple[SimulatorProcess, Path], monkeypatch: pytest.MonkeyPatch) -> SimulatorProcess:
    server, key_file = running
    server.set_faults()
    monkeypatch.delenv("GOOGLE_CLOUD_LOCATION", raising=False)
    for name, value in {
        "GOOGLE_APPLICATION_CREDENTIALS": str(key_file),
        "GOOGLE_CLOUD_PROJECT": "p",
        "GCS_BUCKET": "b",
        "GOOGLE_VERTEX_BASE_URL": server.url,
        "STORAGE_EMULATOR_HOST": server.url,
        "GEMINI_API_KEY": "any",
        "GOOGLE_GEMINI_BASE_URL": server.gemini_url,
    }.items():
        monkeypatch.setenv(name, value)
    return server


@pytest.mark.parametrize("model", MODELS)
def test_every_request_of_a_job_in_several_batches_has_its_outcome(
    model: str, server: SimulatorProcess
) -> None:
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,QUJD"}}
    asked = [
        [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Who?"}],
        BatchRequest(
            messages=[{"role": "user", "content": [{"type": "text", "text": "Who?"}, picture]}],
            temperature=0.0,
            options={"seed": 5},
        ),
        [{"role": "user", "parts": [{"text": "[[fault:server_error]] Who?"}]}],
        [{"role": "user", "content": "[[fault:length]] Who?"}],
        *([{"role": "user", "content": f"Who is {at}?"}] for at in range(6)),
    ]

    before = len(server.batches())
    with pipeline(shard_max_requests=4) as line:
        job = line.client.enqueue(model, User, asked, options={"top_p": 0.5})
        line.finish(job)
        outcomes = job.results()

    kinds = [one.error_type if isinstance(one, BatchError) else None for one in outcomes]
    assert kinds == [None, None, ErrorType.PROVIDER_ERROR, ErrorType.TRUNCATED, *[None] * 6]
    assert all(isinstance(one.result, User) for one in outcomes if isinstance(one, BatchSuccess))
    assert len(server.batches()) == before + 3


@pytest.mark.parametrize("model", MODELS)
def test_a_creation_whose_answer_is_lost_is_found_and_not_made_again(
    model: str, server: SimulatorProcess
) -> None:
    call = "vertex.batches.create" if model.startswith("google/") else "gemini.batches.create"
    server.arm({"call": call, "kind": "drop_after"})

    before = len(server.batches())
    with pipeline(create_timeout_s=0.2, reconcile_quiet_s=0.2) as line:
        job = line.client.enqueue(model, None, [[{"role": "user", "content": "hi"}]] * 3)
        line.finish(job)
        outcomes = job.results()

    assert [one.success for one in outcomes] == [True] * 3
    assert len(server.batches()) == before + 1


def test_a_batch_that_broke_at_google_goes_out_again(server: SimulatorProcess) -> None:
    server.arm({"call": "vertex.batches.create", "kind": "system_error"})

    before = len(server.batches())
    with pipeline() as line:
        job = line.client.enqueue(MODELS[0], None, [[{"role": "user", "content": "hi"}]] * 3)
        line.finish(job)
        outcomes = job.results()

    assert [one.success for one in outcomes] == [True] * 3
    assert len(server.batches()) == before + 2
