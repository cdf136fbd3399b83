"""Lengths of time as people type them."""

from __future__ import annotations

import re
from typing import Final

import typer

__all__ = ["seconds"]

_UNITS: Final = {"": 1, "s": 1, "m": 60, "h": 3600}

_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)([smh]?)", re.ASCII)


def seconds(text: str) -> float:
    """Read `30`, `30s`, `5m` or `1h`.

    Raises:
        typer.BadParameter: It is not of that form.
    """
    found = _DURATION.fullmatch(text)
    if found is None:
        raise typer.BadParameter(f"{text!r} is no length of time; use 30s, 5m or 1h")
    return float(found[1]) * _UNITS[found[2]]
