"""Deadlines on live processes: a job ends by itself, and what goes live is asked once, whatever dies."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from acceptance.live_stack import LiveStack, LiveWorker, until
from batchline import BatchError, JobStatus

MODEL = "openai/gpt-4o-mini"
LIVE_CALL = "chat.completions.create"
BATCHLINE = Path(sys.executable).with_name("batchline")


def submit(stack: LiveStack, folder: Path, count: int, *options: str) -> str:
    """Submit by the command line; returns the job's id."""
    source = folder / "requests.jsonl"
    source.write_text(
        "".join(json.dumps([{"role": "user", "content": f"{n}?"}]) + "\n" for n in range(count))
    )
    command = [str(BATCHLINE), "batch", "submit", str(source), "--model", MODEL, *options]
    done = subprocess.run(command, env=stack.environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def ready(stack: LiveStack, worker: LiveWorker) -> LiveWorker:
    """A worker that listens, so that none of the time to a deadline goes by while it starts."""
    until(lambda: stack.broker.keys("*binding*"), timeout_s=60)
    return worker


def stuck(stack: LiveStack) -> None:
    """Let the next batches stay in validation, where nothing of them is run."""
    stack.simulator.set_faults(
        {"call": "batches.create", "kind": "stuck", "value": "validating", "rate": 1.0}
    )


def calls(stack: LiveStack, since: int) -> Counter[Any]:
    return Counter(entry["status"] for entry in stack.simulator.calls(LIVE_CALL)[since:])


def test_a_job_whose_workers_were_down_at_its_deadline_ends_by_itself(
    stack: LiveStack, tmp_path: Path
) -> None:
    stuck(stack)
    first = ready(stack, stack.worker())
    job = stack.client.job(submit(stack, tmp_path, 5, "--deadline", "10s"))
    until(lambda: job.status() is JobStatus.IN_PROGRESS)
    first.kill()
    deadline = job.info().deadline
    assert deadline is not None
    until(lambda: stack.client.connection.work.now_ms() > deadline.timestamp() * 1000)
    assert not job.status().is_final
    stack.worker()

    assert job.wait(60) is JobStatus.EXPIRED
    assert job.info().errors == {"expired": 5}
    assert all(isinstance(one, BatchError) and "deadline" in one.error_message for one in job.results())
    stack.assert_paid_once(job.id, shards=1, requests=5)


def test_what_was_not_run_is_asked_live_once_each_though_a_worker_is_killed_amid(
    stack: LiveStack, tmp_path: Path
) -> None:
    stuck(stack)
    before = len(stack.simulator.calls(LIVE_CALL))
    limits = {"BATCHLINE_LIVE_PARALLEL": "2", "BATCHLINE_LIVE_REQUESTS_PER_MINUTE": "100000"}
    first = ready(stack, stack.worker(**limits))
    kill = {"call": LIVE_CALL, "kind": "signal", "pid": first.pid, "number": 9, "skip": 4}
    stack.simulator.arm(kill)
    job = stack.client.job(submit(stack, tmp_path, 12, "--deadline", "10s", "--on-deadline", "live"))
    until(lambda: not first.alive)
    stack.worker(**limits)

    assert job.wait(60) is JobStatus.COMPLETED
    info = job.info()
    lost = info.errors.get("unknown", 0)
    assert info.errors == {"unknown": lost}
    assert 1 <= lost <= 2
    assert info.succeeded + lost == 12
    assert {one.source for one in job.results()} == {"live"}
    # Each row was asked once at most: those that were lost before their call, not at all.
    assert 12 - lost <= calls(stack, before).total() <= 12
    assert len(stack.accepted(job.id)) == 1
    assert info.cost.batch_usd == info.cost.standard_usd


def test_a_rate_limit_is_honoured_and_nothing_is_lost_or_asked_twice(
    stack: LiveStack, tmp_path: Path
) -> None:
    before = len(stack.simulator.calls(LIVE_CALL))
    stack.simulator.set_faults({"call": LIVE_CALL, "kind": "rate_limit", "retry_after": 1, "times": 2})
    # No worker runs before the deadline: no batch is ever made.
    job = stack.client.job(submit(stack, tmp_path, 6, "--deadline", "0.01s", "--on-deadline", "live"))
    for _ in range(2):
        stack.worker(BATCHLINE_LIVE_REQUESTS_PER_MINUTE="100000")

    assert job.wait(60) is JobStatus.COMPLETED
    assert calls(stack, before) == {200: 6, 429: 2}
    assert job.info().succeeded == 6


@pytest.fixture(autouse=True)
def _healthy(stack: LiveStack) -> None:
    stack.simulator.set_faults()
