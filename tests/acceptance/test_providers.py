"""Every provider through real workers and its own SDK: all at once, and through the worst moments."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import BaseModel

from acceptance.live_stack import LiveStack, simulator_config, until
from batchline import JobStatus
from batchline_ops.simulated import SIMULATED
from batchline_shared.dialects.registry import PROVIDERS
from batchline_simulator import running_simulator

if TYPE_CHECKING:
    from pathlib import Path

    from batchline import Job
    from batchline_ops.embedded import EmbeddedServer

CALLS = {"openai": "", "anthropic": "anthropic.", "google": "vertex.", "gemini": "gemini."}
"""Provider → what its calls begin with in the simulator's faults."""

RESPONDER = """
import pathlib, time
def answer(body):
    gate = pathlib.Path({gate!r})
    deadline = time.monotonic() + 60
    while not gate.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    return {{"title": "a title", "words": 3}}
"""


class Topic(BaseModel):
    """What is asked of every passage."""

    title: str
    words: int


def enqueue(stack: LiveStack, provider: str, count: int) -> Job[Topic]:
    system = {"role": "system", "content": "Name the topic."}
    passages = ([system, {"role": "user", "content": f"Passage {number}"}] for number in range(count))
    ids = (f"{provider}/{number}" for number in range(count))
    return stack.client.enqueue(SIMULATED[provider].model, Topic, passages, custom_ids=ids)


def assert_each_answered_once(job: Job[Topic], provider: str, count: int) -> None:
    expected = [f"{provider}/{number}" for number in range(count)]
    results = job.results()

    assert [outcome.custom_id for outcome in results] == expected
    assert Counter(outcome.custom_id for outcome in job.iter_results(timeout_s=10)) == Counter(expected)
    assert all(outcome.success and isinstance(outcome.result, Topic) for outcome in results)
    assert job.info().input_tokens > 0


def test_every_provider_is_played_by_the_simulator() -> None:
    assert sorted(CALLS) == sorted(SIMULATED) == sorted(PROVIDERS)


def test_jobs_of_all_providers_are_in_flight_at_once_over_two_workers(
    live_server: EmbeddedServer, tmp_path: Path
) -> None:
    gate = tmp_path / "open"
    (tmp_path / "held_responder.py").write_text(RESPONDER.format(gate=str(gate)))
    config = simulator_config(tmp_path / "sim", speed=0, responder="held_responder:answer")
    with running_simulator(config, search_path=[tmp_path]) as simulator:
        stack = LiveStack(live_server.url, simulator, tmp_path)
        try:
            jobs = {provider: enqueue(stack, provider, 300) for provider in PROVIDERS}
            for _ in range(2):
                stack.worker(BATCHLINE_SHARD_MAX_REQUESTS="150")

            def running() -> set[str]:
                states = {name: [shard.state for shard in job.batches()] for name, job in jobs.items()}
                return {name for name, found in states.items() if found == ["submitted"] * 2}

            until(lambda: running() == set(PROVIDERS), timeout_s=60)
            assert all(job.status() is JobStatus.IN_PROGRESS for job in jobs.values())
            gate.touch()

            for provider, job in jobs.items():
                assert job.wait(timeout_s=60) is JobStatus.COMPLETED
                assert_each_answered_once(job, provider, 300)
                stack.assert_paid_once(job.id, shards=2, requests=300)
        finally:
            stack.close()


@pytest.mark.parametrize("provider", sorted(PROVIDERS))
def test_a_worker_that_dies_between_acceptance_and_record_pays_once(stack: LiveStack, provider: str) -> None:
    doomed = stack.worker()
    fault: dict[str, Any] = {"call": f"{CALLS[provider]}batches.create", "kind": "signal", "pid": doomed.pid}
    stack.simulator.arm(fault)
    job = enqueue(stack, provider, 30)

    until(lambda: not doomed.alive)
    assert len(stack.accepted(job.id)) == 1
    stack.worker()

    assert job.wait(timeout_s=60) is JobStatus.COMPLETED
    assert_each_answered_once(job, provider, 30)
    stack.assert_paid_once(job.id, shards=1, requests=30)


@pytest.mark.parametrize("provider", sorted(PROVIDERS))
def test_a_create_whose_answer_never_came_pays_once(stack: LiveStack, provider: str) -> None:
    stack.simulator.arm({"call": f"{CALLS[provider]}batches.create", "kind": "drop_after"})
    # Another number than above: that ledger is gone, so its batch of 30 would be one that nobody has.
    job = enqueue(stack, provider, 31)
    stack.worker()

    assert job.wait(timeout_s=60) is JobStatus.COMPLETED
    assert_each_answered_once(job, provider, 31)
    stack.assert_paid_once(job.id, shards=1, requests=31)


@pytest.mark.parametrize("provider", sorted(PROVIDERS))
def test_without_credentials_a_job_waits_and_says_what_to_set(stack: LiveStack, provider: str) -> None:
    missing = next(name for name in SIMULATED[provider].variables if name.endswith(("_KEY", "_BUCKET")))
    keyless = stack.worker(**{missing: None})
    job = enqueue(stack, provider, 3)

    until(lambda: job.info().message)
    assert missing in job.info().message
    assert not job.status().is_final
    assert keyless.terminate() == 0
    stack.worker()

    assert job.wait(timeout_s=60) is JobStatus.COMPLETED
    assert_each_answered_once(job, provider, 3)


@pytest.mark.parametrize("provider", sorted(PROVIDERS))
def test_what_a_finished_job_left_at_its_provider_is_deleted(stack: LiveStack, provider: str) -> None:
    stack.worker(BATCHLINE_CLEAN_UP_AFTER_S="0")
    job = enqueue(stack, provider, 3)

    assert job.wait(timeout_s=60) is JobStatus.COMPLETED
    until(lambda: "cleaned_up" in stack.logs())
    deletions = [
        entry for entry in stack.simulator.log() if entry["method"] == "DELETE" and entry["status"] < 300
    ]
    assert deletions
    assert "clean_up_failed" not in stack.logs()
    assert_each_answered_once(job, provider, 3)
