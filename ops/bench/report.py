"""Figures against their targets, as a table or as JSON."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any

from metering import MB
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Figure", "build_figures", "import_figures", "job_figures", "parse_figures", "print_table"]

_Runs = dict[str, list[dict[str, Any]]]

_TIMES = "×"  # noqa: RUF001 - the sign is meant
_BUILD_RATIOS = {"2 fields": 150.0, "10 nested fields": 500.0}
_PARSE_RATIOS = {"2 fields": 2.0, "10 nested fields": 5.0}
_MOST_ORJSON = 1.6
_MOST_BY_HAND = 2.5
_MOST_ADDED_MB = 10.0
_MOST_PROCESS_MB = 150.0
_MOST_IMPORT_S = 0.6


@dataclass(frozen=True)
class Figure:
    """One measured value, and what was asked of it."""

    name: str
    value: float
    unit: str
    at_least: float | None = None
    at_most: float | None = None
    detail: str = ""
    """The medians that it was made of."""

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None where there is none."""
        if self.at_least is not None:
            return self.value >= self.at_least
        return None if self.at_most is None else self.value <= self.at_most

    def target(self) -> str:
        """The target in words; empty where there is none."""
        if self.at_least is not None:
            return f"≥ {self.at_least:g} {self.unit}"
        return "" if self.at_most is None else f"≤ {self.at_most:g} {self.unit}"

    def as_json(self) -> dict[str, Any]:
        """Everything, as JSON values."""
        return {**vars(self), "value": round(self.value, 3), "met": self.met}


def build_figures(runs: _Runs) -> list[Figure]:
    """Judge `comparisons.measure_builds`."""
    figures = []
    for shape, measured in runs.items():
        ours, theirs, bare = (_cpu_s(measured, side) for side in ("batchline", "instructor", "orjson"))
        figures += [
            _faster(f"build, {shape}, Instructor ÷ ours", theirs, ours, _BUILD_RATIOS[shape]),
            _dearer(f"build, {shape}, ours ÷ bare orjson loop", ours, bare, _MOST_ORJSON),
            _added(f"build, {shape}, memory added", measured),
        ]
    return figures


def parse_figures(runs: _Runs) -> list[Figure]:
    """Judge `comparisons.measure_parses`."""
    figures = []
    for shape, measured in runs.items():
        ours, theirs = (_cpu_s(measured, side) for side in ("batchline", "instructor"))
        figures += [
            _faster(f"parse, {shape}, Instructor ÷ ours", theirs, ours, _PARSE_RATIOS[shape]),
            _added(f"parse, {shape}, memory added", measured),
        ]
    return figures


def job_figures(runs: list[dict[str, Any]]) -> list[Figure]:
    """Judge `end_to_end.measure_jobs`."""
    ours, by_hand = _cpu_s(runs, "batchline"), _cpu_s(runs, "by hand")
    cold = median(run["batchline"]["cold_cpu_s"] for run in runs)
    names = runs[0]["batchline"]["cpu_by_process"]
    parts = {name: median(run["batchline"]["cpu_by_process"][name] for run in runs) for name in names}
    figures = [
        Figure(
            "job, ours ÷ script by hand",
            ours / by_hand,
            _TIMES,
            at_most=_MOST_BY_HAND,
            detail=f"{ours:.2f} s ({_listed(parts)}) ÷ {by_hand:.2f} s",
        ),
        Figure(
            "job, the same with the start of worker and Redis",
            cold / by_hand,
            _TIMES,
            detail=f"{cold:.2f} s ÷ {by_hand:.2f} s",
        ),
    ]
    for name in names:
        peak = max(run["batchline"]["peak_by_process"][name] for run in runs) / MB
        figures.append(Figure(f"job, peak memory of {name}", peak, "MB", at_most=_MOST_PROCESS_MB))
    peak = max(run["by hand"]["peak_bytes"] for run in runs) / MB
    return [*figures, Figure("job, peak memory of the script by hand", peak, "MB")]


def import_figures(runs: list[float]) -> list[Figure]:
    """Judge `comparisons.measure_imports`."""
    return [Figure("import batchline", median(runs), "s", at_most=_MOST_IMPORT_S)]


def print_table(figures: Iterable[Figure]) -> None:
    """Print the figures for a person."""
    table = Table(title="Quick benchmark: CPU seconds (user + system), medians")
    for heading, justify in (
        ("Figure", "left"),
        ("Target", "right"),
        ("Measured", "right"),
        ("", "left"),
        ("From", "left"),
    ):
        table.add_column(heading, justify=justify)  # type: ignore[arg-type]
    for figure in figures:
        verdict = {None: "", True: "[green]met[/]", False: "[bold red]missed[/]"}[figure.met]
        digits = 0 if figure.value >= 100 else 2  # noqa: PLR2004 - three digits say enough
        table.add_row(
            figure.name, figure.target(), f"{figure.value:.{digits}f} {figure.unit}", verdict, figure.detail
        )
    Console(width=None if Console().is_terminal else 150).print(table)


def _cpu_s(runs: list[dict[str, Any]], side: str) -> float:
    return float(median(run[side]["cpu_s"] for run in runs))


def _faster(name: str, theirs: float, ours: float, at_least: float) -> Figure:
    return Figure(name, theirs / ours, _TIMES, at_least=at_least, detail=f"{theirs:.2f} s ÷ {ours:.3f} s")


def _dearer(name: str, ours: float, theirs: float, at_most: float) -> Figure:
    return Figure(name, ours / theirs, _TIMES, at_most=at_most, detail=f"{ours:.3f} s ÷ {theirs:.3f} s")


def _added(name: str, runs: list[dict[str, Any]]) -> Figure:
    added = max(run["batchline"]["added_bytes"] for run in runs) / MB
    return Figure(name, added, "MB", at_most=_MOST_ADDED_MB, detail="the most of all runs")


def _listed(parts: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.2f}" for name, value in parts.items())
