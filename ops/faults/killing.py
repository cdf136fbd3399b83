"""Faults that end or freeze workers: at the worst moment, at random, in order, and past their lease."""

from __future__ import annotations

import os
import random
import signal
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from faults.crew import until
from faults.rig import LEASE_S, QUIET_S

if TYPE_CHECKING:
    from faults.crew import Member
    from faults.rig import Rig
    from faults.trade import Provider

__all__ = ["NO_SUSPICION", "graceful_stop", "kill_after_accept", "kill_loop", "lease_steal"]

NO_SUSPICION = {"BATCHLINE_QUARANTINE_AFTER": "1000"}
"""Where workers live for three seconds, and need one for their first call, five may die over the same batch,
which is then quarantined as it should be. That is another fault."""

_RECOVERY_S = 120.0
_GRACE_S = 30.0
"""Longest time that a worker may take to stop in order."""

_HURRIED = "faults.hurried_app"
"""A worker whose soft shutdown is shorter than an upload."""


def kill_after_accept(rig: Rig, jobs: int, rounds: int) -> None:
    """The simulator kills a worker in the moment in which it has accepted its batch."""
    rig.crew.hire(3)
    with rig.trouble():
        for provider in rig.providers():
            rig.arm(provider.create, "signal", rate=0.4 if rounds > 1 else 1.0, times=rounds)
        rig.load.enqueue_all(jobs, 4)
        for provider in rig.providers():
            until(
                lambda call=provider.create: rig.struck(call, "signal") >= rounds,  # type: ignore[misc]
                _RECOVERY_S + 30 * rounds,
                f"{rounds} workers died with the answer of {provider.name} under way",
            )


def kill_loop(rig: Rig, jobs: int, rounds: int) -> None:
    """Random workers are killed again and again; at times all of them; of one, the pool's child only."""
    rig.crew.hire(2)
    forking = rig.crew.hire(1, pool="prefork")[0].name
    rig.crew.wait_ready()
    with rig.trouble():
        load = rig.load.meanwhile(jobs, 4)
        for number in range(rounds):
            time.sleep(random.uniform(0.5, 2.5))
            for pid in _victims(rig, number, forking):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                    rig.act("kill")
        load.join()


def _victims(rig: Rig, number: int, forking: str) -> list[int]:
    workers = rig.crew.workers
    if number % 5 == 4:  # noqa: PLR2004 - every fifth time
        return [worker.pid for worker in workers]
    if number % 5 == 2:  # noqa: PLR2004 - every fifth time
        children = [pid for worker in workers if worker.name == forking for pid in worker.children()]
        if children:
            return [random.choice(children)]
    return [random.choice(workers).pid]


def graceful_stop(rig: Rig, jobs: int, rounds: int) -> None:
    """Workers are told to stop in order, and at once, while an upload is under way."""
    for _ in range(rounds):
        for provider in rig.providers():
            _stop_in_upload(rig, provider, signal.SIGTERM, "batchline_worker.app")
            _stop_in_upload(rig, provider, signal.SIGQUIT, _HURRIED)
    rig.crew.hire()
    rig.load.enqueue_all(jobs, 4)


def _stop_in_upload(rig: Rig, provider: Provider, number: int, app: str) -> None:
    worker = rig.crew.hire(app=app)[0]
    rig.crew.wait_ready()
    # A creation that bears the requests itself must end within its time-out; a file may take its time.
    slow_s = 1.0 if provider.upload == provider.create else 5.0
    with rig.trouble():
        before = len(rig.simulator.calls(provider.upload))
        rig.arm(provider.upload, "delay_before", seconds=slow_s)
        rig.load.enqueue(provider.name, 4)
        until(lambda: len(rig.simulator.calls(provider.upload)) > before, _RECOVERY_S, "an upload began")
        rig.crew.dismiss(worker)
        asked = time.monotonic()
        worker.send(number)
        rig.act("stop", provider.name)
        _await_end(worker)
        rig.bound("seconds to stop", time.monotonic() - asked, _GRACE_S, provider.name)


def _await_end(worker: Member) -> None:
    try:
        worker.wait(2 * _GRACE_S)
    except TimeoutError:
        worker.send(signal.SIGKILL)


def lease_steal(rig: Rig, jobs: int, rounds: int) -> None:
    """A worker is frozen right after its batch was accepted, until another has its work; then it goes on."""
    rig.signal = "freeze"
    rig.crew.hire(3)
    rig.crew.wait_ready()
    for _ in range(rounds):
        for pair in (rig.providers()[:2], rig.providers()[2:]):
            _freeze(rig, pair)
    rig.load.enqueue_all(jobs, 4)


def _freeze(rig: Rig, providers: list[Provider]) -> None:
    """Freeze up to a worker for each of two providers; one of three is left."""
    with rig.trouble():
        before = {provider.name: rig.struck(provider.create, "signal") for provider in providers}
        for provider in providers:
            rig.arm(provider.create, "signal", number=int(signal.SIGSTOP))
            rig.load.enqueue(provider.name, 2)
        for provider in providers:
            until(
                lambda p=provider: rig.struck(p.create, "signal") > before[p.name],  # type: ignore[misc]
                _RECOVERY_S,
                f"a worker was frozen by {provider.name}",
            )
        time.sleep(LEASE_S + QUIET_S + 1)
        until(rig.load.all_ended, _RECOVERY_S, "the workers that are left have finished everything")
        for worker in rig.crew.workers:
            if worker.frozen:
                worker.send(signal.SIGCONT)
        # What was frozen writes now, and is refused.
        time.sleep(1)
