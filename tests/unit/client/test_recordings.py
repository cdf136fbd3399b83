"""Recorded result files of OpenAI, read as a user would; skipped where there are no recordings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from pydantic import BaseModel, ConfigDict

from batchline import BatchError, BatchProcessor, ErrorType
from recordings import FOLDER

if TYPE_CHECKING:
    from pathlib import Path

FILES = sorted(FOLDER.glob("openai_*.jsonl"))
NAMED = {
    "openai_error_line_400_integer_below_min_value": ErrorType.INVALID_REQUEST,
    "openai_error_line_400_invalid_json_schema": ErrorType.SCHEMA_REJECTED,
    "openai_error_line_429_insufficient_quota": ErrorType.QUOTA_EXHAUSTED,
    "openai_error_line_500_server_error": ErrorType.PROVIDER_ERROR,
    "openai_error_line_batch_cancelled_UNVERIFIED": ErrorType.CANCELLED,
    "openai_error_line_batch_expired": ErrorType.EXPIRED,
}


class Anything(BaseModel):
    """Takes every JSON object."""

    model_config = ConfigDict(extra="allow")


@pytest.mark.skipif(not FILES, reason=f"no recordings at {FOLDER}")
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_recorded_line_becomes_one_outcome_of_the_right_kind(path: Path) -> None:
    processor = BatchProcessor("openai/gpt-4o-mini", Anything)
    lines = [line for line in path.read_text().split("\n") if line.strip()]

    outcomes = processor.parse_results(path.read_bytes())

    assert len(outcomes) == len(lines)
    assert all(outcome.raw is not None for outcome in outcomes)
    if path.stem in NAMED:
        kinds = {o.error_type for o in outcomes if isinstance(o, BatchError)}
        assert kinds == {NAMED[path.stem]}


@pytest.mark.skipif(not FILES, reason=f"no recordings at {FOLDER}")
def test_every_line_of_every_other_file_reads_without_an_exception() -> None:
    processor = BatchProcessor("openai/gpt-4o-mini", Anything)

    for path in FOLDER.iterdir():
        for outcome in processor.parse_results(path.read_bytes()):
            assert outcome.success in (True, False)
