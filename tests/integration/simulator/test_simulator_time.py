"""Phases, cancelling, and a life that goes on after a restart."""

import signal
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import openai
import pytest

from batchline_simulator import SimulatorConfig, SimulatorProcess, running_simulator


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatorProcess]:
    """A simulator whose batches take about four seconds."""
    with running_simulator(SimulatorConfig(data_dir=tmp_path_factory.mktemp("slow"), speed=2)) as simulator:
        yield simulator


@pytest.fixture
def slower(tmp_path: Path) -> Iterator[SimulatorProcess]:
    """A simulator whose batches take long enough to be cancelled on the way, even by a slow test."""
    with running_simulator(SimulatorConfig(data_dir=tmp_path, speed=0.7)) as simulator:
        yield simulator


SHORTEST_PHASE_S = 0.5
"""Of those at the speed of `slow`."""


def test_batch_passes_through_its_phases_in_order(
    slow: SimulatorProcess, open_bench: Callable[..., Any]
) -> None:
    bench = open_bench(slow)
    seen, counted, longest_s = looked_at(bench)
    while longest_s > SHORTEST_PHASE_S / 2:  # who looks away for that long may miss a phase
        seen, counted, longest_s = looked_at(bench)

    assert seen == ["validating", "in_progress", "finalizing", "completed"]
    assert counted == sorted(counted)
    assert len(set(counted)) > 5, "counts grow while the batch is in progress"


def looked_at(bench: Any) -> tuple[list[str], list[int], float]:
    """A batch's statuses and its counts until it ends, and the longest time between two looks."""
    batch = bench.create([bench.row(str(n)) for n in range(40)])
    seen, counted = [batch.status], [0]
    looks = [time.monotonic()]
    while batch.status != "completed":
        batch = bench.client.batches.retrieve(batch.id)
        seen += [batch.status] if batch.status != seen[-1] else []
        counted.append(batch.request_counts.completed)
        looks.append(time.monotonic())
    return seen, counted, max(later - look for look, later in pairwise(looks))


def test_cancelled_batch_keeps_what_was_done(
    slower: SimulatorProcess, open_bench: Callable[..., Any]
) -> None:
    bench = open_bench(slower)
    batch = bench.wait(bench.create([bench.row(str(n)) for n in range(100)]), "in_progress")
    while not batch.request_counts.completed:
        batch = bench.client.batches.retrieve(batch.id)
    cancelling = bench.client.batches.cancel(batch.id)
    cancelled = bench.wait(cancelling)
    done, rest = bench.lines(cancelled.output_file_id), bench.lines(cancelled.error_file_id)

    assert (cancelling.status, cancelled.status) == ("cancelling", "cancelled")
    assert 0 < len(done) == cancelled.request_counts.completed < 100
    assert len(done) + len(rest) == 100
    assert {line["error"]["code"] for line in rest} == {"batch_cancelled"}
    assert bench.client.batches.cancel(batch.id).status == "cancelled", "cancelling again changes nothing"


def test_batch_cancelled_before_it_ran_has_no_files(
    slow: SimulatorProcess, open_bench: Callable[..., Any]
) -> None:
    slow.arm({"call": "batches.create", "kind": "stuck", "value": "validating"})
    bench = open_bench(slow)
    cancelled = bench.wait(bench.client.batches.cancel(bench.create([bench.row("r")]).id))

    assert cancelled.request_counts.total == 0
    assert cancelled.output_file_id is cancelled.error_file_id is None


def test_completed_batch_cannot_be_cancelled(bench: Any) -> None:
    batch = bench.run([bench.row("r")])
    with pytest.raises(openai.ConflictError, match="Cannot cancel a batch with status 'completed'"):
        bench.client.batches.cancel(batch.id)


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_batch_goes_on_after_a_restart(tmp_path: Path, open_bench: Callable[..., Any], end: str) -> None:
    config = SimulatorConfig(data_dir=tmp_path, speed=8)
    first = SimulatorProcess(config.model_copy(update={"speed": 1}))  # in progress for long enough to be seen
    bench = open_bench(first)
    batch = bench.wait(bench.create([bench.row(str(n)) for n in range(50)], key="k"), "in_progress")
    code = getattr(first, end)()
    with running_simulator(config) as second:
        bench = open_bench(second)
        done = bench.wait(bench.client.batches.retrieve(batch.id))
        lines = bench.lines(done.output_file_id)
        log = second.calls("batches.create")

    assert code == (0 if end == "stop" else -signal.SIGKILL)
    assert done.metadata == {"key": "k"}
    assert sorted(int(line["custom_id"]) for line in lines) == list(range(50))
    assert len(log) == 1, "the log survives"


def test_simulator_that_cannot_start_says_why(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"did not start(.|\n)*no_such_module"):
        SimulatorProcess(SimulatorConfig(data_dir=tmp_path, responder="no_such_module:f"))
