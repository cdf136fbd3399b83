"""Faults of Redis: killed and frozen, its last second lost to a power cut, and full."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from typing import TYPE_CHECKING, Any, Self

from redis import Redis
from redis.exceptions import RedisError

from batchline import QueueFullError, QueueUnavailableError
from faults.crew import until
from faults.trade import PROVIDERS

if TYPE_CHECKING:
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
    with rig.trouble(), _Disk(rig) as disk:
        loads = [rig.load.meanwhile(jobs // _CLIENTS, 4) for _ in range(_CLIENTS)]
        for _ in range(rounds):
            # Long enough for workers to be back at work.
            time.sleep(random.uniform(2.0, 5.0))
            disk.lose_power()
        for load in loads:
            load.join()


class _Disk:
    """Knows how much of the append-only file may be on disk for sure: all that a WAITAOF can have confirmed.

    One of our own is always waiting. It is answered by the same sync as everybody else's, so whatever has
    been confirmed to anybody lies within the file as it is then.
    """

    def __init__(self, rig: Rig) -> None:
        self._rig = rig
        self._redis: Any = Redis.from_url(rig.server.url, socket_timeout=5, retry=None)
        self._file = _append_only_file(rig.server.home.data)
        self._safe_bytes = self._file.stat().st_size
        self._changed = threading.Condition()
        self._dark = False
        """Whether the server has been found to be gone."""
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="disk", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(10)
        self._redis.close()

    def lose_power(self) -> None:
        """Kill the server, cut its file at a random byte of what was not safe, and start it again."""
        until(
            lambda: self._tail_bytes() > _TAIL_BYTES, _LONG_S, "something is not on disk yet", every_s=0.001
        )
        self._rig.server.kill()
        with self._changed:
            # What was confirmed at last may still be on its way to us.
            self._changed.wait_for(lambda: self._dark)
            whole = self._file.stat().st_size
            kept = random.randint(min(self._safe_bytes, whole), whole)
            os.truncate(self._file, kept)
            self._safe_bytes = kept
        self._rig.act(f"{whole - kept} bytes lost")
        self._rig.server.start()

    def _tail_bytes(self) -> int:
        return self._file.stat().st_size - self._safe_bytes

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                with self._redis.pipeline(transaction=False) as pipe:
                    # WAITAOF waits for what its own connection wrote.
                    pipe.set("faults:disk", 1)
                    pipe.execute_command("WAITAOF", 1, 0, 3000)
                    confirmed = pipe.execute()[1][0]
            except RedisError:
                self._note(dark=True)
                time.sleep(0.01)
            else:
                self._note(dark=False, confirmed=bool(confirmed))

    def _note(self, *, dark: bool, confirmed: bool = False) -> None:
        with self._changed:
            self._dark = dark
            if confirmed:
                self._safe_bytes = max(self._safe_bytes, self._file.stat().st_size)
            self._changed.notify_all()


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
