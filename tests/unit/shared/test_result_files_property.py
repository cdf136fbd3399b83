"""Result files that are broken in any way, through the worker's splitter and every provider's reader.

The invariant: a well-formed line of ours says what it says alone, whatever stands around it, in
whatever pieces the file comes, and wherever it breaks off behind that line; and nothing else
says anything for us.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson
from hypothesis import given
from hypothesis import strategies as st

from result_readers import EACH, ODD, PROVIDERS, Outcome, Provider, outcome, read

if TYPE_CHECKING:
    from result_lines import Line

BOM = b"\xef\xbb\xbf"
ENDS = st.sampled_from([b"\n", b"\r\n", b"\n\n", b"\r\n \t\r\n"])
FOREIGN = [orjson.dumps(line) for provider in PROVIDERS.values() for line in provider.lines]
JUNK = [
    *(b"{", b"}", b"null", b"[]", b'"our-1"', b"<html>", b"\xff\xfe", b"\x00", b"[" * 2_000, b'{"a":NaN}'),
    *(b'{"custom_id":null}', b'{"key":7}', b'{"custom_id":["our-1"]}', ODD.encode()),
]


def named(provider: Provider, line: Line, wire_id: str) -> bytes:
    return orjson.dumps({**line, provider.id_field: wire_id})


def in_pieces(content: bytes, size: int) -> list[bytes]:
    return [content[at : at + size] for at in range(0, len(content), size)]


@st.composite
def our_lines(draw: st.DrawFn, provider: Provider) -> list[bytes]:
    chosen = draw(st.lists(st.sampled_from(provider.lines), min_size=1, max_size=5))
    return [named(provider, line, f"our-{number}") for number, line in enumerate(chosen)]


@st.composite
def mixed(draw: st.DrawFn, provider: Provider) -> tuple[bytes, list[tuple[int, Outcome]]]:
    """A file in which lines of ours stand doubled, out of order and among others.

    Returns:
        The file, and for each line of ours where it ends and what it says alone.
    """
    lines = draw(our_lines(provider))
    doubled = draw(st.lists(st.sampled_from(lines), max_size=2))
    broken = [
        line[: draw(st.integers(1, len(line) - 1))]
        for line in draw(st.lists(st.sampled_from(lines), max_size=2))
    ]
    noise = draw(st.lists(st.sampled_from([*FOREIGN, *JUNK]) | st.binary(max_size=9), max_size=4))
    kept = {id(line) for line in [*lines, *doubled]}
    content = draw(st.sampled_from([b"", BOM, b"\n", b"\r\n"]))
    expected = []
    for line in draw(
        st.permutations([*lines, *doubled, *broken, *(part.replace(b"\n", b"") for part in noise)])
    ):
        content += line
        if id(line) in kept:
            expected.append((len(content), outcome(provider, orjson.loads(line))))
        content += draw(ENDS)
    return content, expected


@EACH
@given(data=st.data(), size=st.integers(1, 400))
def test_a_line_of_ours_says_what_it_says_alone_whatever_stands_around_it(
    provider: Provider, data: st.DataObject, size: int
) -> None:
    content, expected = data.draw(mixed(provider))

    found, _ = read(provider, in_pieces(content, size))

    assert found == [said for _, said in expected]


@EACH
@given(data=st.data(), size=st.integers(1, 400))
def test_a_file_that_breaks_off_at_any_byte_loses_only_what_was_not_there(
    provider: Provider, data: st.DataObject, size: int
) -> None:
    content, expected = data.draw(mixed(provider))
    cut = data.draw(st.integers(0, len(content)))

    found, _ = read(provider, in_pieces(content[:cut], size))

    assert found == [said for end, said in expected if end <= cut]


@EACH
@given(data=st.data())
def test_a_file_of_our_lines_is_whole_only_where_it_breaks_between_two(
    provider: Provider, data: st.DataObject
) -> None:
    lines = data.draw(our_lines(provider))
    content = b"".join(line + b"\n" for line in lines)
    ends = [sum(map(len, lines[:count])) + count for count in range(len(lines) + 1)]
    between = {*ends, *(end - 1 for end in ends[1:])}
    cut = data.draw(st.integers(0, len(content)) | st.sampled_from(sorted(between)))

    _, broke_off = read(provider, [content[:cut]])

    assert broke_off is (cut not in between)


@EACH
def test_a_mark_in_front_of_a_later_line_does_not_hide_it(provider: Provider) -> None:
    lines = [named(provider, line, f"our-{number}") for number, line in enumerate(provider.lines)]

    found, _ = read(provider, [BOM + line + b"\r\n" for line in lines])

    assert found == [outcome(provider, orjson.loads(line)) for line in lines]


@EACH
@given(at=st.integers(min_value=0), byte=st.sampled_from([b"\xff", b"\xc3", b"\x80", b"\xf0\x9f"]))
def test_a_broken_byte_in_a_text_costs_that_character_and_no_more(
    provider: Provider, at: int, byte: bytes
) -> None:
    for line in provider.lines:
        raw = named(provider, line, "our-1")
        letters = [place for place in range(len(raw)) if raw.startswith("caf\u00e9".encode(), place)]
        if not letters:
            continue
        place = letters[at % len(letters)] + len("caf")
        broken = raw[:place] + byte + raw[place + len("\u00e9".encode()) :]

        [found], _ = read(provider, [broken])

        whole = outcome(provider, orjson.loads(raw))
        assert found.wire_id == whole.wire_id
        assert found.free[0].error_type is whole.free[0].error_type
        assert found.free[0][2:] == whole.free[0][2:]


@EACH
def test_a_line_of_5_mb_is_read_like_a_short_one(provider: Provider) -> None:
    short = named(provider, provider.lines[0], "our-1")
    long = short.replace("caf\u00e9 \u2028".encode(), "caf\u00e9 \u2028".encode() * 600_000)
    neighbour = named(provider, provider.lines[1], "our-2")
    content = b"\n".join([neighbour, long, neighbour])

    found, broke_off = read(provider, in_pieces(content, 1 << 16))

    assert len(long) > 5_000_000
    assert not broke_off
    assert [said.wire_id for said in found] == ["our-2", "our-1", "our-2"]
    assert found[1] == outcome(provider, orjson.loads(long))
    assert found[1].structured[0].error_type is None
    assert len(found[1].structured[1] or "") > 3_000_000


@EACH
def test_half_an_emoji_in_an_answer_costs_that_character_and_no_more(provider: Provider) -> None:
    raw = named(provider, provider.lines[0], "our-1").replace("\U0001f600".encode(), rb"\ud83d")

    [found], _ = read(provider, [raw])

    assert found.structured[0].error_type is None
    assert "\ufffd" in (found.structured[1] or "")


@EACH
def test_lines_of_others_say_nothing_for_us(provider: Provider) -> None:
    assert read(provider, [b"\n".join(FOREIGN)]) == ([], False)
