"""Lengths of time as people type them."""

from __future__ import annotations

import pytest
import typer

from batchline_ops.cli.durations import seconds


@pytest.mark.parametrize(("text", "expected"), [("30", 30), ("30s", 30), ("1.5m", 90), ("2h", 7200)])
def test_a_length_of_time_is_read_with_its_unit(text: str, expected: float) -> None:
    assert seconds(text) == expected


@pytest.mark.parametrize("text", ["", "s", "-1s", "1d", "1 s", "٣s", "1e3"])
def test_what_is_no_length_of_time_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="use 30s, 5m or 1h"):
        seconds(text)
