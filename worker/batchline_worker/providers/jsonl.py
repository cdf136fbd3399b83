"""Lines of a JSONL download that may break off at any byte.

Bytes are split at line feeds and nowhere else: text splitters also cut at
U+2028 and U+0085, which stand inside JSON strings of real answers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchline_shared.dialects.jsonl import parse_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["TruncatedError", "complete_lines"]

_MAX_LINE_BYTES = 256 * 1024 * 1024
"""Longer than any answer. A download that goes on without a line end, as a compressed bomb, ends here."""

_BOM = b"\xef\xbb\xbf"


class TruncatedError(Exception):
    """The last line is no JSON, so the content broke off or is something else altogether."""


def complete_lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Split chunks into lines without line ends; a byte order mark and blank lines are dropped.

    The last line is held back until it has been parsed, so what comes out is whole.

    Args:
        chunks: The content in pieces of any size. Memory holds one piece and one line.

    Raises:
        TruncatedError: The last line is no JSON, or a line does not end; every line before it has been
            given out.
    """
    held = b""
    for line in _lines(chunks):
        if held:
            yield held
        held = line
    if held:
        try:
            parse_line(held)
        except ValueError:
            raise TruncatedError(f"the last line of {len(held)} bytes is no JSON") from None
        yield held


def _lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Split at line feeds; clean each line; leave out the empty ones."""
    first = True
    for raw in _split(chunks):
        line = raw.removeprefix(_BOM) if first else raw
        first = False
        line = line.removesuffix(b"\r")
        if line and not line.isspace():
            yield line


def _split(chunks: Iterable[bytes]) -> Iterator[bytes]:
    # The pieces of an unfinished line are joined once, when it ends: adding each
    # chunk to the rest would copy a long line again and again.
    rest: list[bytes] = []
    held_bytes = 0
    for chunk in chunks:
        head, newline, tail = chunk.rpartition(b"\n")
        if newline:
            rest.append(head)
            yield from b"".join(rest).split(b"\n")
            rest.clear()
            held_bytes = 0
        rest.append(tail)
        held_bytes += len(tail)
        if held_bytes > _MAX_LINE_BYTES:
            raise TruncatedError(f"a line does not end within {_MAX_LINE_BYTES} bytes")
    yield b"".join(rest)
