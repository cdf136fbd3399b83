"""Faults of Redis: killed and frozen, its last second lost to a power cut, and full."""

from __future__ import annotations

import os
import random
import signal
import time
from typing import TYPE_CHECKING

from batchline import QueueFullError, QueueUnavailableError
from faults.crew import until
from faults.trade import PROVIDERS

if TYPE_CHECKING:
    import threading
    from pathlib import Path

    from faults.rig import Rig

__all__ = ["full_server", "power_loss", "server_kills"]

_LONG_S = 90.0

_GIVE_UP_S = 90.0
"""Within this time a client must say that Redis does not answer: four tries of ten seconds each, for the
write and for taking back what was begun, and a little."""

_CLIENTS = 4
"""Clients that enqueue at the same time while the power goes."""

_TAIL_BYTES = 1_000
"""What is not safe in the moment in which the power goes: a few writes of workers at least."""

_OFTEN = 10
"""Rounds from which the server is also frozen for so long that clients give up."""


def server_kills(rig: Rig, jobs: int, rounds: int) -> None:
    """The server is killed again and again, and once frozen for longer than clients wait."""
    rig.crew.hire(3)
    rig.crew.wait_ready()
    with rig.trouble():
        load = rig.load.meanwhile(jobs, 4)
        for _ in range(rounds):
            time.sleep(random.uniform(0.3, 1.5))
            rig.server.kill()
            rig.act("kill")
            time.sleep(random.uniform(0.0, 0.5))
            rig.server.start()
        load.join()
        _freeze(rig)
        if rounds >= _OFTEN:
            _freeze_for_long(rig)


def _freeze(rig: Rig) -> None:
    """Freeze the server for less than clients wait: they only wait."""
    os.kill(rig.server.pid, signal.SIGSTOP)
    rig.act("freeze")
    load = rig.load.meanwhile(1, 4)
    time.sleep(3)
    os.kill(rig.server.pid, signal.SIGCONT)
    load.join()


def _freeze_for_long(rig: Rig) -> None:
    """Freeze the server until a client says that nobody answers."""
    os.kill(rig.server.pid, signal.SIGSTOP)
    rig.act("freeze")
    began = time.monotonic()
    try:
        rig.client.enqueue(PROVIDERS["openai"].model, None, [[{"role": "user", "content": "Hello?"}]])
        refused_s = float("inf")
    except QueueUnavailableError:
        refused_s = time.monotonic() - began
    finally:
        os.kill(rig.server.pid, signal.SIGCONT)
    rig.bound("seconds until a client gives up on a frozen server", refused_s, _GIVE_UP_S)


def power_loss(rig: Rig, jobs: int, rounds: int) -> None:
    """The machine with the ledger loses power: what was not on disk for sure is cut off, at a random byte."""
    rig.crew.hire(3)
    rig.crew.wait_ready()
    loads: list[threading.Thread] = []
    with rig.trouble():
        for _ in range(rounds):
            loads += _enqueue_beside(rig, jobs // rounds)
            # Long enough, at times, for workers to be back at work.
            time.sleep(random.uniform(0.5, 5.0))
            loads += _lose_power(rig)
        for load in loads:
            load.join()


def _enqueue_beside(rig: Rig, jobs: int) -> list[threading.Thread]:
    return [rig.load.meanwhile(jobs // _CLIENTS, 4) for _ in range(_CLIENTS)]


def _lose_power(rig: Rig) -> list[threading.Thread]:
    """Kill the server, cut its file at a random byte of what is not safe, and start it again.

    From some moment on it syncs no more, so nothing that is written then can be confirmed to anybody.

    Returns:
        Those who enqueue, so that there is something to lose.
    """
    file = _append_only_file(rig.server.home.data)
    rig.redis.config_set("appendfsync", "no")
    safe_bytes = file.stat().st_size
    writers: list[threading.Thread] = []

    def is_unsafe() -> bool:
        if not any(writer.is_alive() for writer in writers):
            writers.extend(_enqueue_beside(rig, _CLIENTS))
        return file.stat().st_size > safe_bytes + _TAIL_BYTES

    until(is_unsafe, _LONG_S, "something is not on disk yet")
    time.sleep(random.uniform(0.0, 0.5))
    rig.server.kill()
    whole = file.stat().st_size
    kept = random.randint(safe_bytes, whole)
    os.truncate(file, kept)
    rig.act(f"{whole - kept} bytes lost")
    rig.server.start()
    return writers


def _append_only_file(folder: Path) -> Path:
    """The part that is written to; small ledgers never have it rewritten."""
    return max((folder / "appendonlydir").glob("*.incr.aof"))


def full_server(rig: Rig, jobs: int, rounds: int) -> None:
    """The server reaches its limit of memory under way, and is given more a while later."""
    rig.crew.hire(2)
    rig.crew.wait_ready()
    for _ in range(rounds):
        with rig.trouble():
            rig.load.enqueue_all(jobs, 4)
            used = int(rig.redis.info("memory")["used_memory"])
            rig.redis.config_set("maxmemory", used)
            rig.act("full")
            rig.bound("full servers that took a job", float(_takes_a_job(rig)), 0)
            time.sleep(3)
            rig.redis.config_set("maxmemory", "2gb")
        until(rig.load.all_ended, _LONG_S, "all jobs ended once there was room again")


def _takes_a_job(rig: Rig) -> bool:
    """Enqueue until the server is full; False where the client says so clearly."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            rig.load.enqueue_once("openai", 4)
        except QueueFullError:
            return False
    return True
