"""A fault of machines: their clocks are two hours off, each in another direction."""

from __future__ import annotations

from typing import TYPE_CHECKING

from faults.crew import until

if TYPE_CHECKING:
    from faults.rig import Rig

__all__ = ["clock_skew"]

_SKEW_S = 2 * 3600
_LONG_S = 120.0


def clock_skew(rig: Rig, jobs: int, rounds: int) -> None:
    """Two workers are two hours ahead, one two hours behind; some die with an answer under way."""
    for skew_s in (_SKEW_S, _SKEW_S, -_SKEW_S):
        rig.crew.hire(app="faults.skewed_app", FAULTS_SKEW_S=str(skew_s))
        rig.act("skew")
    rig.crew.wait_ready()
    with rig.trouble():
        for provider in rig.providers():
            rig.arm(provider.create, "signal", rate=0.4 if rounds > 1 else 1.0, times=rounds)
        rig.load.enqueue_all(jobs, 4)
        until(rig.load.all_ended, _LONG_S + 15 * rounds, "all jobs ended although clocks were wrong")
