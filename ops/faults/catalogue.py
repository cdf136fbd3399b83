"""The thirteen faults, and how long and how often each is struck."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from faults import clocks, killing, messages, poison, providers_fail, storage
from faults.rig import Rig

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from faults.history import History
    from faults.nursery import Nursery

__all__ = ["FAULTS", "Fault", "Size", "run"]


@dataclass(frozen=True)
class Size:
    """How much of a fault."""

    jobs: int
    """For each provider, of four requests in two batches."""
    rounds: int
    """How often it is struck; for each provider, where it strikes one of them."""


@dataclass(frozen=True)
class Fault:
    """One of the thirteen."""

    number: int
    name: str
    title: str
    strike: Callable[[Rig, int, int], None]
    quick: Size
    long: Size
    env: Mapping[str, str] = field(default_factory=dict)
    """Settings of the workers."""
    speed: float = 0.0
    """Of the simulator; 0: batches end at once."""


FAULTS: Final[Mapping[str, Fault]] = MappingProxyType(
    {
        fault.name: fault
        for fault in (
            Fault(
                1,
                "kill-after-accept",
                "`kill -9` between a batch's acceptance and its record",
                killing.kill_after_accept,
                quick=Size(2, 1),
                long=Size(30, 8),
            ),
            Fault(
                2,
                "kill-loop",
                "`kill -9` of random workers, of all, of a pool's child",
                killing.kill_loop,
                quick=Size(4, 5),
                long=Size(60, 40),
                env=killing.NO_SUSPICION,
            ),
            Fault(
                3,
                "message-loss",
                "messages lost: broker emptied, workers killed with them in hand",
                messages.message_loss,
                quick=Size(3, 1),
                long=Size(20, 3),
            ),
            Fault(
                4,
                "duplicate-delivery",
                "every message three times, and again after a second",
                messages.duplicate_delivery,
                quick=Size(3, 1),
                long=Size(25, 5),
            ),
            Fault(
                5,
                "server-kills",
                "Redis killed under load, and frozen",
                storage.server_kills,
                quick=Size(4, 4),
                long=Size(30, 20),
            ),
            Fault(
                6,
                "power-loss",
                "power lost: what was not on disk for sure is cut off",
                storage.power_loss,
                quick=Size(8, 2),
                long=Size(40, 10),
            ),
            Fault(
                7,
                "provider-faults",
                "429, 500, resets, late and broken answers, lists that lag and shift",
                providers_fail.provider_faults,
                quick=Size(9, 1),
                long=Size(20, 2),
                env={"BATCHLINE_RECONCILE_QUIET_S": str(providers_fail.LAGGING_QUIET_S)},
            ),
            Fault(
                8,
                "graceful-stop",
                "SIGTERM and SIGQUIT during a slow upload",
                killing.graceful_stop,
                quick=Size(1, 1),
                long=Size(18, 2),
            ),
            Fault(
                9,
                "ticks",
                "no beat, two, five",
                messages.ticks,
                quick=Size(1, 1),
                long=Size(4, 1),
                env=messages.POLLS,
                speed=5.0,
            ),
            Fault(
                10,
                "poison",
                "a batch that kills three workers; answers that are no JSON",
                poison.poison,
                quick=Size(1, 1),
                long=Size(15, 1),
                env={"BATCHLINE_QUARANTINE_AFTER": str(poison.DEATHS)},
            ),
            Fault(
                11,
                "clock-skew",
                "workers' clocks two hours ahead and behind",
                clocks.clock_skew,
                quick=Size(2, 1),
                long=Size(20, 3),
            ),
            Fault(
                12,
                "full-server",
                "Redis out of memory under way",
                storage.full_server,
                quick=Size(3, 1),
                long=Size(10, 2),
            ),
            Fault(
                13,
                "lease-steal",
                "workers frozen past their lease, and resumed",
                killing.lease_steal,
                quick=Size(1, 1),
                long=Size(18, 3),
            ),
        )
    }
)
"""Name → fault."""


def run(fault: Fault, size: Size, folder: Path, nursery: Nursery) -> History:
    """Strike a fault, and return what was recorded; also kept in `folder`."""
    with Rig(fault.name, folder, nursery, env=dict(fault.env), speed=fault.speed) as rig:
        try:
            fault.strike(rig, size.jobs, size.rounds)
        except TimeoutError as error:
            # Judged with the rest: what was recorded says more than this alone.
            rig.bound(f"waits in vain, {error}", 1, 0)
        return rig.finish()
