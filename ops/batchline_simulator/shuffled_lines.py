"""Lines that come out in another order than they went in, without being held in memory.

Lines go to a file as they are made; only where each begins is remembered,
eight bytes a line. Writing them out reads that file at shuffled places.
"""

import hashlib
import os
import random
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_BUFFER_BYTES = 1 << 20


@dataclass(frozen=True)
class Written:
    """What was written out."""

    content: Path
    bytes: int
    lines: int
    sha256: str


class ShuffledLines:
    """A file of lines that is written once and then read, in random order unless asked otherwise."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._sink = path.open("wb", buffering=_BUFFER_BYTES)
        self._ends = array("Q", [0])

    def __len__(self) -> int:
        """Count the lines."""
        return len(self._ends) - 1

    def add(self, line: bytes) -> None:
        """Append one line, which has its line feed."""
        self._sink.write(line)
        self._ends.append(self._ends[-1] + len(line))

    def write(self, target: Path, rng: random.Random | None, *, last_feed: bool = True) -> Written:
        """Write the lines to `target`.

        Args:
            target: Is replaced.
            rng: Draws the order; None keeps the one in which the lines were added.
            last_feed: Whether the last line ends in a line feed as the others do.
        """
        digest, size = hashlib.sha256(), self._ends[-1]
        with target.open("wb", buffering=_BUFFER_BYTES) as sink:
            for line in self._lines(rng):
                size -= len(line)
                kept = line if size or last_feed else line[:-1]
                digest.update(kept)
                sink.write(kept)
        return Written(target, target.stat().st_size, len(self), digest.hexdigest())

    def _lines(self, rng: random.Random | None) -> Iterator[bytes]:
        self._sink.flush()
        order = array("Q", range(len(self)))
        if rng is not None:
            rng.shuffle(order)
        with self._path.open("rb") as source:
            for place in order:
                start, end = self._ends[place], self._ends[place + 1]
                # Not a map of the file: its pages would count as ours until somebody else needs them.
                yield os.pread(source.fileno(), end - start, start)

    def discard(self) -> None:
        """Close and remove the file."""
        self._sink.close()
        self._path.unlink(missing_ok=True)
