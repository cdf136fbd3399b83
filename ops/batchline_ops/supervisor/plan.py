"""Which services make up a stack: commands, environments, probes and stages.

Stage 0 is what others need (server, simulator); stage 1 is everything else.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from batchline_ops.embedded.server import server_command, server_url
from batchline_ops.flower.command import flower_command
from batchline_ops.simulated import SIMULATED, simulated_environment, simulator_arguments
from batchline_ops.supervisor.probes import HttpAnswer, LogLine, RedisPing
from batchline_ops.supervisor.service import Service

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from batchline_ops.embedded.binaries import ServerBinary
    from batchline_ops.supervisor.options import UpOptions

__all__ = ["SERVER", "server_service", "stack_services"]

SERVER = "server"
"""The embedded server's name among the services."""

_SERVER_GRACE_S = 60.0
"""Writing the last of the append-only file to a slow disk may take a while."""

_SIMULATED_POLL = {"BATCHLINE_POLL_INTERVAL_S": "1"}
"""The simulator is quick, and does not mind being asked each second."""


def server_service(binary: ServerBinary, port: int, options: UpOptions, working_directory: Path) -> Service:
    """The embedded server. SIGTERM also when the supervisor is killed: it saves and ends."""
    return Service(
        name=SERVER,
        command=server_command(binary, port, options.maxmemory),
        cwd=working_directory,
        probe=RedisPing(url=server_url(port)),
        stage=0,
        grace_s=_SERVER_GRACE_S,
        death_signal="SIGTERM",
    )


def stack_services(
    options: UpOptions, environment: Mapping[str, str], *, flower_port: int, simulator_port: int
) -> list[Service]:
    """Everything but the server.

    Args:
        options: What was asked for.
        environment: Of workers, beat and Flower: the `BATCHLINE_…` variables.
        flower_port: Free, on the loopback interface.
        simulator_port: The same.
    """
    if options.services is not None:
        return [_with_environment(service, environment) for service in options.services]
    services: list[Service] = []
    providers: dict[str, str] = {}
    if options.simulator:
        services.append(_simulator(options, simulator_port))
        providers = _provider_variables(options, simulator_port, {**os.environ, **environment})
    services += [
        _worker(options, number, {**environment, **providers}) for number in range(1, options.workers + 1)
    ]
    if options.beat:
        services.append(_beat(options, environment))
    if options.flower:
        services.append(_flower(options, environment, flower_port))
    return services


def _provider_variables(options: UpOptions, port: int, environment: Mapping[str, str]) -> dict[str, str]:
    """What leads workers to the simulator."""
    url = f"http://127.0.0.1:{port}"
    variables = simulated_environment(url, _service_account(options), environment)
    if any(environment.get(simulated.address) for simulated in SIMULATED.values()):
        return variables
    often = {name: value for name, value in _SIMULATED_POLL.items() if not environment.get(name)}
    return {**variables, **often}


def _service_account(options: UpOptions) -> Path:
    return options.data_dir.absolute() / "simulator-service-account.json"


def _celery(options: UpOptions, *arguments: str) -> tuple[str, ...]:
    """The interpreter that runs us runs Celery too, whatever the PATH says."""
    return (sys.executable, "-m", "celery", "-A", options.app, *arguments)


def _worker(options: UpOptions, number: int, environment: Mapping[str, str]) -> Service:
    name = f"worker-{number}"
    command = _celery(
        options, "worker", "-n", f"{name}@%h", "-P", "threads", "-c", str(options.concurrency),
        "--without-gossip", "--without-mingle", "-E", "-l", "INFO",
    )  # fmt: skip
    # Celery logs "worker-1@host ready." when it consumes; nothing cheaper says so.
    probe = LogLine(pattern=rf"{name}@\S+ ready\b")
    return Service(name=name, command=command, env=dict(environment), probe=probe, grace_s=options.grace_s)


def _beat(options: UpOptions, environment: Mapping[str, str]) -> Service:
    schedule = options.data_dir.absolute() / "beat-schedule"
    # No pid file: after a kill a stale one would keep the next beat from starting.
    command = _celery(options, "beat", "-l", "INFO", "-s", str(schedule), "--pidfile=")
    return Service(
        name="beat", command=command, env=dict(environment), probe=LogLine(pattern=r"beat: Starting")
    )


def _flower(options: UpOptions, environment: Mapping[str, str], port: int) -> Service:
    return Service(
        name="flower",
        command=(*flower_command(options.app), "--address=127.0.0.1", f"--port={port}"),
        env=dict(environment),
        probe=HttpAnswer(url=f"http://127.0.0.1:{port}/healthcheck"),
    )


def _simulator(options: UpOptions, port: int) -> Service:
    folder = options.data_dir.absolute() / "simulator"
    command = (
        sys.executable, "-m", "batchline_simulator", "--host", "127.0.0.1", "--port", str(port),
        "--data-dir", str(folder), *simulator_arguments(_service_account(options)),
        *options.simulator_args,
    )  # fmt: skip
    return Service(
        name="simulator", command=command, probe=HttpAnswer(url=f"http://127.0.0.1:{port}/"), stage=0
    )


def _with_environment(service: Service, environment: Mapping[str, str]) -> Service:
    return service.model_copy(update={"env": {**environment, **service.env}})
