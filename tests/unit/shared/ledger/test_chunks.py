"""Chunks: what comes out is what went in, and nothing that we did not write is unpacked."""

from __future__ import annotations

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from batchline_shared.errors import LedgerError
from batchline_shared.ledger import chunks
from batchline_shared.ledger.chunks import pack, pack_json, unpack, unpack_json


@given(st.lists(st.binary(min_size=1, max_size=50).filter(lambda row: b"\n" not in row), max_size=30))
def test_rows_come_back_as_they_were(rows: list[bytes]) -> None:
    assert unpack(pack(rows)) == rows


@given(st.lists(st.text(max_size=20)))
def test_json_comes_back_as_it_was(names: list[str]) -> None:
    assert unpack_json(pack_json(names)) == names


@pytest.mark.parametrize(
    "chunk",
    [b"", b"not zstd", pack([b"x" * 100])[:-3], zstandard.ZstdCompressor().compress(b"")[:4]],
    ids=["empty", "no zstd", "cut", "header alone"],
)
def test_a_damaged_chunk_is_refused(chunk: bytes) -> None:
    with pytest.raises(LedgerError):
        unpack(chunk)


def test_a_chunk_that_claims_more_than_we_ever_write_is_refused_unread(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(chunks, "_MAX_UNPACKED_BYTES", 1000)
    bomb = zstandard.ZstdCompressor().compress(b"\0" * 1001)

    with pytest.raises(LedgerError, match="claims to hold 1001"):
        unpack(bomb)


def test_a_chunk_that_does_not_say_its_size_is_refused() -> None:
    writer = zstandard.ZstdCompressor(write_content_size=False).compressobj()
    unsized = writer.compress(b"\0" * 100) + writer.flush()

    with pytest.raises(LedgerError, match="claims to hold"):
        unpack(unsized)


def test_a_chunk_that_is_no_json_is_refused_as_such() -> None:
    with pytest.raises(LedgerError, match="no JSON"):
        unpack_json(pack([b"{"]))
