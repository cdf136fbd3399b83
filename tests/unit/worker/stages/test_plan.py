"""Planning: every open row in exactly one shard, none above the limits, and the same cut every time."""

from __future__ import annotations

import fakeredis
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batchline_shared.ledger import ChunkInfo, JobStore, Landing, ShardState, Stage, keys
from batchline_shared.ledger.payload import InputChunk
from batchline_worker.stages import plan
from batchline_worker.stages.plan import PlannedShard, ShardLimits, segments
from worker_bench import WorkerBench

LINE_BYTES = 10


class Layout:
    """A job of rows with these sizes, cut into these chunks."""

    def __init__(self, chunks: list[list[int]], done: set[int]) -> None:
        self.store = JobStore(fakeredis.FakeRedis(), durable=False)
        self.sizes = [size for chunk in chunks for size in chunk]
        self.store.begin("job_1", {"model": "openai/m", "provider": "openai"})
        first = 0
        for number, sizes in enumerate(chunks):
            info = ChunkInfo(first, len(sizes), sum(sizes), max(sizes))
            self.store.write_chunks("job_1", [InputChunk(number, info, [b"x" * n for n in sizes], None)])
            first += len(sizes)
        self.store.commit("job_1", {"total": first, "chunks": len(chunks)})
        rows = sorted(done & set(range(first)))
        self.store.land("job_1", Landing(rows, [b"{}"] * len(rows), [{"succeeded": 1}] * len(rows)))
        self.open = [row for row in range(first) if row not in done]
        self.store.make_ready("job_1", self.open)

    def cut(self, limits: ShardLimits, cursor: str = "0,0", *, sparse: bool) -> list[PlannedShard]:
        return list(segments(self.store, self.store.meta("job_1"), limits, cursor, sparse=sparse))


sizes = st.lists(st.lists(st.integers(1, 60), min_size=1, max_size=8), min_size=1, max_size=8)
limits = st.builds(
    ShardLimits, requests=st.integers(1, 12), bytes=st.integers(40, 400), line_bytes=st.just(LINE_BYTES)
)


@settings(max_examples=150, deadline=None)
@given(sizes, limits, st.sets(st.integers(0, 63)), st.data())
def test_every_open_row_is_in_exactly_one_shard_within_the_limits(
    chunks: list[list[int]], limits: ShardLimits, done: set[int], data: st.DataObject
) -> None:
    sparse = data.draw(st.booleans())
    layout = Layout(chunks, done if sparse else set())
    planned = layout.cut(limits, sparse=sparse)
    rows = [[one.segment.row(i) for i in range(one.segment.rows)] for one in planned]

    assert [row for shard in rows for row in shard] == layout.open
    for shard in rows:
        assert len(shard) <= limits.requests
        size = sum(layout.sizes[row] + LINE_BYTES for row in shard)
        assert size <= limits.bytes or len(shard) == 1
    for one in planned:
        held = [
            row
            for info in layout.store.infos("job_1", one.segment.chunk_from, one.segment.chunk_to)
            for row in range(info.first_row, info.first_row + info.rows)
        ]
        assert set(one.segment.picked or range(one.segment.first_row, one.segment.first_row + 1)) <= set(held)
    assert layout.cut(limits, sparse=sparse) == planned
    if planned:
        at = data.draw(st.integers(0, len(planned) - 1))
        assert layout.cut(limits, planned[at].cursor, sparse=sparse) == planned[at + 1 :]


def test_shards_are_filled_up_to_the_limit_of_requests() -> None:
    planned = Layout([[5] * 7, [5] * 7], set()).cut(ShardLimits(10, 10_000, LINE_BYTES), sparse=False)

    assert [one.segment.rows for one in planned] == [10, 4]


def test_a_row_with_several_inputs_counts_as_many_requests() -> None:
    layout = Layout([[5] * 4, [5] * 4, [5] * 2], set())
    for number, first_row in ((1, 4), (2, 8)):
        wide = ChunkInfo(first_row, 4 if number == 1 else 2, 20, 5, inputs=10, max_row_inputs=5)
        layout.store.write_chunks("job_1", [InputChunk(number, wide, [b"x" * 5] * 4, None)])

    planned = layout.cut(ShardLimits(14, 10_000, LINE_BYTES), sparse=False)

    assert [one.segment.rows for one in planned] == [8, 2]
    tight = layout.cut(ShardLimits(9, 10_000, LINE_BYTES), sparse=False)
    assert [one.segment.rows for one in tight] == [5, 1, 1, 1, 1, 1]


def test_a_row_larger_than_the_setting_goes_out_alone() -> None:
    planned = Layout([[5, 500, 5]], set()).cut(ShardLimits(10, 100, LINE_BYTES), sparse=False)

    assert [one.segment.rows for one in planned] == [1, 1, 1]


@pytest.fixture
def bench() -> WorkerBench:
    return WorkerBench(fakeredis.FakeRedis(), shard_max_requests=3)


def test_planning_that_dies_in_the_middle_goes_on_where_it_was(
    bench: WorkerBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = bench.enqueue(10)
    nudge, calls = bench.context.nudge, iter([None, KeyboardInterrupt("killed")])

    def dying(stage: Stage) -> None:
        error = next(calls, None)
        if error:
            raise error
        nudge(stage)

    monkeypatch.setattr(bench.context, "nudge", dying)
    with pytest.raises(KeyboardInterrupt):
        plan.work(bench.context)
    assert len(bench.shards(job)) == 2
    monkeypatch.undo()

    bench.later(130)
    bench.run(Stage.PLAN)

    assert [(s.segment.first_row, s.segment.rows) for s in bench.shards(job)] == [
        (0, 3),
        (3, 3),
        (6, 3),
        (9, 1),
    ]
    bench.finish(job)
    assert bench.provider.calls["create"] == 4
    bench.assert_whole(job)


def test_two_planners_make_each_shard_once(bench: WorkerBench, monkeypatch: pytest.MonkeyPatch) -> None:
    job = bench.enqueue(10)
    nudge, other = bench.context.nudge, iter([True])

    def interrupted(stage: Stage) -> None:
        nudge(stage)
        if next(other, False):
            bench.later(130)
            plan.work(bench.worker())

    monkeypatch.setattr(bench.context, "nudge", interrupted)
    plan.work(bench.context)

    assert [s.segment.first_row for s in bench.shards(job)] == [0, 3, 6, 9]


def test_an_enqueue_that_is_under_way_is_put_off(bench: WorkerBench) -> None:
    bench.store.begin("job_1", {"provider": "openai"})
    bench.queue.open_job("job_1", delay_s=0)
    bench.run(Stage.PLAN)

    assert (bench.due_in_s("job_1", Stage.PLAN) or 0) > 25


def test_an_enqueue_that_died_is_forgotten(bench: WorkerBench) -> None:
    bench.queue.open_job("job_1", delay_s=0)
    bench.run(Stage.PLAN)

    assert bench.due_in_s("job_1", Stage.PLAN) is None
    assert 0 < bench.redis.pttl(keys.work(keys.partition_of("job_1"), "job_1")) <= 24 * 3600 * 1000


def test_planning_waits_for_a_retry_but_not_for_ever(bench: WorkerBench) -> None:
    job = bench.enqueue(2)
    bench.finish(job)
    bench.queue.open_job(job.id, delay_s=0, sparse=True)
    bench.store.begin_retry(job.id)
    bench.run(Stage.PLAN)
    assert bench.store.meta(job.id).retrying

    bench.finish(job)

    assert not bench.store.meta(job.id).retrying
    assert [s.state for s in bench.shards(job)] == [ShardState.DONE]
