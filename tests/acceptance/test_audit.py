"""An audit with real processes: all batches are paired, a second one is cancelled, a lost one found."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from openai import OpenAI

from acceptance.live_stack import KEY, until
from batchline import JobStatus
from batchline_shared.ledger import ShardState, Stage, keys

if TYPE_CHECKING:
    from acceptance.live_stack import LiveStack

MODELS = {
    "openai": "openai/gpt-4o-mini",
    "anthropic": "anthropic/claude-haiku-4-5",
    "google": "google/gemini-2.5-flash",
    "gemini": "gemini/gemini-2.5-flash",
}


def audit(stack: LiveStack, *options: str) -> tuple[int, Any]:
    """`batchline doctor --audit`, as JSON, on a machine with the providers' keys."""
    command = [Path(sys.executable).with_name("batchline"), "doctor", "--audit", "--json", *options]
    done = subprocess.run(
        command, env=stack.environment(), capture_output=True, text=True, check=False, timeout=90
    )
    assert done.stdout.count("\n") == 1, done.stderr
    return done.returncode, json.loads(done.stdout)


def questions(count: int) -> list[list[dict[str, str]]]:
    return [[{"role": "user", "content": f"question {n}"}] for n in range(count)]


def test_batches_of_every_provider_are_paired_with_their_shards(stack: LiveStack) -> None:
    stack.worker()
    jobs = [stack.client.enqueue(model, None, questions(2)) for model in MODELS.values()]
    assert [job.wait(timeout_s=60) for job in jobs] == [JobStatus.COMPLETED] * len(jobs)

    code, said = audit(stack)

    assert (code, said["ok"], said["findings"]) == (0, True, [])
    accounts = {one["account"]: one for one in said["accounts"]}
    assert list(accounts) == sorted(MODELS)
    assert all(one["error"] is None for one in accounts.values())
    # Anthropic's known batches are not even looked at.
    assert [name for name, one in accounts.items() if one["paired"] < 1] == ["anthropic"]


def test_a_second_batch_is_cancelled_and_anothers_left_alone(stack: LiveStack) -> None:
    stack.simulator.arm({"call": "batches.create", "kind": "stuck", "value": "in_progress", "rate": 1.0})
    stack.worker()
    job = stack.client.enqueue(MODELS["openai"], None, questions(2))
    until(lambda: job.batches() and job.batches()[0].batch_id)
    (ours,) = stack.accepted(job.id)
    with OpenAI(api_key=KEY, base_url=f"{stack.simulator.url}/v1") as sdk:
        seen = sdk.batches.retrieve(ours["id"])
        assert seen.metadata is not None
        theirs = {**seen.metadata, "batchline_ledger": "0123456789abcdef"}
        twins = [
            sdk.batches.create(
                completion_window="24h",
                endpoint="/v1/chat/completions",
                input_file_id=seen.input_file_id,
                metadata=metadata,
            )
            for metadata in (seen.metadata, theirs)
        ]

        code, said = audit(stack)

        statuses = [sdk.batches.retrieve(one.id).status for one in twins]
    assert (code, [one["batch"] for one in said["findings"]]) == (0, [twins[0].id])
    assert (said["findings"][0]["verdict"], said["findings"][0]["done"]) == ("second", "cancelled")
    assert statuses[0] in ("cancelling", "cancelled")
    assert statuses[1] not in ("cancelling", "cancelled")


@pytest.mark.parametrize("provider", ["openai", "google", "gemini"])
def test_a_shard_in_doubt_is_resolved_by_its_batchs_mark(stack: LiveStack, provider: str) -> None:
    doomed = stack.worker()
    call = {"openai": "batches", "google": "vertex.batches", "gemini": "gemini.batches"}[provider]
    stack.simulator.arm({"call": f"{call}.create", "kind": "signal", "pid": doomed.pid})
    job = stack.client.enqueue(MODELS[provider], None, questions(2))
    until(lambda: not doomed.alive)
    # As the shard would be after an hour in which no list could be read.
    (part,) = job.batches()
    partition = keys.partition_of(job.id)
    stack.client.connection.redis.hset(keys.work(partition, part.shard), "state", ShardState.IN_DOUBT)
    stack.client.connection.redis.zrem(keys.due(partition, Stage.SUBMIT), part.shard)

    code, said = audit(stack)
    stack.worker()

    assert (code, [(one["shard"], one["done"]) for one in said["findings"]]) == (0, [(part.shard, "adopted")])
    assert job.wait(timeout_s=60) is JobStatus.COMPLETED
    stack.assert_paid_once(job.id, shards=1, requests=2)
