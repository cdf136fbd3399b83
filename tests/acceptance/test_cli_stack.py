"""`batchline up` and `batchline simulate` as their user starts and stops them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from integration.ops.process_checks import still_there

if TYPE_CHECKING:
    from collections.abc import Iterator

BATCHLINE = Path(sys.executable).with_name("batchline")
TIMEOUT_S = 60


def environment(**added: str) -> dict[str, str]:
    ours = {
        name: value for name, value in os.environ.items() if not name.startswith(("BATCHLINE_", "OPENAI_"))
    }
    return ours | added


@contextmanager
def start(home: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Run a command; it ends with the test, however that does."""
    with subprocess.Popen(
        [BATCHLINE, *arguments],
        cwd=home,
        env=environment(BATCHLINE_POLL_INTERVAL_S="0.1", BATCHLINE_TICK_INTERVAL_S="0.2"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.terminate()  # does nothing where it has ended


def finish(process: subprocess.Popen[str]) -> tuple[str, str]:
    process.send_signal(signal.SIGINT)
    return process.communicate(timeout=TIMEOUT_S)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    (tmp_path / "in.jsonl").write_text('[{"role": "user", "content": "a chair"}]\n' * 3)
    return tmp_path


def test_up_tells_where_everything_is_runs_a_job_and_leaves_nothing_behind(home: Path) -> None:
    arguments = ["up", "--workers", "1", "--simulator", "--no-flower", "--data-dir", "data", "--json"]
    with start(home, *arguments) as stack:
        assert stack.stdout is not None
        ready = json.loads(stack.stdout.readline())
        with start(home, *arguments) as second:
            _, refusal = second.communicate(timeout=TIMEOUT_S)
        done = subprocess.run(
            [BATCHLINE, "batch", "submit", "in.jsonl", "-m", "openai/gpt-4o-mini", "--json"],
            cwd=home,
            env=environment(BATCHLINE_REDIS_URL=ready["redis_url"]),
            capture_output=True,
            timeout=TIMEOUT_S,
            check=True,
        )
        out, err = finish(stack)

    assert ready["ready"]
    assert set(ready["pids"]) == {"server", "simulator", "worker-1", "beat"}
    assert (ready["flower_url"], ready["simulator_url"] is None) == (None, False)
    assert json.loads(done.stdout)["total"] == 3
    assert (stack.returncode, out, err) == (0, "", "")
    assert still_there(list(ready["pids"].values()), within_s=5) == []
    assert second.returncode == 11
    assert "another `batchline up` runs" in refusal


def test_simulate_answers_where_it_says_until_ctrl_c(home: Path) -> None:
    with start(home, "simulate", "--speed", "100", "--json") as simulator:
        assert simulator.stdout is not None
        ready = json.loads(simulator.stdout.readline())
        with urllib.request.urlopen(f"{ready['url']}/_sim/stats", timeout=10) as reply:  # noqa: S310 - ours
            status = reply.status
        out, err = finish(simulator)

    assert (ready["ready"], status) == (True, 200)
    assert (simulator.returncode, out, err) == (0, "", "")
    assert (home / ".batchline" / "simulator").is_dir()


def test_simulate_refuses_an_unknown_option_in_one_line(home: Path) -> None:
    with start(home, "simulate", "--sped", "1") as simulator:
        out, err = simulator.communicate(timeout=TIMEOUT_S)

    assert (simulator.returncode, out) == (2, "")
    assert err.count("\n") == 1
    assert "--sped" in err
