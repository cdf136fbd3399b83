"""The embedded server, on every server binary of this machine."""

from __future__ import annotations

import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import psutil
import pytest
from redis import Redis

from batchline_ops.embedded import EmbeddedServer, EmbeddedServerError, ServerBinary, server_binaries
from integration.ops.process_checks import still_there

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(params=server_binaries(), ids=str)
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[EmbeddedServer]:
    binary: ServerBinary = request.param
    with EmbeddedServer(tmp_path, binary=binary, maxmemory="100mb") as server:
        yield server


def connect(server: EmbeddedServer) -> Redis:
    return Redis.from_url(server.url, decode_responses=True)


def test_it_keeps_everything_evicts_nothing_and_listens_here_only(server: EmbeddedServer) -> None:
    with connect(server) as redis:
        settings = redis.config_get("appendonly", "appendfsync", "maxmemory", "maxmemory-policy", "bind")

    assert settings == {
        "appendonly": "yes",
        "appendfsync": "everysec",
        "maxmemory": str(100 * 1024 * 1024),
        "maxmemory-policy": "noeviction",
        "bind": "127.0.0.1",
    }


def test_data_and_address_survive_a_stop(server: EmbeddedServer) -> None:
    with connect(server) as redis:
        redis.set("job", "kept")
    url, pid = server.url, server.pid

    server.stop()
    server.start()

    assert server.url == url
    assert server.pid != pid
    with connect(server) as redis:
        assert redis.get("job") == "kept"


def test_acknowledged_data_survives_a_kill(server: EmbeddedServer) -> None:
    with connect(server) as redis:
        redis.set("job", "kept")
    server.kill()

    server.start()

    with connect(server) as redis:
        assert redis.get("job") == "kept"


def test_a_second_one_on_the_same_directory_attaches_and_leaves_it_running(
    server: EmbeddedServer, tmp_path: Path
) -> None:
    with EmbeddedServer(tmp_path) as second:
        assert second.attached
        assert (second.url, second.pid) == (server.url, server.pid)

    with connect(server) as redis:
        assert redis.ping()


def test_two_that_start_at_once_share_one_server(tmp_path: Path) -> None:
    servers = [EmbeddedServer(tmp_path) for _ in range(4)]
    threads = [threading.Thread(target=server.start) for server in servers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    try:
        assert len({server.pid for server in servers}) == 1
        assert [server.attached for server in servers].count(False) == 1
    finally:
        for server in servers:
            server.stop()


def test_a_record_of_a_dead_server_does_not_stand_in_the_way(tmp_path: Path) -> None:
    first = EmbeddedServer(tmp_path).start()
    first.kill()

    with EmbeddedServer(tmp_path) as second:
        assert not second.attached
        assert second.pid != first.pid


@pytest.mark.parametrize("from_thread", [False, True], ids=["main-thread", "other-thread"])
def test_it_ends_with_data_saved_when_its_starter_is_killed(tmp_path: Path, *, from_thread: bool) -> None:
    script = f"""
import sys, threading, time
from batchline_ops.embedded import EmbeddedServer
server = EmbeddedServer(sys.argv[1])
if {from_thread}:
    thread = threading.Thread(target=server.start); thread.start(); thread.join()
else:
    server.start()
print(server.pid, flush=True)
time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", script, tmp_path], stdout=subprocess.PIPE) as starter:
        assert starter.stdout is not None
        pid = int(starter.stdout.readline())
        assert psutil.pid_exists(pid)
        starter.kill()

    assert still_there([pid]) == []
    assert "Received SIGTERM" in (tmp_path / "logs" / "server.log").read_text()


def test_a_taken_port_is_named_in_the_error(tmp_path: Path) -> None:
    with EmbeddedServer(tmp_path / "one") as one:
        port = int(one.url.rpartition(":")[2].partition("/")[0])

        # The first server answers the second's PING, so the second must notice that its own process ended.
        with pytest.raises(EmbeddedServerError, match="in use"):
            EmbeddedServer(tmp_path / "two", port=port).start()


def test_a_directory_that_cannot_be_made_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(EmbeddedServerError, match="cannot use data directory"):
        EmbeddedServer(tmp_path / "file" / "data").start()


def test_damaged_files_are_an_error_that_quotes_the_log(tmp_path: Path) -> None:
    server = EmbeddedServer(tmp_path)
    with server, connect(server) as redis:
        redis.set("job", "kept")
    for file in (tmp_path / "server" / "appendonlydir").glob("*.aof"):
        file.write_bytes(b"nonsense")

    with pytest.raises(EmbeddedServerError, match=r"server\.log: .*(format|Bad|read)"):
        server.start()


def test_stopping_twice_and_asking_before_the_start_are_harmless_or_clear(tmp_path: Path) -> None:
    server = EmbeddedServer(tmp_path)
    with pytest.raises(EmbeddedServerError, match="not been started"):
        _ = server.url

    server.stop()
    with server:
        pid = server.pid
    server.stop()

    assert still_there([pid]) == []


def test_a_kill_reaches_a_server_that_was_attached_to(tmp_path: Path) -> None:
    with EmbeddedServer(tmp_path) as owner:
        attached = EmbeddedServer(tmp_path).start()

        attached.kill()

        assert still_there([owner.pid]) == []
