"""A fault of one batch: reading its results ends the worker. And of rows: answers that are no JSON."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from faults.crew import until

if TYPE_CHECKING:
    from faults.rig import Rig

__all__ = ["DEATHS", "poison"]

DEATHS = 3
"""Workers that die over a batch before it is set aside; the setting `BATCHLINE_QUARANTINE_AFTER`."""

_LONG_S = 60.0

_DEATHS_S = 200.0
"""For all these deaths: what has ended a worker is tried alone in the ledger, a lease after it did."""


def poison(rig: Rig, jobs: int, rounds: int) -> None:
    """Reading a batch kills workers until it is quarantined; the rest goes on, and at last it does too."""
    rig.crew.hire(3)
    rig.crew.wait_ready()
    for _ in range(rounds):
        with rig.trouble():
            poisoned = _poisoned(rig)
        rig.arm("row", "not_json", rate=0.2)
        rig.load.enqueue_all(jobs, 4)
        until(partial(_has_ended_but, rig, poisoned), _LONG_S, "the rest has ended")
        for job in poisoned:
            job.release()


def _poisoned(rig: Rig) -> list[Any]:
    """A job for each provider, whose batch kills every worker that reads it, until nobody does any more.

    How often it does is not for us to say: whoever dies over one of them takes along what else it reads.
    """
    for provider in rig.providers():
        rig.arm(provider.results, "signal", rate=1.0)
    jobs = [rig.client.job(rig.load.enqueue(provider.name, 2)) for provider in rig.providers()]
    until(partial(_are_quarantined, jobs), _DEATHS_S, "all poison is quarantined")
    rig.simulator.set_faults()
    deaths = sum(rig.struck(provider.results, "signal") for provider in rig.providers())
    rig.bound("workers that poison killed", deaths, DEATHS * len(jobs))
    return jobs


def _are_quarantined(jobs: list[Any]) -> bool:
    return all(any(batch.state == "quarantined" for batch in job.batches()) for job in jobs)


def _has_ended_but(rig: Rig, jobs: list[Any]) -> bool:
    return rig.load.open == {job.id for job in jobs}
