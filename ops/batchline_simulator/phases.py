"""Where a batch stands, in words that all providers share.

Each provider has its own words for clients to see; two phases may share one.

    checking ─► failed
        └─► running ─► finishing ─► completed
                 └─► expired
    cancel: any of checking, running, finishing ─► cancelling ─► cancelled
"""

from dataclasses import dataclass
from typing import Literal

Phase = Literal[
    "checking", "running", "finishing", "cancelling", "failed", "completed", "expired", "cancelled"
]

FINAL: frozenset[Phase] = frozenset({"failed", "completed", "expired", "cancelled"})
"""Phases that a batch never leaves."""

_DAY_S = 86_400.0


@dataclass(frozen=True)
class Pace:
    """How long the phases of a small batch last at speed 1, in seconds."""

    checking_s: float
    running_s: float
    finishing_s: float
    cancelling_s: float
    window_s: float = _DAY_S
    """After this long a batch that is stuck expires."""
