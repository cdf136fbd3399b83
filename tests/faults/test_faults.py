"""Each fault, struck briefly on real processes, breaks no promise; and the same faults break a script's.

The faults that are asked for are struck some at a time, from the first test on: most of it is waiting.
"""

from __future__ import annotations

import re
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from faults.catalogue import FAULTS, run
from faults.checker import check, counted
from faults.naive import NAIVE_FAULTS, NAIVE_PROVIDERS, run_naive
from faults.nursery import Nursery
from faults.trade import PROVIDERS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from faults.history import History

AT_ONCE = 4
LONG_S = 280
SOURCES = ("shared/batchline_shared/ledger", "worker/batchline_worker/stages")


@pytest.fixture(scope="session")
def struck(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Future[History]]]:
    """What comes of the faults whose tests run."""
    folder = tmp_path_factory.mktemp("faults")
    wanted = [
        item.callspec.params["fault"]
        for item in request.session.items
        if isinstance(item, pytest.Function) and "struck" in item.fixturenames
    ]
    nursery = Nursery()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        yield {
            name: pool.submit(run, FAULTS[name], FAULTS[name].quick, folder / name, nursery)
            for name in wanted
        }
    nursery.close()


@pytest.mark.timeout(LONG_S)
@pytest.mark.parametrize("fault", FAULTS)
def test_nothing_is_paid_twice_or_lost_under(fault: str, struck: dict[str, Future[History]]) -> None:
    history = struck[fault].result()

    assert [str(violation) for violation in check(history)] == []
    for provider in PROVIDERS:
        count = counted(history, provider)
        assert count.submissions == count.batches > 0
        assert count.kills + count.faults > 0, "the fault did not strike"


@pytest.mark.parametrize("fault", NAIVE_FAULTS)
def test_a_script_without_a_ledger_pays_twice_under(fault: str, tmp_path: Path) -> None:
    count, _ = run_naive(fault, NAIVE_PROVIDERS[0], 16, 1, tmp_path / fault)

    assert count.kills + count.faults > 0
    assert count.doubled > 0


def test_no_time_of_the_ledger_is_a_machines_own() -> None:
    root = Path(__file__).parents[2]
    clocks = re.compile(r"time\.time\(|time_ns\(|datetime\.now\(|utcnow\(")
    used = [
        f"{path.name}: {line.strip()}"
        for source in SOURCES
        for path in sorted((root / source).rglob("*.py"))
        for line in path.read_text().splitlines()
        if clocks.search(line)
    ]

    assert used == []
