"""Faults of the provider around a creation: refused, lost before or after its effect, late, hidden."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from faults.crew import until

if TYPE_CHECKING:
    from faults.rig import Rig

__all__ = ["KINDS", "LAGGING_QUIET_S", "LAG_S", "provider_faults"]

LAG_S = 5.0
"""For how long a list leaves a new batch out."""

LAGGING_QUIET_S = 5.5
"""A quiet period that such a provider needs: longer than the lag."""

_NO_ANSWER_S = 3.0
"""Longer than a worker waits for the answer to a creation."""

KINDS: dict[str, dict[str, Any]] = {
    "rate_limit": {"retry_after": 1.0},
    "error_before": {},
    "error_after": {},
    "drop_before": {},
    "drop_after": {},
    "delay_after": {"seconds": _NO_ANSWER_S},
    "half_reply": {},
    "html": {},
}
"""What happens to a creation, with its options. `list_lag` comes on top of `drop_after`."""

_LONG_S = 120.0


def provider_faults(rig: Rig, jobs: int, rounds: int) -> None:
    """Each creation but every other one meets another fault; lists lag, and shift while they are read."""
    rig.crew.hire(2)
    rig.crew.wait_ready()
    with rig.trouble():
        for provider in rig.providers():
            rig.arm(provider.listing, "shifting_pages", rate=1.0)
            for number, (kind, options) in enumerate(KINDS.items()):
                for turn in range(rounds):
                    skip = 2 * (turn * len(KINDS) + number)
                    rig.arm(provider.create, kind, skip=skip, times=1, **options)
                    if kind == "drop_after":
                        rig.arm(provider.create, "list_lag", skip=skip, times=1, seconds=LAG_S)
        rig.load.enqueue_all(jobs, 4)
        patience_s = _LONG_S + len(KINDS) * rounds * 2 * LAGGING_QUIET_S
        until(rig.load.all_ended, patience_s, "all jobs ended although their provider failed")
    for provider in rig.providers():
        for kind in (*KINDS, "list_lag"):
            missed = rounds - rig.struck(provider.create, kind)
            rig.bound(f"creations that {kind} was to strike and did not", missed, 0, provider.name)
