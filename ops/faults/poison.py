"""A fault of one batch: reading its results ends the worker. And of rows: answers that are no JSON."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from faults.crew import until
from faults.rig import LEASE_S

if TYPE_CHECKING:
    from faults.rig import Rig

__all__ = ["DEATHS", "poison"]

DEATHS = 3
"""Workers that die over a batch before it is set aside; the setting `BATCHLINE_QUARANTINE_AFTER`."""

_LONG_S = 60.0


def poison(rig: Rig, jobs: int, rounds: int) -> None:
    """Reading a batch kills workers until it is quarantined; the rest goes on, and at last it does too."""
    rig.crew.hire(3)
    rig.crew.wait_ready()
    for _ in range(rounds):
        with rig.trouble():
            poisoned = _poisoned(rig)
            rig.load.enqueue_all(1, 4)
            until(partial(_are_quarantined, poisoned), _LONG_S, "all poison is quarantined")
        rig.arm("row", "not_json", rate=0.2)
        rig.load.enqueue_all(jobs, 4)
        until(partial(_has_ended_but, rig, poisoned), _LONG_S, "the rest has ended")
        for job in poisoned:
            job.release()


def _poisoned(rig: Rig) -> list[Any]:
    """A job for each provider, over whose batch as many workers die as it takes."""
    before = {provider.name: rig.struck(provider.results, "signal") for provider in rig.providers()}
    for provider in rig.providers():
        rig.arm(provider.results, "signal", rate=1.0, times=DEATHS)
    jobs = [rig.client.job(rig.load.enqueue(provider.name, 2)) for provider in rig.providers()]
    for provider in rig.providers():
        until(
            lambda p=provider: rig.struck(p.results, "signal") >= before[p.name] + DEATHS,  # type: ignore[misc]
            _LONG_S + 4 * DEATHS * LEASE_S,
            f"{DEATHS} workers died over a batch of {provider.name}",
        )
    return jobs


def _are_quarantined(jobs: list[Any]) -> bool:
    return all(any(batch.state == "quarantined" for batch in job.batches()) for job in jobs)


def _has_ended_but(rig: Rig, jobs: list[Any]) -> bool:
    return rig.load.open == {job.id for job in jobs}
