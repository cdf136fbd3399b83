"""A child learns that its parent has died, however that one died."""

from __future__ import annotations

import subprocess
import sys
import time
from typing import TYPE_CHECKING

import psutil
import pytest

if TYPE_CHECKING:
    from pathlib import Path

PARENT = """
import signal, subprocess, sys, time
from batchline_ops.embedded.guard import guarded
launch = guarded(sys.argv[2:], on_parent_death=signal.SIGTERM, use_pipe=sys.argv[1] == "pipe")
child = subprocess.Popen(launch.command, pass_fds=launch.pass_fds, start_new_session=True)
print(child.pid, flush=True)
child.wait()
print("ended with", child.returncode, flush=True)
"""

CHILD = """
import signal, sys, time, pathlib
def note(number, frame):
    pathlib.Path(sys.argv[1]).write_text(str(number))
    sys.exit(0)
signal.signal(signal.SIGTERM, note)
pathlib.Path(sys.argv[1]).write_text("running")
time.sleep(60)
"""


def wait_for(path: Path, content: str) -> bool:
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        if path.exists() and path.read_text() == content:
            return True
        time.sleep(0.01)
    return False


@pytest.mark.parametrize(
    "way",
    [
        pytest.param(
            "kernel",
            marks=pytest.mark.skipif(sys.platform != "linux", reason="only Linux has PR_SET_PDEATHSIG"),
        ),
        "pipe",
    ],
)
def test_a_child_gets_its_parting_signal_when_the_parent_is_killed(tmp_path: Path, way: str) -> None:
    note = tmp_path / "note"
    command = [sys.executable, "-c", PARENT, way, sys.executable, "-c", CHILD, note]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert wait_for(note, "running")
        assert "time.sleep(60)" in " ".join(psutil.Process(pid).cmdline()), "the child's own id, no wrapper's"

        parent.kill()

    assert wait_for(note, "15")


@pytest.mark.parametrize("way", ["kernel", "pipe"])
def test_a_child_that_ends_by_itself_reports_its_own_exit_code(way: str) -> None:
    command = [sys.executable, "-c", PARENT, way, "sh", "-c", "exit 7"]

    output = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout

    assert output.endswith("ended with 7\n")


def test_a_command_that_does_not_exist_says_so() -> None:
    command = [sys.executable, "-c", PARENT, "pipe", "no-such-program"]

    result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)

    assert "cannot run no-such-program: No such file or directory" in result.stderr
    assert result.stdout.endswith("ended with 127\n")
