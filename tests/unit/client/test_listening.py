"""One thread hears for every waiter, and goes when nobody waits."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from batchline.listening import Listener
from batchline_shared.ledger import keys

if TYPE_CHECKING:
    from collections.abc import Callable

    from redis import Redis


def listeners() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "batchline-listener"]


def eventually(holds: Callable[[], bool], within_s: float = 5.0) -> bool:
    deadline = time.monotonic() + within_s
    while not holds() and time.monotonic() < deadline:
        time.sleep(0.01)
    return holds()


@pytest.fixture
def listener(ledger: Redis) -> Listener:
    return Listener(lambda: ledger, idle_s=0.1)


def test_many_bells_ring_from_one_thread_and_only_for_their_job(ledger: Redis, listener: Listener) -> None:
    before = set(listeners())
    bells = {f"job_{n}": threading.Event() for n in range(50)}
    hearing = [listener.hears(job_id, bell.set) for job_id, bell in bells.items()]
    for heard in hearing:
        heard.__enter__()
    listener.stir()
    assert all(bell.wait(5) for bell in bells.values())  # each is listened for
    for bell in bells.values():
        bell.clear()

    ledger.publish(keys.events("job_7"), "landed")

    assert bells["job_7"].wait(5)
    assert [name for name, bell in bells.items() if bell.is_set()] == ["job_7"]
    assert len(set(listeners()) - before) == 1
    for heard in hearing:
        heard.__exit__(None, None, None)


def test_the_thread_ends_after_the_last_waiter_and_starts_for_the_next(listener: Listener) -> None:
    before = set(listeners())
    for _ in range(2):
        bell = threading.Event()
        with listener.hears("job_1", bell.set):
            assert bell.wait(5)

        assert eventually(lambda: set(listeners()) <= before)


def test_who_leaves_is_rung_for_no_more(ledger: Redis, listener: Listener) -> None:
    gone, stays = threading.Event(), threading.Event()
    with listener.hears("job_1", stays.set):
        with listener.hears("job_1", gone.set):
            assert gone.wait(5)
        gone.clear()
        stays.clear()
        ledger.publish(keys.events("job_1"), "landed")

        assert stays.wait(5)
        assert not gone.is_set()


class BrokenRedis:
    """Lets nobody subscribe until it is mended."""

    def __init__(self, ledger: Any) -> None:
        self.ledger = ledger
        self.tries = 0
        self.whole = False

    def pubsub(self) -> Any:
        self.tries += 1
        if not self.whole:
            raise ConnectionResetError
        return self.ledger.pubsub()

    def publish(self, channel: str, message: bytes) -> None:
        self.ledger.publish(channel, message)


def test_a_broken_connection_rings_everyone_and_is_made_anew(ledger: Redis) -> None:
    broken: Any = BrokenRedis(ledger)
    bell = threading.Event()
    with Listener(lambda: broken, again_s=0.01).hears("job_1", bell.set):
        assert bell.wait(5)  # so that the waiter looks for itself
        broken.whole = True
        assert eventually(lambda: ledger.pubsub_numsub(keys.events("job_1"))[0][1] == 1)
        bell.clear()
        ledger.publish(keys.events("job_1"), "landed")

        assert bell.wait(5)


def test_a_bell_that_cannot_be_rung_any_more_stops_nobody(ledger: Redis, listener: Listener) -> None:
    def closed_loop() -> None:
        raise RuntimeError("Event loop is closed")

    bell = threading.Event()
    with listener.hears("job_1", closed_loop), listener.hears("job_1", bell.set):
        assert bell.wait(5)
        bell.clear()
        ledger.publish(keys.events("job_1"), "landed")

        assert bell.wait(5)
