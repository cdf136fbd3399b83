"""What one check found."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Finding", "Level", "fail", "ok", "warn"]


class Level(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARN = "warn"
    """Works, but not as well or as safely as it could."""
    FAIL = "fail"
    """Jobs cannot run, or may be lost."""


@dataclass(frozen=True)
class Finding:
    """One line of the doctor's report."""

    check: str
    level: Level
    detail: str
    """What is the case."""
    advice: str = ""
    """What to do about it; empty where all is well."""


def ok(check: str, detail: str) -> Finding:
    """Nothing to do."""
    return Finding(check, Level.OK, detail)


def warn(check: str, detail: str, advice: str) -> Finding:
    """Something that could be better."""
    return Finding(check, Level.WARN, detail, advice)


def fail(check: str, detail: str, advice: str) -> Finding:
    """Something that must be repaired."""
    return Finding(check, Level.FAIL, detail, advice)
