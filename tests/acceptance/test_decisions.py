"""What workers cannot decide, a person does with the command line; the rest goes on meanwhile."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from acceptance.live_stack import until
from batchline import ErrorType, JobStatus

if TYPE_CHECKING:
    from acceptance.live_stack import LiveStack

MODEL = "openai/gpt-4o-mini"


def batchline(stack: LiveStack, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command that knows the ledger, and no provider's key."""
    command = [Path(sys.executable).with_name("batchline"), *arguments]
    keyless = stack.environment(OPENAI_API_KEY=None)
    return subprocess.run(command, env=keyless, capture_output=True, text=True, check=False, timeout=60)


def parts_of(stack: LiveStack, job_id: str) -> list[dict[str, Any]]:
    shown = json.loads(batchline(stack, "batch", "status", job_id, "--json").stdout)
    parts: list[dict[str, Any]] = shown["batches"]
    return parts


def questions(count: int, word: str = "question") -> list[list[dict[str, str]]]:
    return [[{"role": "user", "content": f"{word} {n}"}] for n in range(count)]


def test_a_shard_in_doubt_takes_the_batch_that_a_person_names_and_is_paid_once(stack: LiveStack) -> None:
    other = stack.client.enqueue(MODEL, None, questions(2))
    stack.simulator.arm(
        {"call": "batches.create", "kind": "drop_after"},
        {"call": "batches.list", "kind": "unavailable", "rate": 1.0},
    )
    stack.worker(BATCHLINE_DOUBT_AFTER_S="0.5")
    until(lambda: parts_of(stack, other.id) and parts_of(stack, other.id)[0]["state"] == "in_doubt", 60)
    (part,) = parts_of(stack, other.id)
    (made,) = stack.accepted(other.id)

    refused = batchline(stack, "batch", "resolve", other.id, part["shard"], "--batch", "batch_of_nobody")
    doctor = batchline(stack, "doctor", "--json")
    taken = batchline(stack, "batch", "resolve", other.id, part["shard"], "--batch", made["id"], "--json")

    assert refused.returncode == 2
    assert "does not show batch batch_of_nobody" in refused.stderr
    assert [one for one in json.loads(doctor.stdout)["checks"] if one["check"] == "In doubt"]
    assert json.loads(taken.stdout)["batch"]["batch_id"] == made["id"]
    assert other.wait(timeout_s=60) is JobStatus.COMPLETED
    stack.assert_paid_once(other.id, shards=1, requests=2)


def test_a_shard_that_kills_every_worker_is_quarantined_and_other_jobs_go_on(stack: LiveStack) -> None:
    settings = {
        "BATCHLINE_QUARANTINE_AFTER": "3",
        "BATCHLINE_CREATE_TIMEOUT_S": "0.5",
        "BATCHLINE_LEASE_S": "5.5",
    }
    poison = stack.client.enqueue(MODEL, None, questions(3, "poison"))
    # Its provider takes no files: nothing of it kills anybody.
    healthy = stack.client.enqueue("anthropic/claude-haiku-4-5", None, questions(2))
    deaths = 0
    while not poison.status().is_final:
        worker = stack.worker(**settings)
        stack.simulator.set_faults()
        stack.simulator.arm({"call": "files.create", "kind": "signal", "pid": worker.pid, "rate": 1.0})
        until(lambda worker=worker: not worker.alive or poison.status().is_final, 90)  # type: ignore[misc]  # mypy cannot infer a lambda's default
        deaths += not worker.alive

    assert deaths == 3
    assert poison.status() is JobStatus.FAILED
    assert [one.error_type for one in poison.results() if not one.success] == [ErrorType.INVALID_REQUEST] * 3
    assert "3 workers in a row have died over it" in poison.info().message
    assert stack.accepted(poison.id) == []
    assert healthy.wait(timeout_s=60) is JobStatus.COMPLETED
    stack.assert_paid_once(healthy.id, shards=1, requests=2)
