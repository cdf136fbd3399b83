"""READMEs cut into passages: first between paragraphs, then, if more are wanted, at other places.

The order depends on the texts alone: the first passage of every README, then
the second of each, and so on. So a short run sees many packages.
"""

from __future__ import annotations

import re
from itertools import zip_longest
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

__all__ = ["MAX_CHARS", "passages"]

MAX_CHARS: Final = 700
"""Longest passage, in characters; about 175 tokens."""

_MIN_WORDS: Final = 8
"""Shorter ones are badges, rules and lone headings."""

_SHIFT: Final = 17
"""Characters by which each further cut of a README begins later; a prime, to meet few old borders."""

_WORD: Final = re.compile(r"[^\W\d_]{3,}")


def passages(readmes: Sequence[str]) -> Iterator[tuple[int, str]]:
    """Yield distinct passages, each with the index of its README.

    Two READMEs may hold the same text, such as a licence; that is then a passage
    of each. The number of passages has an end: about `MAX_CHARS / 17` cuts of
    each README.
    """
    seen: set[tuple[int, int]] = set()
    for shift in range(0, MAX_CHARS, _SHIFT):
        cut = [_windows(text, shift) if shift else _paragraphs(text) for text in readmes]
        for row in zip_longest(*cut):
            for index, passage in enumerate(row):
                # A hash instead of the text: 50,000 passages would weigh 35 MB.
                if passage is not None and (key := (index, hash(passage))) not in seen:
                    seen.add(key)
                    yield index, passage


def _paragraphs(text: str) -> Iterator[str]:
    """Join paragraphs as long as they fit; split those that do not."""
    held = ""
    for paragraph in re.split(r"\n\s*\n", text.replace("\r\n", "\n")):
        joined = f"{held}\n\n{paragraph.strip()}" if held else paragraph.strip()
        if len(joined) <= MAX_CHARS:
            held = joined
            continue
        yield from _worth_reading([held])
        *full, held = _cut(paragraph.strip())
        yield from _worth_reading(full)
    yield from _worth_reading([held])


def _windows(text: str, shift: int) -> Iterator[str]:
    """Cut regardless of paragraphs, beginning with the first whole word after `shift` characters.

    The length differs too: cuts of one length that meet once stay together for good.
    """
    yield from _worth_reading(_cut(text[shift:].partition(" ")[2], MAX_CHARS - shift // 2))


def _cut(text: str, size: int = MAX_CHARS) -> list[str]:
    """Cut at white space where there is any, so that no part is too long. At least one part."""
    parts: list[str] = []
    while len(text) > size:
        end = max(text.rfind(" ", 1, size), text.rfind("\n", 1, size))
        end = end if end > 0 else size
        parts.append(text[:end].strip())
        text = text[end:].lstrip()
    return [*parts, text.strip()]


def _worth_reading(found: Iterable[str]) -> Iterator[str]:
    return (passage.strip() for passage in found if len(_WORD.findall(passage)) >= _MIN_WORDS)
