"""The server as a process of ours: started, or found running, for one data directory.

Only the object that started a server stops it. A second `EmbeddedServer` on the
same directory attaches to the first one's, and leaves it running when it ends.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Self

from redis import Redis
from redis.exceptions import RedisError

from batchline_ops.embedded.binaries import ServerBinary, find_binary
from batchline_ops.embedded.errors import EmbeddedServerError
from batchline_ops.embedded.guard import guarded
from batchline_ops.embedded.home import HomeLock, ServerHome, ServerRecord

__all__ = ["DEFAULT_MAXMEMORY", "EmbeddedServer", "free_port", "server_command", "server_url", "serving_pid"]

DEFAULT_MAXMEMORY = "2gb"
"""Beyond this the server refuses writes, and `enqueue` says so, instead of the machine swapping."""

_POLL_S = 0.002
_PORT_ATTEMPTS = 5


class EmbeddedServer:
    """A Valkey or Redis server on the loopback interface, with an append-only file.

    A process kill loses nothing that was acknowledged; a power cut loses up to
    about a second (`appendfsync everysec`).
    """

    def __init__(
        self,
        data_dir: Path | str,
        *,
        port: int = 0,
        maxmemory: str = DEFAULT_MAXMEMORY,
        binary: ServerBinary | None = None,
        start_timeout_s: float = 30.0,
    ) -> None:
        """Say where; nothing is started before `start`.

        Args:
            data_dir: Made if missing. Holds `server/`, `logs/`, `server.json` and `server.lock`.
            port: 0 takes the port that the directory's last server had if it is free, else any free one.
            maxmemory: In the server's own notation; `"0"` sets no limit.
            binary: Which server; None takes `find_binary()`.
            start_timeout_s: Seconds for starting and loading the data.
        """
        self.home = ServerHome(Path(data_dir).absolute())
        self._wanted_port = port
        self._maxmemory = maxmemory
        self._binary = binary
        self._start_timeout_s = start_timeout_s
        self._process: subprocess.Popen[bytes] | None = None
        self._record: ServerRecord | None = None

    @property
    def url(self) -> str:
        """The ledger's URL; valid after `start`, and the same after a restart of this object."""
        return self._running().url

    @property
    def pid(self) -> int:
        """The server's process id, whoever started it."""
        return self._running().pid

    @property
    def attached(self) -> bool:
        """Whether somebody else started the server, who will also stop it."""
        return self._record is not None and self._process is None

    def start(self) -> Self:
        """Start the server, or attach to the one that runs on this directory. Harmless when repeated.

        Raises:
            EmbeddedServerError: It did not answer in time; the message ends with its log's last lines.
            ServerBinaryNotFoundError: There is no server to start.
        """
        if self._process is not None and self._process.poll() is None:
            return self
        self._process = None
        self.home.prepare()
        deadline = time.monotonic() + self._start_timeout_s
        while True:
            lock = self.home.try_lock()
            if lock is not None:
                with lock:
                    self._launch(lock, deadline)
                return self
            if self._attach():
                return self
            if time.monotonic() > deadline:
                raise EmbeddedServerError(
                    f"another process holds {self.home.root / 'server.lock'}, but no server answers there"
                )
            time.sleep(_POLL_S)

    def stop(self, timeout_s: float = 30.0) -> None:
        """End the server after it has written everything; one that we attached to keeps running.

        Raises:
            EmbeddedServerError: It did not end in time and was killed; what it acknowledged is kept.
        """
        process, self._process, self._record = self._process, None, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise EmbeddedServerError(
                f"the server did not stop within {timeout_s:g} s and was killed"
            ) from None

    def kill(self) -> None:
        """End the server as a crash would (SIGKILL), whoever started it; for tests of faults."""
        record = self._running()
        if self._process is None:
            os.kill(record.pid, signal.SIGKILL)
            return
        self._process.kill()
        self._process.wait()

    def __enter__(self) -> Self:
        """Start."""
        return self.start()

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self.stop()

    def _running(self) -> ServerRecord:
        if self._record is None:
            raise EmbeddedServerError("the server has not been started")
        return self._record

    def _attach(self) -> bool:
        """Use the running server, if it answers already."""
        record = self.home.read_record()
        if record is None or serving_pid(record.url) != record.pid:
            return False
        self._record = record
        return True

    def _launch(self, lock: HomeLock, deadline: float) -> None:
        """Start a server that inherits the lock, on another port if the first is taken meanwhile."""
        binary = self._binary or find_binary()
        for attempt in range(_PORT_ATTEMPTS):
            port = self._pick_port(attempt)
            process = self._spawn(binary, port, lock)
            if _answers_before(deadline, server_url(port), process):
                self._process = process
                self._record = ServerRecord(
                    url=server_url(port), port=port, pid=process.pid, server=str(binary)
                )
                self.home.write_record(self._record)
                return
            taken = process.poll() is not None and "in use" in self.home.log_tail()
            process.kill()
            process.wait()
            if not taken or self._wanted_port:
                break
        raise EmbeddedServerError(f"{binary} did not start; {self.home.log}: {self.home.log_tail()}")

    def _pick_port(self, attempt: int) -> int:
        """Stay on the known port, so that clients which hold the URL find the server again."""
        if self._wanted_port:
            return self._wanted_port
        last = self._record or self.home.read_record()
        return free_port(prefer=last.port if last is not None and attempt == 0 else 0)

    def _spawn(self, binary: ServerBinary, port: int, lock: HomeLock) -> subprocess.Popen[bytes]:
        """Start the process, in its own group so that a Ctrl-C meant for us does not reach it."""
        launch = guarded(server_command(binary, port, self._maxmemory), on_parent_death=signal.SIGTERM)
        with self.home.log.open("ab") as log:
            return subprocess.Popen(
                launch.command,
                cwd=self.home.data,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=(lock.fileno(), *launch.pass_fds),
                start_new_session=True,
            )


def server_command(binary: ServerBinary, port: int, maxmemory: str = DEFAULT_MAXMEMORY) -> tuple[str, ...]:
    """Build the command line. The working directory is the data directory: no path needs quoting."""
    settings = {
        "bind": "127.0.0.1",
        "port": str(port),
        "appendonly": "yes",
        "appendfsync": "everysec",
        # Eviction would silently delete jobs; a refused write is an error that somebody sees.
        "maxmemory-policy": "noeviction",
        "maxmemory": maxmemory,
        # The append-only file is the one truth here; snapshots beside it would only cost forks.
        "save": "",
    }
    arguments = [part for name, value in settings.items() for part in (f"--{name}", value)]
    return (str(binary.path), *arguments)


def server_url(port: int, database: int = 0) -> str:
    """The URL of one database of a server on this machine."""
    return f"redis://127.0.0.1:{port}/{database}"


def free_port(prefer: int = 0) -> int:
    """Find a port that nobody listens on; `prefer` if it is free.

    Another process may take it before it is used: callers start again with the next one.
    """
    for candidate in (prefer, 0):
        with socket.socket() as probe:
            # As the servers do: a port whose last connection is in TIME_WAIT can be bound.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", candidate))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise EmbeddedServerError("no free port on 127.0.0.1")


def serving_pid(url: str, timeout_s: float = 1.0) -> int | None:
    """Ask which process serves this URL; None if nobody does, or its data are still being loaded.

    A PONG alone does not say whose it is: a port changes hands.
    """
    client = Redis.from_url(url, socket_timeout=timeout_s, socket_connect_timeout=timeout_s, retry=None)
    try:
        client.ping()  # refused while loading, when INFO already answers
        return int(client.info("server")["process_id"])
    except (RedisError, OSError):
        return None
    finally:
        client.close()


def _answers_before(deadline: float, url: str, process: subprocess.Popen[bytes]) -> bool:
    """Wait for the first PONG; give up when the process ends or the time is over."""
    while time.monotonic() < deadline and process.poll() is None:
        if serving_pid(url) == process.pid:
            return True
        time.sleep(_POLL_S)
    return False
