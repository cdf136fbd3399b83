"""The demo as `make demo` runs it, with few requests: real server, workers, beat, Flower and simulator."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import psutil
import pytest

from batchline_ops.simulated import SIMULATED

if TYPE_CHECKING:
    from pathlib import Path

SCRIPT = """
import sys
from batchline_ops.demo import DemoOptions, run_demo
sys.exit(run_demo(DemoOptions.model_validate_json(sys.argv[1])))
"""


def start(options: dict[str, object], tmp_path: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT, json.dumps(options)],
        env={**os.environ, "TMPDIR": str(tmp_path), "OPENAI_BASE_URL": "http://127.0.0.1:9/not-this-one"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def processes_of(folder: Path) -> list[str]:
    """Command lines that name a folder."""
    found = (process.info["cmdline"] or [] for process in psutil.process_iter(["cmdline"]))
    return [" ".join(line) for line in found if str(folder) in " ".join(line)]


def test_every_request_has_one_outcome_and_the_summary_is_one_line_of_json(tmp_path: Path) -> None:
    with start({"requests": 40, "as_json": True, "faults": False}, tmp_path) as demo:
        out, err = demo.communicate(timeout=90)

    assert demo.returncode == 0, err
    (line,) = out.splitlines()
    summary = json.loads(line)
    assert (summary["requests"], summary["succeeded"], summary["errored"]) == (40, 40, 0)
    assert summary["exactly_once"] is True
    assert summary["batches"] == summary["parts"] == 10
    assert summary["tokens"]["input"] > 40 * 50
    assert 0 < summary["cost_usd"] < summary["standard_cost_usd"]
    assert 50 < summary["agreement"]["license"] <= 100
    assert summary["elapsed_s"] > 0
    assert summary["flower_url"].startswith("http://127.0.0.1:")


@pytest.mark.parametrize("provider", sorted(set(SIMULATED) - {"openai"}))
def test_every_other_provider_is_shown_as_well(tmp_path: Path, provider: str) -> None:
    options = {"provider": provider, "requests": 100, "as_json": True, "flower": False, "workers": 1}
    with start(options, tmp_path) as demo:
        out, err = demo.communicate(timeout=90)

    assert demo.returncode == 0, err
    summary = json.loads(out)
    assert summary["model"] == SIMULATED[provider].model
    assert (summary["requests"], summary["exactly_once"], summary["problems"]) == (100, True, [])
    assert summary["batches"] == summary["parts"] > 1
    assert 0 < summary["errored"] < 50 < summary["succeeded"]
    assert 0 < summary["cost_usd"] < summary["standard_cost_usd"]


def test_a_run_that_ended_leaves_neither_files_nor_processes(tmp_path: Path) -> None:
    with start({"requests": 5}, tmp_path) as demo:
        out, err = demo.communicate(timeout=90)

    assert demo.returncode == 0, err
    assert "Every request has exactly one outcome" in out
    assert list(tmp_path.glob("batchline-demo-*")) == []
    assert processes_of(tmp_path) == []


def test_a_run_that_is_interrupted_stops_everything(tmp_path: Path) -> None:
    with start({"requests": 40}, tmp_path) as demo:
        deadline = time.monotonic() + 30
        while not processes_of(tmp_path) and time.monotonic() < deadline:
            time.sleep(0.05)
        demo.send_signal(signal.SIGTERM)
        demo.communicate(timeout=90)

    assert demo.returncode == 130
    assert processes_of(tmp_path) == []
    assert list(tmp_path.glob("batchline-demo-*")) == []
