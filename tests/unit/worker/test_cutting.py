"""Cutting: every open row in exactly one shard, none above the limits, and the same cut every time."""

from __future__ import annotations

import math

import fakeredis
from hypothesis import given, settings
from hypothesis import strategies as st

from batchline_shared.ledger import ChunkInfo, JobStore, Landing
from batchline_shared.ledger.payload import InputChunk
from batchline_worker.cutting import PlannedShard, ShardLimits, manifests

LINE_BYTES = 10


class Layout:
    """A job of rows with these sizes, cut into these chunks."""

    def __init__(self, chunks: list[list[int]], done: set[int]) -> None:
        self.store = JobStore(fakeredis.FakeRedis(), durable=False)
        self.sizes = [size for chunk in chunks for size in chunk]
        self.store.begin("job_1", {"model": "openai/m", "provider": "openai"})
        first = 0
        for number, sizes in enumerate(chunks):
            info = ChunkInfo(first, len(sizes), sum(sizes), max(sizes), tokens=sum(sizes))
            self.store.write_chunks("job_1", [InputChunk(number, info, [b"x" * n for n in sizes], None)])
            first += len(sizes)
        self.store.commit("job_1", {"total": first, "chunks": len(chunks)})
        rows = sorted(done & set(range(first)))
        self.store.land("job_1", Landing(rows, [b"{}"] * len(rows), [{"succeeded": 1}] * len(rows)))
        self.open = [row for row in range(first) if row not in done]
        self.store.make_ready("job_1", self.open)

    def cut(self, limits: ShardLimits, cursor: str = "0,0", *, sparse: bool) -> list[PlannedShard]:
        return list(manifests(self.store, self.store.meta("job_1"), limits, cursor, sparse=sparse))


sizes = st.lists(st.lists(st.integers(1, 60), min_size=1, max_size=8), min_size=1, max_size=8)
limits = st.builds(
    ShardLimits,
    requests=st.integers(1, 12),
    bytes=st.integers(40, 400),
    line_bytes=st.just(LINE_BYTES),
    tokens=st.sampled_from([math.inf, 30.0, 100.5, 400.0]),
    line_tokens=st.integers(0, 5),
)


@settings(max_examples=150)
@given(sizes, limits, st.sets(st.integers(0, 63)), st.data())
def test_every_open_row_is_in_exactly_one_shard_within_the_limits(
    chunks: list[list[int]], limits: ShardLimits, done: set[int], data: st.DataObject
) -> None:
    sparse = data.draw(st.booleans())
    layout = Layout(chunks, done if sparse else set())
    planned = layout.cut(limits, sparse=sparse)
    rows = [[one.manifest.segment.row(i) for i in range(one.manifest.segment.rows)] for one in planned]

    assert [row for shard in rows for row in shard] == layout.open
    for shard in rows:
        assert len(shard) <= limits.requests
        size = sum(layout.sizes[row] + LINE_BYTES for row in shard)
        assert size <= limits.bytes or len(shard) == 1
    for one in planned:
        assert one.manifest.inputs >= one.manifest.segment.rows
        assert one.manifest.tokens <= limits.tokens or one.manifest.segment.rows == 1
    for segment in (one.manifest.segment for one in planned):
        infos = layout.store.infos("job_1", segment.chunk_from, segment.chunk_to)
        held = [row for info in infos for row in range(info.first_row, info.first_row + info.rows)]
        assert set(segment.picked or range(segment.first_row, segment.first_row + 1)) <= set(held)
    assert layout.cut(limits, sparse=sparse) == planned
    if planned:
        at = data.draw(st.integers(0, len(planned) - 1))
        assert layout.cut(limits, planned[at].cursor, sparse=sparse) == planned[at + 1 :]


def test_shards_are_filled_up_to_the_limit_of_requests() -> None:
    planned = Layout([[5] * 7, [5] * 7], set()).cut(ShardLimits(10, 10_000, LINE_BYTES), sparse=False)

    assert [one.manifest.segment.rows for one in planned] == [10, 4]


def test_a_row_with_several_inputs_counts_as_many_requests() -> None:
    layout = Layout([[5] * 4, [5] * 4, [5] * 2], set())
    for number, first_row in ((1, 4), (2, 8)):
        wide = ChunkInfo(first_row, 4 if number == 1 else 2, 20, 5, inputs=10, max_row_inputs=5)
        layout.store.write_chunks("job_1", [InputChunk(number, wide, [b"x" * 5] * 4, None)])

    planned = layout.cut(ShardLimits(14, 10_000, LINE_BYTES), sparse=False)

    assert [one.manifest.segment.rows for one in planned] == [8, 2]
    tight = layout.cut(ShardLimits(9, 10_000, LINE_BYTES), sparse=False)
    assert [one.manifest.segment.rows for one in tight] == [5, 1, 1, 1, 1, 1]


def test_a_row_larger_than_the_setting_goes_out_alone() -> None:
    planned = Layout([[5, 500, 5]], set()).cut(ShardLimits(10, 100, LINE_BYTES), sparse=False)

    assert [one.manifest.segment.rows for one in planned] == [1, 1, 1]


def test_a_shard_holds_no_more_tokens_than_its_limit() -> None:
    layout = Layout([[100] * 8, [100] * 8], set())

    planned = layout.cut(ShardLimits(50, 10**6, LINE_BYTES, tokens=525, line_tokens=5), sparse=False)

    assert [one.manifest.segment.rows for one in planned] == [5, 5, 5, 1]
    assert [one.manifest.tokens for one in planned] == [525, 525, 525, 105]
