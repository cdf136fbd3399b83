"""Threads that run one at a time, on a clock that only the script of a play moves.

Every call to Redis or to the provider is a point at which another actor may go on, time may pass, or the
actor may die. Who goes on is drawn from the play's seed, and so are ids: the same seed is the same play.
"""

from __future__ import annotations

import random
import secrets
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import time_machine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["Actor", "Clock", "Died", "Stage"]

_BEGIN_S = 1_800_000_000
_CALL_S = 0.001
"""What one call takes."""


class Died(BaseException):
    """Stands for `kill -9`."""


class Clock:
    """The time of a play, for whoever asks: the server, the provider and each process."""

    def __init__(self, traveller: time_machine.Traveller) -> None:
        self._traveller = traveller
        self.now_s = 0.0
        """Seconds since the play began."""

    def advance(self, seconds: float) -> None:
        self._traveller.shift(seconds)
        self.now_s += seconds


class Actor:
    """A process: a thread that runs only between `resume` and the pause that follows."""

    def __init__(self, name: str, stage: Stage, body: Callable[[Actor], None]) -> None:
        self.name = name
        self.dying = False
        """It dies at its next pause."""
        self.dead = False
        """Nothing of it takes effect any more, not even what it does on its way out."""
        self.frozen_until = 0
        """The step of the play from which it goes on."""
        self.has_ended = False
        self.failure: BaseException | None = None
        self._stage = stage
        self._go = threading.Semaphore(0)
        self._paused = threading.Semaphore(0)
        self._thread = threading.Thread(target=self._run, args=(body,), name=name, daemon=True)
        stage.threads[self._thread] = self
        self._thread.start()

    def resume(self) -> None:
        """Run it until it pauses or ends.

        Raises:
            BaseException: Whatever ended it, other than its own death.
        """
        self._go.release()
        self._paused.acquire()
        if self.failure is not None:
            raise self.failure

    def pause(self) -> None:
        """Within the actor: let others go on.

        Raises:
            Died: It was killed meanwhile.
        """
        self._paused.release()
        self._go.acquire()
        if self.dying:
            self.dying, self.dead = False, True
        if self.dead:
            raise Died

    def revive(self) -> None:
        """Start again as a new process."""
        self.dead = False

    def _run(self, body: Callable[[Actor], None]) -> None:
        self._go.acquire()
        try:
            body(self)
        except BaseException as error:  # noqa: BLE001 - raised again by `resume`
            self.failure = error
        self.has_ended = True
        self._paused.release()


class Stage:
    """Where actors meet: the dice, the clock, and who is on."""

    def __init__(self, seed: int, clock: Clock) -> None:
        self.dice = random.Random(seed)
        self.clock = clock
        self.threads: dict[threading.Thread, Actor] = {}
        self.calm = False
        """The mishaps are over: nobody pauses or dies any more, and all calls work."""

    @property
    def actor(self) -> Actor | None:
        """Who is on; None: the script itself."""
        return self.threads.get(threading.current_thread())

    @property
    def is_quiet(self) -> bool:
        """Whether this call must work."""
        return self.calm or self.actor is None

    def point(self) -> None:
        """Something takes a moment; others may go on meanwhile.

        Raises:
            Died: The actor was killed.
        """
        self.clock.advance(_CALL_S)
        actor = self.actor
        if actor is None:
            return
        if actor.dead:
            raise Died
        if not self.calm and self.dice.random() < 0.25:
            actor.pause()

    def sleep(self, seconds: float) -> None:
        """Instead of `time.sleep`."""
        self.clock.advance(seconds)
        actor = self.actor
        if actor is not None and not self.calm:
            actor.pause()


@contextmanager
def play(seed: int) -> Iterator[Stage]:
    """Set the stage: time, ids and jitter are the play's own until it ends."""
    with time_machine.travel(_BEGIN_S, tick=False) as traveller:
        clock = Clock(traveller)
        stage = Stage(seed, clock)
        kept = random.getstate(), secrets.token_hex, time.monotonic, time.sleep
        ids = random.Random(seed)
        random.seed(seed)
        secrets.token_hex = lambda nbytes=None: (
            f"{ids.getrandbits(8 * (nbytes or 32)):0{2 * (nbytes or 32)}x}"
        )
        time.monotonic = lambda: clock.now_s
        time.sleep = stage.sleep
        try:
            yield stage
        finally:
            stage.calm = True
            random.setstate(kept[0])
            secrets.token_hex, time.monotonic, time.sleep = kept[1:]
