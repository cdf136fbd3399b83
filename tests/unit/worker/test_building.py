"""Input files: the same shard gives the same bytes, and every line leads back to its row."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchline import BatchRequest
from batchline_shared.ledger import Segment, Stage
from batchline_worker.building import build_input, position_of, wire_prefix
from batchline_worker.parts import parts_of
from worker_bench import WorkerBench, says

if TYPE_CHECKING:
    from typing import Any

    from batchline import Job

WIRE_ID = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")


def built(bench: WorkerBench, job: Job[Any], segment: Segment | None = None) -> tuple[bytes, str]:
    bench.run(Stage.PLAN)
    shard = bench.shard(job)
    if segment is not None:
        object.__setattr__(shard, "segment", segment)
    parts = parts_of(bench.context.pools, shard)
    with build_input(bench.store, bench.settings, shard.wire_name, parts) as file:
        return file.read(), shard.id


def texts(data: bytes) -> list[str]:
    return [orjson.loads(line)["body"]["messages"][0]["content"] for line in data.splitlines()]


def test_the_same_shard_gives_the_same_bytes(bench: WorkerBench) -> None:
    job = bench.enqueue(1203)
    first, _ = built(bench, job)

    assert built(bench, job)[0] == first
    assert texts(first) == [f"request {n}" for n in range(1203)]


def test_every_line_is_named_as_every_provider_takes_it_and_leads_back(bench: WorkerBench) -> None:
    data, shard_id = built(bench, bench.enqueue(1203))
    names = [orjson.loads(line)["custom_id"] for line in data.splitlines()]

    assert all(WIRE_ID.fullmatch(name) for name in names)
    assert [position_of(name, shard_id) for name in names] == list(range(1203))


def test_the_longest_name_of_a_line_fits() -> None:
    assert len(wire_prefix(f"{'f' * 20}-99999999") + "49999") <= 64


@given(st.text(max_size=30))
def test_a_name_that_is_not_ours_has_no_position(name: str) -> None:
    assert position_of(name, "a" * 20 + "-0") is None


@pytest.mark.parametrize(
    "name",
    ["bl-s-", "bl-s-x", "bl-s--1", "bl-s-²", "bl-s-1 ", "bl-t-1", "s-1", "bl-s-٣", "bl-s-00", "bl-s-01"],
)
def test_a_name_that_is_almost_ours_has_no_position(name: str) -> None:
    assert position_of(name, "s") is None


def test_requests_with_options_of_their_own_become_whole_bodies(bench: WorkerBench) -> None:
    requests = [BatchRequest(messages=says("a")), BatchRequest(messages=says("b"), max_tokens=7)]
    job = bench.client.enqueue("openai/gpt-4o-mini", None, requests, max_tokens=5)
    data, _ = built(bench, job)

    bodies = [orjson.loads(line)["body"] for line in data.splitlines()]
    assert [body["max_tokens"] for body in bodies] == [5, 7]
    assert [body["messages"] for body in bodies] == [says("a"), says("b")]
    assert all(body["model"] == "gpt-4o-mini" for body in bodies)


@pytest.mark.parametrize(
    ("segment", "rows"),
    [
        (Segment(0, 3, 0, 1), [0, 1, 2]),
        (Segment(498, 5, 0, 2), [498, 499, 500, 501, 502]),
        (Segment(1, 4, 0, 3, (1, 499, 500, 1202)), [1, 499, 500, 1202]),
        (Segment(1100, 2, 0, 3, (1100, 1150)), [1100, 1150]),
    ],
    ids=["the first", "over a chunk's end", "picked in every chunk", "picked in the last chunk alone"],
)
def test_a_segment_takes_its_rows_and_no_others(
    bench: WorkerBench, segment: Segment, rows: list[int]
) -> None:
    data, shard_id = built(bench, bench.enqueue(1203), segment)

    assert texts(data) == [f"request {row}" for row in rows]
    assert [
        segment.row(position_of(orjson.loads(line)["custom_id"], shard_id) or 0) for line in data.splitlines()
    ] == rows
