"""Small jobs from many processes share batches: each request is sent once, whoever is killed meanwhile."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from acceptance.live_stack import until
from batchline import BatchSuccess, JobStatus

if TYPE_CHECKING:
    from acceptance.live_stack import LiveStack

MODEL = "openai/gpt-4.1-mini"

PROCESSES, EACH = 4, 250

ENQUEUE = """
import sys
from batchline import BatchClient

client, first, count = BatchClient(), int(sys.argv[1]), int(sys.argv[2])
for n in range(first, first + count):
    question = [{"role": "user", "content": f"question {n}"}]
    print(client.enqueue(sys.argv[3], None, [question], custom_ids=[f"q-{n}"], linger_s=4).id)
"""
"""What a web handler does, for each of its visitors."""


def shared_batches(stack: LiveStack) -> dict[str, dict[str, Any]]:
    """The batches of pools that the provider ever accepted, by id."""
    return {one["id"]: one for one in stack.simulator.batches() if "pool-" in str(one["metadata"])}


def enqueued(stack: LiveStack) -> list[str]:
    """The ids of a job for each request, enqueued by several processes at the same time."""
    started = [
        subprocess.Popen(
            [sys.executable, "-c", ENQUEUE, str(n * EACH), str(EACH), MODEL],
            env=stack.environment(),
            stdout=subprocess.PIPE,
            text=True,
        )
        for n in range(PROCESSES)
    ]
    ids = [line for process in started for line in process.communicate(timeout=120)[0].split()]
    assert [process.returncode for process in started] == [0] * PROCESSES
    return ids


def test_a_thousand_jobs_of_one_request_end_in_a_handful_of_batches_each_sent_once(stack: LiveStack) -> None:
    before = set(shared_batches(stack))
    first, _ = stack.worker(), stack.worker()
    ids = enqueued(stack)
    # In the middle of boarding, submitting or collecting.
    until(lambda: set(shared_batches(stack)) - before, timeout_s=60)
    first.kill()
    stack.worker()
    jobs = [stack.client.job(job_id) for job_id in ids]

    assert [job.wait(timeout_s=120) for job in jobs] == [JobStatus.COMPLETED] * PROCESSES * EACH
    outcomes = [one for job in jobs for one in job.results()]
    assert all(isinstance(one, BatchSuccess) for one in outcomes)
    assert Counter(one.custom_id for one in outcomes) == Counter(f"q-{n}" for n in range(PROCESSES * EACH))
    made = {name: one for name, one in shared_batches(stack).items() if name not in before}
    assert sum(one["line_count"] for one in made.values()) == PROCESSES * EACH
    assert len(made) <= 15
    assert {batch.batch_id for job in jobs for batch in job.batches()} == set(made)


def test_jobs_of_the_command_line_share_a_batch_and_one_is_cancelled(
    stack: LiveStack, tmp_path: Path
) -> None:
    before = set(shared_batches(stack))
    source = tmp_path / "one.jsonl"
    source.write_text('[{"role": "user", "content": "hello"}]\n')
    stack.worker()

    def batchline(*arguments: str) -> str:
        command = [Path(sys.executable).with_name("batchline"), "batch", *arguments]
        done = subprocess.run(command, env=stack.environment(), capture_output=True, text=True, check=False)
        assert done.returncode in (0, 1), done.stderr
        return done.stdout.strip()

    ids = [batchline("submit", "-m", MODEL, "--linger", "10m", str(source)) for _ in range(3)]
    batchline("cancel", ids[0])
    assert stack.client.job(ids[0]).wait(timeout_s=60) is JobStatus.CANCELLED
    # The batch departs when the first of its jobs has waited long enough: this one ends the others' wait.
    ids.append(batchline("submit", "-m", MODEL, "--linger", "1s", str(source)))
    jobs = [stack.client.job(job_id) for job_id in ids[1:]]

    assert [job.wait(timeout_s=60) for job in jobs] == [JobStatus.COMPLETED] * 3
    (made,) = (one for name, one in shared_batches(stack).items() if name not in before)
    assert made["line_count"] == 3
