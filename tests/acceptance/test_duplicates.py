"""Equal requests on live processes: sent once whatever dies, and each has the answer."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from acceptance.live_stack import LiveStack, until
from batchline import BatchSuccess, JobStatus

if TYPE_CHECKING:
    from collections.abc import Iterator

    from batchline_ops.embedded import EmbeddedServer
    from batchline_simulator import SimulatorProcess

BATCHLINE = Path(sys.executable).with_name("batchline")
MODEL = "openai/gpt-4o-mini"


@pytest.fixture
def stack(
    live_server: EmbeddedServer, live_simulator: SimulatorProcess, tmp_path: Path
) -> Iterator[LiveStack]:
    stack = LiveStack(live_server.url, live_simulator, tmp_path)
    yield stack
    stack.close()


def test_equal_lines_of_a_file_are_paid_once_though_workers_are_killed(
    stack: LiveStack, tmp_path: Path
) -> None:
    texts = [f"tell me about {n % 30}" for n in range(600)]
    source = tmp_path / "talks.jsonl"
    source.write_text("".join(json.dumps([{"role": "user", "content": text}]) + "\n" for text in texts))
    worker = stack.worker()
    submitted = subprocess.run(
        [BATCHLINE, "batch", "submit", source, "-m", MODEL, "--deduplicate", "--json"],
        env=stack.environment(),
        capture_output=True,
        check=True,
        timeout=30,
    )
    job = stack.client.job(json.loads(submitted.stdout)["id"])
    until(lambda: stack.accepted(job.id))
    worker.kill()
    stack.worker()

    assert job.wait(timeout_s=60) is JobStatus.COMPLETED
    stack.assert_paid_once(job.id, shards=1, requests=30)
    results = job.results()
    assert [one.custom_id for one in results] == [f"request-{n}" for n in range(600)]
    assert [one.duplicate_of for one in results[30:]] == [f"request-{n % 30}" for n in range(30, 600)]
    answers = [one.result for one in results if isinstance(one, BatchSuccess)]
    assert answers == answers[:30] * 20
    info = job.info()
    assert (info.duplicates, info.succeeded) == (570, 600)
    assert info.input_tokens == sum(one.usage.input_tokens for one in results[:30] if one.usage)
