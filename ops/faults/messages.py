"""Faults of the broker and of the beat: messages lost and doubled, ticks from nobody or from five."""

from __future__ import annotations

import json
import signal
import threading
import time
from itertools import pairwise
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Self

from redis import Redis

from faults.crew import until
from faults.rig import LEASE_S, TICK_S

if TYPE_CHECKING:
    from faults.rig import Rig
    from faults.trade import Provider

__all__ = ["POLLS", "duplicate_delivery", "message_loss", "ticks"]

_LONG_S = 60.0

POLLS: Final = MappingProxyType({"BATCHLINE_POLL_INTERVAL_S": "0.5", "BATCHLINE_POLL_MAX_INTERVAL_S": "2"})
"""The workers' intervals while ticks come from nobody or from many."""

SOONEST_LOOK_S = 0.4
"""The interval less its tenth of jitter, and what a clock may be off."""

LATEST_LOOK_S = 2.0


def message_loss(rig: Rig, jobs: int, rounds: int) -> None:
    """The broker is emptied all the time; workers are frozen while they are sent to, and then killed."""
    rig.crew.hire(2)
    rig.crew.wait_ready()
    with rig.trouble():
        load = rig.load.meanwhile(jobs, 4)
        while load.is_alive():
            rig.broker.flushdb()
            rig.act("flush")
            time.sleep(0.3)
    until(rig.load.all_ended, _LONG_S + jobs, "all jobs ended although messages were lost")
    for _ in range(rounds):
        _lose_in_hand(rig)


def _lose_in_hand(rig: Rig) -> None:
    """Every nudge of a job dies in the hands of the workers that took it."""
    usual_s = {provider.name: _timed(rig, provider) for provider in rig.providers()}
    with rig.trouble():
        for worker in rig.crew.workers:
            worker.send(signal.SIGSTOP)
        ids = {provider.name: rig.load.enqueue(provider.name, 2) for provider in rig.providers()}
        time.sleep(0.2)
        for worker in rig.crew.workers:
            worker.send(signal.SIGKILL)
            rig.act("kill")
        rig.broker.flushdb()
        rig.act("flush")
        time.sleep(0.2)
        rig.crew.wait_ready()
    began = time.monotonic()
    for name, job_id in ids.items():
        rig.load.wait(job_id, _LONG_S)
        limit_s = 2 * TICK_S + LEASE_S + sum(usual_s.values())
        rig.bound_s("seconds to end without its messages", time.monotonic() - began, limit_s, name)


def _timed(rig: Rig, provider: Provider) -> float:
    began = time.monotonic()
    rig.load.wait(rig.load.enqueue(provider.name, 2), _LONG_S)
    return time.monotonic() - began


def duplicate_delivery(rig: Rig, jobs: int, rounds: int) -> None:
    """Every message comes three times, and again after a second, although its task takes longer."""
    rig.crew.hire(3, app="faults.impatient_app")
    rig.crew.wait_ready()
    with rig.trouble(), _Doubler(rig.server.url.removesuffix("/0") + "/1") as doubler:
        for provider in rig.providers():
            rig.arm(provider.create, "delay_before", seconds=1.1, rate=0.5, times=2 * rounds)
            if provider.upload != provider.create:
                rig.arm(provider.upload, "delay_before", seconds=2.5, rate=0.5, times=2 * rounds)
        rig.load.enqueue_all(jobs, 4)
        until(rig.load.all_ended, _LONG_S + 15 * jobs, "all jobs ended although messages came three times")
    for _ in range(doubler.sent):
        rig.act("duplicate")


class _Doubler:
    """Hears every message that reaches the broker, and sends it twice more."""

    def __init__(self, url: str) -> None:
        self._listening: Any = Redis.from_url(url)
        self._sending: Any = Redis.from_url(url, client_name="doubler")
        self._thread = threading.Thread(target=self._run, name="doubler", daemon=True)
        self.sent = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._sending.echo("enough")
        self._thread.join(10)
        self._listening.close()
        self._sending.close()

    def _run(self) -> None:
        mine: set[str] = set()
        with self._listening.monitor() as monitor:
            for event in monitor.listen():
                words = event["command"].split(" ", 2)
                if words[0] == "ECHO":
                    return
                # What is sent by us is heard by us too; a tag tells them apart.
                if words[0] == "LPUSH" and len(words) == 3 and words[2] not in mine:  # noqa: PLR2004 - key, value
                    self._send_twice(words[1], words[2], mine)

    def _send_twice(self, key: str, text: str, mine: set[str]) -> None:
        try:
            json.loads(text)
        except json.JSONDecodeError:
            return  # no message, or one that is not shown as it is
        mine.add(text)
        self._sending.lpush(key, text, text)
        self.sent += 2


def ticks(rig: Rig, jobs: int, rounds: int) -> None:
    """Nobody beats, then two do, then five: each batch is looked at in time, and not more often for it."""
    del rounds
    rig.crew.hire(2)
    rig.crew.wait_ready()
    for beats in (0, 2, 5):
        hired = rig.crew.hire_beats(beats)
        rig.crew.wait_ready()
        rig.act(f"{beats} beats")
        began = time.time()
        for _ in range(jobs):
            # Two batches of a provider at a time: each is looked at by a call of its own.
            rig.load.enqueue_all(2, 2)
            until(rig.load.all_ended, _LONG_S, f"all jobs ended with {beats} beats")
        for provider in rig.providers():
            _bound_looks(rig, provider, since_s=began, name=f"{beats} beats")
        for beat in hired:
            rig.crew.dismiss(beat)
            beat.send(signal.SIGKILL)
            beat.wait(10)


def _bound_looks(rig: Rig, provider: Provider, *, since_s: float, name: str) -> None:
    """Judge the times between two looks at one batch: polls that five beats multiply come too soon."""
    waits = []
    for batch in rig.simulator.batches():
        if batch["provider"] == provider.simulated and batch["created_s"] > since_s:
            calls = rig.simulator.calls(provider.listing.replace(".list", ".retrieve"))
            # The last is that of the worker which reads the results, at once.
            looks = [call["time"] for call in calls if call["path"].endswith(batch["id"])][:-1]
            waits += [after - before for before, after in pairwise([batch["created_s"], *looks])]
    too_soon = sum(wait_s < SOONEST_LOOK_S for wait_s in waits)
    rig.bound(f"looks within a batch's interval, {name}", too_soon, 0, provider.name)
    rig.bound_s(f"longest wait for a look, {name}", max(waits), 2 * LATEST_LOOK_S, provider.name)
