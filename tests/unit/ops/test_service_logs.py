"""Each service's log: set aside by size, and quoted in errors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchline_ops.supervisor.logs import last_lines, rotate

if TYPE_CHECKING:
    from pathlib import Path


def test_a_long_log_is_set_aside_and_the_oldest_dropped(tmp_path: Path) -> None:
    log = tmp_path / "worker-1.log"
    for run in ("first", "second", "third", "fourth"):
        rotate(log, max_bytes=3, keep=2)
        log.write_text(run)

    assert log.read_text() == "fourth"
    assert (tmp_path / "worker-1.log.1").read_text() == "third"
    assert (tmp_path / "worker-1.log.2").read_text() == "second"
    assert not (tmp_path / "worker-1.log.3").exists()


def test_a_short_log_is_continued(tmp_path: Path) -> None:
    log = tmp_path / "worker-1.log"
    log.write_text("short")

    rotate(log, max_bytes=100)

    assert log.read_text() == "short"


def test_the_last_lines_are_those_of_this_run_only(tmp_path: Path) -> None:
    log = tmp_path / "beat.log"
    log.write_text("old run\nnew 1\n\nnew 2\n")

    assert last_lines(log, start=8) == "new 1 | new 2"
    assert last_lines(log, start=21) == "(it logged nothing)"
    assert last_lines(tmp_path / "none.log") == "(No such file or directory)"
