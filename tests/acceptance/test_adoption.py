"""A script's batches, taken over on the command line from every provider, by real workers through its SDK."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import BaseModel

from acceptance.live_stack import until
from batchline import BatchSuccess, ErrorType, JobStatus
from batchline_ops.simulated import SIMULATED
from batchline_shared.dialects.registry import PROVIDERS
from script_batches import ScriptBatches

if TYPE_CHECKING:
    from acceptance.live_stack import LiveStack

BATCHLINE = Path(sys.executable).with_name("batchline")
MODELS = """
from pydantic import BaseModel

class Topic(BaseModel):
    title: str
    words: int
"""


class Topic(BaseModel):
    """What the script asked for."""

    title: str
    words: int


def adopt(stack: LiveStack, provider: str, batch_id: str, *more: str) -> dict[str, Any]:
    """Run the command; returns what it printed as JSON."""
    (stack.folder / "topics.py").write_text(MODELS)
    done = subprocess.run(
        [BATCHLINE, "batch", "adopt", "-m", SIMULATED[provider].model, "-b", batch_id, "--json", *more],
        cwd=stack.folder,
        env=stack.environment(),
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode in (0, 9), done.stderr.decode()
    return dict(json.loads(done.stdout))


def made_by(stack: LiveStack) -> list[str]:
    return [batch["id"] for batch in stack.simulator.batches()]


@pytest.mark.parametrize("provider", sorted(PROVIDERS))
def test_a_scripts_batch_is_followed_typed_and_left_alone(stack: LiveStack, provider: str) -> None:
    names = [f"doc-{at}" for at in range(40)]
    prompts = [f"Passage {at}" + (" [[fault:server_error]]" if at == 7 else "") for at in range(40)]
    batch_id = ScriptBatches(stack.simulator).make(provider, names, prompts)
    before, told = made_by(stack), len(stack.simulator.log())
    stack.worker(BATCHLINE_CLEAN_UP_AFTER_S="0")

    ended = adopt(stack, provider, batch_id, "--response-model", "topics:Topic", "--wait")
    again = adopt(stack, provider, batch_id, "--response-model", "topics:Topic")
    job = stack.client.job(ended["id"], Topic)
    results = job.results()

    assert again["id"] == ended["id"]
    assert job.status() is JobStatus.COMPLETED
    assert sorted(outcome.custom_id for outcome in results) == sorted(names)
    assert (job.info().total, job.info().succeeded) == (40, 39)
    assert job.info().errors == {ErrorType.PROVIDER_ERROR: 1}
    assert all(isinstance(one.result, Topic) for one in results if isinstance(one, BatchSuccess))
    assert (job.info().cost.batch_usd or 0) > 0
    assert made_by(stack) == before
    methods = {entry["method"] for entry in stack.simulator.log()[told:] if "/token" not in entry["path"]}
    assert methods == {"GET"}


@pytest.mark.parametrize("provider", sorted(PROVIDERS))
def test_the_same_results_land_once_though_the_worker_dies_while_it_reads_them(
    stack: LiveStack, provider: str
) -> None:
    names = [f"doc-{at}" for at in range(600)]
    batch_id = ScriptBatches(stack.simulator).make(provider, names)
    doomed = stack.worker()
    reads = {
        "openai": "files.content",
        "anthropic": "anthropic.batches.results",
        "google": "gcs.objects.content",
        "gemini": "gemini.files.content",
    }
    stack.simulator.arm({"call": reads[provider], "kind": "signal", "pid": doomed.pid})
    job = stack.client.adopt(SIMULATED[provider].model, Topic, batch_id)

    until(lambda: not doomed.alive)
    stack.worker()

    assert job.wait(timeout_s=60) is JobStatus.COMPLETED
    assert sorted(one.custom_id for one in job.results()) == sorted(names)
    assert job.info().succeeded == 600


UNKNOWN = {
    "openai": "batch_0123456789",
    "anthropic": "msgbatch_0123456789",
    "google": "projects/simulated-project/locations/us-central1/batchPredictionJobs/123",
    "gemini": "batches/unknown0123",
}


@pytest.mark.parametrize("provider", sorted(PROVIDERS))
def test_a_batch_that_the_provider_does_not_know_fails_and_says_so(stack: LiveStack, provider: str) -> None:
    stack.worker()

    ended = adopt(stack, provider, UNKNOWN[provider], "--wait")

    assert (ended["status"], ended["total"]) == ("failed", 0)
    assert f"does not show batch {UNKNOWN[provider]} to this account" in ended["message"]


@pytest.mark.parametrize("provider", sorted(PROVIDERS))
def test_a_batch_of_our_own_is_not_adopted(stack: LiveStack, provider: str) -> None:
    stack.worker()
    own = stack.client.enqueue(SIMULATED[provider].model, None, [[{"role": "user", "content": "hi"}]] * 3)
    own.wait(timeout_s=60)
    (batch,) = own.batches()

    ended = adopt(stack, provider, batch.batch_id or "", "--wait")

    assert ended["status"] == "failed"
    assert "was made by Batchline" in ended["message"]
    assert provider == "anthropic" or own.id in ended["message"]
