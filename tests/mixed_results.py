"""Made-up result files in which lines of ours stand doubled, out of order and among others.

A file is made before the shard that it answers exists, so its ids bear `SHARD` in the place of the
shard's id: `MixedFile.for_shard` puts the real one in.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson
from hypothesis import strategies as st

from batchline_worker.building import wire_prefix
from result_readers import ODD, PROVIDERS

if TYPE_CHECKING:
    from result_downloads import Target
    from result_lines import Line

__all__ = ["MixedFile", "OwnLine", "mixed_files", "wire_id"]

SHARD = "s" * 20 + "-0"
"""Stands for the id of the shard that a file answers."""

_BOM = b"\xef\xbb\xbf"
_OTHER = "t" * 20 + "-0"
_ENDS = st.sampled_from([b"\n", b"\r\n", b"\n\n", b"\r\n \t\r\n"])
_EVERYBODYS = [line for provider in PROVIDERS.values() for line in provider.lines]
_JUNK = [
    *(b"{", b"}", b"null", b"[]", b"12", b"<html>", b"\xff\xfe", b"\x00", b"[" * 2_000, b'{"a":NaN}', b"{}"),
    ODD.encode(),
]
_LONG = 300_000
"""Characters of which one alone fills a chunk of outcomes."""


def wire_id(position: int | str) -> str:
    return f"{wire_prefix(SHARD)}{position}"


_DEEP = b"[" * 260 + b"]" * 260
"""Deeper than orjson writes, and not too deep for Python to compare."""

_ODDITIES: list[tuple[bytes, Any]] = [
    (b"NaN", None),
    (b"-Infinity", None),
    (b"1e999", None),
    (b"1" + b"0" * 400, None),
    (b"9" * 5_000, None),
    (b"1" + b"0" * 30, 1e30),
    (rb'"cut \ud83d"', "cut \ufffd"),
    (b'"\xff"', "\ufffd"),
    (orjson.dumps(ODD), ODD),
    (_DEEP, orjson.loads(_DEEP)),
    (b'"%b"' % (b"x" * _LONG), "x" * _LONG),
]
"""Values as they stand in a line, and what they are once it has been read."""


class OwnLine(NamedTuple):
    """A line that bears an id of the shard."""

    position: int
    raw: bytes
    said: Line
    """What it holds, however it is written."""


class MixedFile(NamedTuple):
    """The bytes of a result file, and the lines of ours in it in their order."""

    content: bytes
    own: list[OwnLine]

    def for_shard(self, shard_id: str, another: str = _OTHER) -> bytes:
        """The file as it answers a shard; `another` one is whose ids are among the strange ones."""
        assert len(shard_id) == len(SHARD)
        named = self.content.replace(SHARD.encode(), shard_id.encode())
        return named.replace(_OTHER.encode(), another.encode())

    @property
    def first(self) -> dict[int, Line]:
        """What the first line of each position holds; with `SHARD` in its id."""
        return {line.position: line.said for line in reversed(self.own)}


@st.composite
def own_lines(draw: st.DrawFn, target: Target, position: int) -> OwnLine:
    """A line of ours: of the target's kinds or of another provider's, written in one of many ways."""
    base = draw(st.sampled_from(target.lines) | st.sampled_from(_EVERYBODYS))
    raw = orjson.dumps({**base, target.id_field: wire_id(position)})
    how = draw(st.sampled_from(["plain", "plain", "plain", "escaped", "marked", "counted", "odd", "odd"]))
    if how == "counted":
        raw = raw.replace(b":7", b":%d" % draw(st.sampled_from([2**31, 2**62, 2**63 - 1, 2**64 - 1])))
    said = orjson.loads(raw)
    if how == "escaped":
        raw = b" \t" + json.dumps(said).encode() + b"  "
    elif how == "marked":
        raw = _BOM + raw
    elif how == "odd":
        written, value = draw(st.sampled_from(_ODDITIES))
        raw, said = b'{"x_odd":%b,%b' % (written, raw[1:]), {"x_odd": value, **said}
    return OwnLine(position, raw, said)


def _strange_ids(rows: int) -> st.SearchStrategy[Any]:
    """What stands where an id stands, and is none of the shard's."""
    beyond = [rows, rows + 1, 999_999_999, 9_999_999_999, "9" * 5_000]
    unlike = ["", "-1", "+0", " 0", "0 ", "00", "01", "0-0", "0x0", "1e0", "\u0660", "\u00b2", "a", ODD]
    return (
        st.sampled_from([wire_id(position) for position in [*beyond, *unlike]])
        | st.sampled_from([f"{wire_prefix(_OTHER)}0", f"bl-{SHARD}", wire_id(0).upper(), f" {wire_id(0)}"])
        | st.sampled_from(["request-0", "0", "request-1", None, 0, 1, -1, 0.5, True, [], {}])
        | st.sampled_from([[wire_id(0)], {"id": wire_id(0)}])
        | st.text(max_size=6)
    )


def strange_lines(target: Target, rows: int) -> st.SearchStrategy[bytes]:
    """Lines that say nothing of the shard's rows, without a line feed."""
    field = target.id_field
    other = "custom_id" if field == "key" else "key"
    theirs = st.sampled_from(_EVERYBODYS)

    def bearing(line: Line, named: Any) -> bytes:
        return orjson.dumps({**line, field: named})

    ours = st.builds(bearing, theirs, st.integers(0, rows - 1).map(wire_id))
    return st.one_of(
        st.sampled_from(_JUNK),
        st.binary(max_size=9).map(lambda junk: junk.replace(b"\n", b"")),
        st.builds(bearing, theirs, _strange_ids(rows)),
        theirs.map(lambda line: orjson.dumps({name: line[name] for name in line if name != field})),
        theirs.map(lambda line: bearing({**line, other: wire_id(0)}, "a")),
        st.builds(lambda line, cut: line[: 1 + cut % (len(line) - 1)], ours, st.integers(0, 9_999)),
        ours.map(lambda line: b'{"%b":"a","line":%b}' % (field.encode(), line)),
        ours.map(lambda line: b"[%b]" % line),
        ours.map(lambda line: orjson.dumps(line.decode())),
    )


@st.composite
def mixed_files(draw: st.DrawFn, target: Target, rows: int) -> MixedFile:
    """A file of a shard of that many rows; its last line is JSON, as that of a whole file is."""
    copies = [draw(st.sampled_from([1, 1, 1, 0, 2, 3])) for _ in range(rows)]
    own = [draw(own_lines(target, position)) for position, count in enumerate(copies) for _ in range(count)]
    strange = draw(st.lists(strange_lines(target, rows), max_size=6))
    parts = [draw(st.sampled_from([b"", b"", _BOM, b"\n", b"\r\n"]))]
    mixed: list[OwnLine | bytes] = draw(st.permutations([*own, *strange]))
    for entry in mixed:
        parts += [entry.raw if isinstance(entry, OwnLine) else entry, draw(_ENDS)]
    if mixed and not isinstance(mixed[-1], OwnLine):
        parts.append(b"{}")
    elif draw(st.booleans()):
        parts.pop()
    return MixedFile(b"".join(parts), [entry for entry in mixed if isinstance(entry, OwnLine)])
