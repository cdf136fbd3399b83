"""Anthropic's batches over time: a cancel halfway, and a life that goes on after a restart."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from anthropic_bench import AnthropicBench
from batchline_simulator import SimulatorConfig, SimulatorProcess, running_simulator


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_batch_goes_on_after_a_restart(
    tmp_path: Path, open_claude: Callable[..., AnthropicBench], end: str
) -> None:
    config = SimulatorConfig(data_dir=tmp_path, speed=45)
    first = SimulatorProcess(config)
    claude = open_claude(first)
    batch = claude.create([claude.request(f"r{n}") for n in range(50)])
    getattr(first, end)()
    with running_simulator(config) as second:
        claude = open_claude(second)
        ended = claude.wait(claude.client.messages.batches.retrieve(batch.id))
        results = claude.results(ended)

    assert sorted(results) == sorted(f"r{n}" for n in range(50))
    assert ended.request_counts.succeeded == 50


def test_requests_that_never_ran_are_canceled(
    tmp_path: Path, open_claude: Callable[..., AnthropicBench]
) -> None:
    with running_simulator(SimulatorConfig(data_dir=tmp_path, speed=5)) as simulator:
        claude = open_claude(simulator)
        batch = claude.create([claude.request(f"r{n}") for n in range(100)])
        while simulator.batches()[0]["done_count"] == 0:
            pass
        claude.client.messages.batches.cancel(batch.id)
        ended = claude.wait(batch)
        lines = [json.loads(line) for line in claude.content(ended).content.split(b"\n")]

    kinds = [line["result"]["type"] for line in lines]
    assert len(lines) == 100
    assert 0 < kinds.count("succeeded") == ended.request_counts.succeeded < 100
    assert kinds.count("canceled") == ended.request_counts.canceled
    assert ended.cancel_initiated_at is not None
