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
