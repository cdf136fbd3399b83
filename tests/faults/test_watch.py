"""The watch sees work that nobody takes over after its lease, and only while nothing is wrong."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from redis import Redis

from batchline_shared.ledger import Stage, keys
from faults.watch import Watch, leftovers
from ledger_servers import embedded

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from batchline_ops.embedded import EmbeddedServer

TICK_S = 0.05


@pytest.fixture
def server(tmp_path: Path) -> Iterator[EmbeddedServer]:
    with embedded("valkey", tmp_path) as server:
        yield server


@pytest.fixture
def redis(server: EmbeddedServer) -> Iterator[Any]:
    client = Redis.from_url(server.url)
    yield client
    client.close()


def put(redis: Any, member: str, *, due_in_s: float, leased: bool) -> None:
    """Put a shard into the due set of polls."""
    at_ms = int((time.time() + due_in_s) * 1000)
    redis.hset(keys.work(0, member), mapping={"state": "submitted", "lease_until": at_ms if leased else 0})
    redis.zadd(keys.due(0, Stage.POLL), {member: at_ms})


def watched(server: EmbeddedServer, *, calm: bool) -> dict[str, float]:
    watch = Watch(server.url, tick_s=TICK_S, calm=lambda: calm)
    time.sleep(10 * TICK_S)
    return {late.member: late.late_s for late in watch.close()}


def test_work_past_its_lease_is_seen_and_for_how_long(server: EmbeddedServer, redis: Any) -> None:
    put(redis, "forgotten", due_in_s=-1, leased=True)
    put(redis, "held", due_in_s=60, leased=True)

    watch = Watch(server.url, tick_s=TICK_S, calm=lambda: True)
    while max(list(watch._seen.values()), default=0.0) <= 2 * TICK_S:
        time.sleep(TICK_S)
    seen = {late.member: late.late_s for late in watch.close()}

    assert set(seen) == {"forgotten"}
    assert seen["forgotten"] > 2 * TICK_S


def test_time_in_which_the_machine_stood_still_is_nobodys_fault(
    server: EmbeddedServer, redis: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    wait = threading.Event.wait

    def stalled(event: threading.Event, timeout: float | None = None) -> bool:
        return wait(event, timeout if timeout != TICK_S / 2 else 6 * TICK_S)

    put(redis, "forgotten", due_in_s=-1, leased=True)
    monkeypatch.setattr(threading.Event, "wait", stalled)
    watch = Watch(server.url, tick_s=TICK_S, calm=lambda: True)
    time.sleep(20 * TICK_S)
    seen = [late.late_s for late in watch.close()]

    assert max(seen, default=0.0) < 6 * TICK_S
    assert watch.stalled_s >= 5 * TICK_S


def test_work_that_waits_in_line_is_not_forgotten(server: EmbeddedServer, redis: Any) -> None:
    put(redis, "due", due_in_s=-1, leased=False)
    assert watched(server, calm=True) == {}

    for number in range(3):
        put(redis, f"backlog-{number}", due_in_s=-1, leased=True)
    assert watched(server, calm=True) == {}


def test_nothing_counts_while_something_is_wrong(server: EmbeddedServer, redis: Any) -> None:
    put(redis, "forgotten", due_in_s=-1, leased=True)

    assert watched(server, calm=False) == {}


def test_what_is_left_due_is_named_but_for_cleaning_up(server: EmbeddedServer, redis: Any) -> None:
    put(redis, "shard-0", due_in_s=60, leased=False)
    redis.zadd(keys.due(0, Stage.CLEAN), {"shard-1": 0})

    assert server.pid
    assert leftovers(redis) == ["poll: shard-0"]
