"""Shuffled lines: all of them, whole, in another order."""

import hashlib
import random
from pathlib import Path

from batchline_simulator.shuffled_lines import ShuffledLines


def test_every_line_comes_out_once_in_another_order(tmp_path: Path) -> None:
    lines = [b"x" * (n % 7) + b"%d\n" % n for n in range(500)]
    shuffled = ShuffledLines(tmp_path / "work")
    for line in lines:
        shuffled.add(line)
    written = shuffled.write(tmp_path / "out", random.Random(1))
    shuffled.discard()

    content = (tmp_path / "out").read_bytes()
    assert sorted(content.splitlines(keepends=True)) == sorted(lines)
    assert content != b"".join(lines)
    assert (written.bytes, written.lines) == (len(content), 500)
    assert written.sha256 == hashlib.sha256(content).hexdigest()
    assert not (tmp_path / "work").exists()


def test_order_is_kept_where_none_is_drawn_and_the_last_feed_is_left_out(tmp_path: Path) -> None:
    lines = [b"%d\n" % n for n in range(5)]
    kept = ShuffledLines(tmp_path / "work")
    for line in lines:
        kept.add(line)
    written = kept.write(tmp_path / "out", None, last_feed=False)
    kept.discard()

    assert (tmp_path / "out").read_bytes() == b"0\n1\n2\n3\n4"
    assert written.bytes == 9


def test_no_line_makes_an_empty_file(tmp_path: Path) -> None:
    empty = ShuffledLines(tmp_path / "work")
    written = empty.write(tmp_path / "out", random.Random(1))
    empty.discard()

    assert (written.bytes, written.lines, (tmp_path / "out").read_bytes()) == (0, 0, b"")
