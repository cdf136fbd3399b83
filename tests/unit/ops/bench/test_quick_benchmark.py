"""The quick benchmark compares like with like, and judges as it says."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from batchline import BatchProcessor

if TYPE_CHECKING:
    from types import ModuleType

BENCH = Path(__file__).parents[4] / "ops" / "bench"
SHAPES = ("2 fields", "10 nested fields")


@pytest.fixture
def workload(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(BENCH))
    return importlib.import_module("workload")


@pytest.fixture
def report(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(BENCH))
    return importlib.import_module("report")


def test_conversations_are_of_the_size_that_the_table_speaks_of(workload: ModuleType) -> None:
    given = workload.conversations(1_000)
    sizes = [len(json.dumps(messages, ensure_ascii=False).encode()) for messages in given]

    assert all(len(messages) == 2 for messages in given)
    assert 360 <= sum(sizes) / len(sizes) <= 400


def test_conversations_differ_from_each_other_and_are_the_same_each_time(workload: ModuleType) -> None:
    given = workload.conversations(5_000)

    assert len({messages[1]["content"] for messages in given}) == len(given)
    assert given[:10] == workload.conversations(10)


@pytest.mark.parametrize("shape", SHAPES)
def test_every_line_of_a_result_file_is_a_good_answer(
    shape: str, workload: ModuleType, tmp_path: Path
) -> None:
    file = tmp_path / "results.jsonl"
    workload.write_results(file, workload.MODELS[shape], 200)
    processor = BatchProcessor("openai/gpt-4.1-mini", workload.MODELS[shape])

    with file.open("rb") as source:
        results = list(processor.iter_parse(source))

    assert [result.custom_id for result in results] == [f"request-{row}" for row in range(200)]
    assert all(result.success for result in results)


@pytest.mark.parametrize(
    ("value", "limits", "met"),
    [
        (150.0, {"at_least": 150.0}, True),
        (149.9, {"at_least": 150.0}, False),
        (2.5, {"at_most": 2.5}, True),
        (2.6, {"at_most": 2.5}, False),
        (2.6, {}, None),
    ],
    ids=["at the bound", "below it", "at the other", "above it", "without a target"],
)
def test_a_target_is_met_up_to_its_bound(
    value: float,
    limits: dict[str, float],
    met: bool | None,  # noqa: FBT001
    report: ModuleType,
) -> None:
    assert report.Figure("any", value, "s", **limits).met is met


def test_a_ratio_is_that_of_the_medians(report: ModuleType) -> None:
    runs: list[dict[str, Any]] = [
        {"batchline": {"cpu_s": ours, "added_bytes": 0}, "instructor": {"cpu_s": theirs}}
        for ours, theirs in ((1.0, 9.0), (2.0, 8.0), (50.0, 7.0))
    ]

    ratio, _ = report.parse_figures({"2 fields": runs})

    assert ratio.value == 8.0 / 2.0


def test_the_lock_of_instructor_is_hashed_and_names_no_index() -> None:
    lock = (BENCH / "instructor.lock").read_text()

    assert "instructor==1.17." in lock
    assert "--hash=sha256:" in lock
    assert "://" not in lock
