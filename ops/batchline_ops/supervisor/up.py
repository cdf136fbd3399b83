"""The command `batchline up`: everything on this machine, until Ctrl-C."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, TextIO

from rich.console import Console

from batchline_ops.embedded.binaries import find_binary
from batchline_ops.embedded.home import HomeLock, ServerHome, ServerRecord
from batchline_ops.embedded.server import EmbeddedServer, free_port, server_url
from batchline_ops.simulated import SIMULATED
from batchline_ops.supervisor.errors import StackError
from batchline_ops.supervisor.logs import rotate
from batchline_ops.supervisor.plan import SERVER, server_service, stack_services
from batchline_ops.supervisor.report import print_ready
from batchline_ops.supervisor.state import StackState
from batchline_ops.supervisor.supervisor import Supervisor
from batchline_shared.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from batchline_ops.supervisor.options import UpOptions
    from batchline_ops.supervisor.service import Service

__all__ = ["up"]

_logger = logging.getLogger("batchline.supervisor")


def up(options: UpOptions, *, lifeline: int | None = None, out: TextIO | None = None) -> None:
    """Run the stack until SIGINT, SIGTERM or the lifeline's end. Main thread only.

    Args:
        options: What to run.
        lifeline: A descriptor whose end of file also means stop.
        out: Where the ready line or the summary goes; None takes stdout.

    Raises:
        StackError: It could not be started; one line says why.
        ConfigurationError: A setting or a server's binary is missing or wrong.
    """
    try:
        _run(options, lifeline, out or sys.stdout)
    except OSError as error:
        raise StackError(str(error)) from error


def _run(options: UpOptions, lifeline: int | None, out: TextIO) -> None:
    """Lock the directory, find or plan the server, and supervise."""
    home = ServerHome(options.data_dir.absolute())
    home.prepare()
    with _only_stack(home), _own_log(home.logs / "supervisor.log"), contextlib.ExitStack() as held:
        server, record, lock = _find_server(options, home, held)
        state = _initial_state(options, record)
        environment = _client_environment(options, state)
        services = stack_services(
            options,
            environment,
            flower_port=_port(state.flower_url),
            simulator_port=_port(state.simulator_url),
        )
        _warn_of_another_provider(options)
        keeper = _StateKeeper(home, state, record if server else None)
        supervisor = Supervisor(
            [*server, *services],
            home.logs,
            policy=options.restart,
            inherit={SERVER: (lock.fileno(),)} if lock is not None else {},
            on_change=keeper.update,
            on_ready=lambda: print_ready(keeper.state, home, out, as_json=options.as_json),
        )
        try:
            supervisor.run(lifeline=lifeline)
        finally:
            StackState.path(home.root).unlink(missing_ok=True)


class _StateKeeper:
    """Keeps `supervisor.json` and `server.json` true while processes come and go."""

    def __init__(self, home: ServerHome, state: StackState, own_server: ServerRecord | None) -> None:
        self._home = home
        self._own_server = own_server
        self._attached = dict(state.pids)
        self.state = state

    def update(self, supervisor: Supervisor) -> None:
        """Write down what runs now."""
        pids = {**self._attached, **supervisor.pids}
        self.state = self.state.model_copy(update={"ready": supervisor.ready, "pids": pids})
        try:
            self.state.write(self._home.root)
            if self._own_server is not None and SERVER in pids:
                self._home.write_record(replace(self._own_server, pid=pids[SERVER]))
        except OSError as error:  # a full disk is no reason to stop what runs
            _logger.warning("cannot write down what runs: %s", error)


@contextlib.contextmanager
def _only_stack(home: ServerHome) -> Iterator[None]:
    """Refuse a second stack on the same directory."""
    lock = home.try_lock("supervisor.lock")
    if lock is None:
        raise StackError(f"another `batchline up` runs on {home.root}; stop it, or take another --data-dir")
    with lock:
        yield


@contextlib.contextmanager
def _own_log(log: Path) -> Iterator[None]:
    """Write what the supervisor does to its own log, while it runs."""
    rotate(log)
    handler = logging.FileHandler(log)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    _logger.addHandler(handler)
    _logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        _logger.removeHandler(handler)
        handler.close()


def _find_server(
    options: UpOptions, home: ServerHome, held: contextlib.ExitStack
) -> tuple[list[Service], ServerRecord | None, HomeLock | None]:
    """The server to run, if it is ours to run; what is known of it; the lock that it inherits."""
    if options.redis_url is not None:
        return [], None, None
    lock = home.try_lock()
    if lock is None:
        running = EmbeddedServer(home.root).start()
        return [], ServerRecord(url=running.url, port=0, pid=running.pid, server=""), None
    held.enter_context(lock)
    binary = find_binary()
    last = home.read_record()
    port = options.port or free_port(prefer=last.port if last is not None else 0)
    record = ServerRecord(url=server_url(port), port=port, pid=0, server=str(binary))
    return [server_service(binary, port, options, home.data)], record, lock


def _initial_state(options: UpOptions, record: ServerRecord | None) -> StackState:
    """Addresses of everything, before anything runs."""
    overrides = {"redis_url": options.redis_url or "", "broker_url": options.broker_url}
    if record is not None:  # the environment's broker belongs to the environment's ledger
        overrides = {"redis_url": record.url, "broker_url": options.broker_url or ""}
    settings = Settings.load(**{name: value for name, value in overrides.items() if value is not None})
    planned = options.services is None
    return StackState(
        ready=False,
        redis_url=settings.redis_url,
        broker_url=settings.effective_broker_url,
        flower_url=_local_url() if planned and options.flower else None,
        simulator_url=_local_url() if planned and options.simulator else None,
        pids={SERVER: record.pid} if record is not None and record.pid else {},
    )


def _client_environment(options: UpOptions, state: StackState) -> dict[str, str]:
    """What every process of the stack is told."""
    return {
        **options.env,
        "BATCHLINE_REDIS_URL": state.redis_url,
        "BATCHLINE_BROKER_URL": state.broker_url,
        # Logs are followed while they are written; Python would hold them back.
        "PYTHONUNBUFFERED": os.environ.get("PYTHONUNBUFFERED", "1"),
    }


def _warn_of_another_provider(options: UpOptions) -> None:
    """Say so when workers will not talk to the simulator although there is one: it may cost money."""
    if not options.simulator:
        return
    for simulated in SIMULATED.values():
        url = options.env.get(simulated.address, os.environ.get(simulated.address))
        if url:
            text = f"{simulated.address} is set: workers use {url}, not the simulator"
            _logger.warning("%s", text)
            Console(stderr=True).print(text, style="yellow", markup=False, highlight=False, soft_wrap=True)


def _local_url() -> str:
    return f"http://127.0.0.1:{free_port()}"


def _port(url: str | None) -> int:
    return int(url.rpartition(":")[2]) if url is not None else 0
