"""What every tool is given: a question about each number, and what the simulated model says to it.

Only the standard library: peers' environments import this too.
"""

from __future__ import annotations

import json
import re
from typing import Any

__all__ = ["MODEL", "answer", "number_in", "prompts", "said_of"]

MODEL = "gpt-4.1-mini"

_ASKED = re.compile(r"special about the number (\d+)\?")


def prompts(rows: int, marker: str = "", every: int = 1) -> list[str]:
    """One prompt for each number from 0; each `every`-th bears a marker of the simulator."""
    return [
        f"What is special about the number {number}? Answer as JSON." + (f" {marker}" if marked else "")
        for number, marked in ((number, bool(marker) and number % every == 0) for number in range(rows))
    ]


def number_in(body: dict[str, Any]) -> int | None:
    """Which number a request's body asks about, whatever its endpoint's form; None for any other request."""
    found = _ASKED.search(json.dumps(body))
    return None if found is None else int(found[1])


def answer(number: int) -> str:
    """What the model says: JSON, as some tools take nothing else."""
    return json.dumps({"number": number, "note": "it comes after the one before"})


def said_of(text: str) -> int | None:
    """Which number an answer is about; None where it is not an answer."""
    try:
        value = json.loads(text)
    except ValueError:
        return None
    number = value.get("number") if isinstance(value, dict) else None
    return number if isinstance(number, int) else None
