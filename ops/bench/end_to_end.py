"""One job from enqueue to the last typed result: all processes of ours against a script by hand."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from processes import HERE, figures_of
from services import POLL_S, Services, running_services

from batchline_simulator.config import SimulatorConfig
from batchline_simulator.process import running_simulator

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["SHAPE", "measure_jobs"]

SHAPE = "2 fields"
"""The model of the job; the script by hand spends the most time on rows, not on models."""

_WARM_ROWS = 5


def measure_jobs(folder: Path, rows: int, runs: int) -> list[dict[str, Any]]:
    """Run both sides in turn on the same simulator; returns the figures of each pair."""
    config = SimulatorConfig(data_dir=folder / "simulator", speed=0, responder="answers:cheap")
    with running_simulator(config, search_path=[HERE]) as simulator:
        return [
            {
                "batchline": _ours(folder / f"run-{run}", rows, simulator.base_url),
                "by hand": _by_hand(folder, rows, simulator.base_url),
            }
            for run in range(runs)
        ]


def _ours(folder: Path, rows: int, simulator_url: str) -> dict[str, Any]:
    with running_services(folder, simulator_url) as services:
        _client(services, _WARM_ROWS)
        before = services.cpu_s()
        client = _client(services, rows)
        after = services.cpu_s()
        peaks = {"client": client["peak_bytes"], **services.peaks()}
    cpu = {"client": client["cpu_s"], **{name: after[name] - before[name] for name in after}}
    return {
        "cpu_s": sum(cpu.values()),
        "cold_cpu_s": client["cpu_s"] + sum(after.values()),
        "cpu_by_process": cpu,
        "peak_bytes": max(peaks.values()),
        "peak_by_process": peaks,
    }


def _client(services: Services, rows: int) -> dict[str, Any]:
    return figures_of("job_batchline.py", SHAPE, rows, environment=services.environment)


def _by_hand(folder: Path, rows: int, simulator_url: str) -> dict[str, Any]:
    environment = {**os.environ, "OPENAI_BASE_URL": simulator_url, "OPENAI_API_KEY": "simulated"}
    return figures_of("job_by_hand.py", SHAPE, rows, folder, POLL_S, environment=environment)
