"""Memory: what streams is not held."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from ledger_servers import embedded

if TYPE_CHECKING:
    from pathlib import Path

PROGRAM = """
import gc, json, resource, sys
from batchline import BatchClient, Settings
from batchline_shared.ledger import JobStore, Landing, JobStatus
from batchline_shared.outcome_rows import encode_unanswered
from batchline_shared.outcomes import ErrorType

url, count = sys.argv[1], int(sys.argv[2])
client = BatchClient(settings=Settings(redis_url=url, broker_url="memory://", durable_writes=False))

def peak_mb():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

def requests(n):
    return ([{"role": "user", "content": f"Name the capital of country {i}."}] for i in range(n))

warm = client.enqueue("openai/gpt-4o-mini", None, requests(5000))
before = peak_mb()
job = client.enqueue("openai/gpt-4o-mini", None, requests(count))
enqueued = peak_mb()
store = client.connection.jobs
for at in range(0, count, 500):
    rows = list(range(at, min(at + 500, count)))
    lines = [encode_unanswered(n, 1, f"request-{n}", ErrorType.EXPIRED, "m" * 300) for n in rows]
    store.land(job.id, Landing(rows, lines, [{"errored": 1, "err.expired": 1}] * len(rows)))
store.finish(job.id, JobStatus.EXPIRED, message="", retention_s=0)
landed = peak_mb()
seen = sum(1 for _ in job.iter_results())
print(json.dumps({"enqueue": enqueued - before, "read": peak_mb() - landed, "seen": seen}))
"""


def test_enqueueing_and_reading_a_large_job_holds_a_bounded_part_of_it(tmp_path: Path) -> None:
    count = 200_000
    with embedded("valkey", tmp_path) as server:
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, server.url, str(count)],
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
    if done.returncode:
        pytest.fail(done.stderr)
    used: dict[str, Any] = json.loads(done.stdout)

    assert used["seen"] == count
    assert used["enqueue"] < 30
    assert used["read"] < 30
