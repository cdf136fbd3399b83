"""Payloads recorded at providers. They lie beside the project and not in it; see `recorded`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

__all__ = ["FOLDER", "recorded"]

FOLDER = Path(__file__).parents[2] / "shared" / "samples"


def recorded(name: str) -> Any:
    """Read one file, or the lines of one that is JSONL. The test is skipped where there is no such file."""
    path = FOLDER / name
    if not path.exists():
        pytest.skip(f"no recording {name} in {FOLDER}")
    text = path.read_text(encoding="utf-8")
    if name.endswith(".jsonl"):
        return [json.loads(line) for line in text.split("\n") if line]
    return json.loads(text)
