"""`docker-compose.yml` without an engine: the file as Compose reads it, and its services as processes.

What an engine would give them is translated and nothing else: service names and
container ports become loopback ports, container paths become folders, and the
image's programs become those of this environment.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import yaml

from batchline_ops.embedded import find_binary
from batchline_ops.embedded.server import free_port

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).parents[2]

_VARIABLE = re.compile(r"\$(?:(?P<escaped>\$)|\{(?P<name>\w+)(?::(?P<kind>[-?])(?P<text>[^}]*))?\})")
_LISTENS = {"redis": 6379, "broker": 6379, "flower": 5555, "simulator": 8080}
"""Ports inside the containers."""


class MissingVariableError(Exception):
    """Compose would refuse to start, with this text."""


def load(variables: Mapping[str, str]) -> dict[str, Any]:
    """Read the file with its anchors, merges and variables resolved."""
    parsed: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    resolved: dict[str, Any] = _interpolate(parsed, variables)
    return resolved


def _interpolate(value: Any, variables: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _interpolate(item, variables) for key, item in value.items()}
    if isinstance(value, list):
        return [_interpolate(item, variables) for item in value]
    if isinstance(value, str):
        return _VARIABLE.sub(lambda match: _value_of(match, variables), value)
    return value


def _value_of(match: re.Match[str], variables: Mapping[str, str]) -> str:
    if match["escaped"]:
        return "$"
    value = variables.get(match["name"], "")
    if value or match["kind"] is None:
        return value
    if match["kind"] == "?":
        raise MissingVariableError(match["text"])
    return match["text"]


@dataclass
class ComposeProcesses:
    """The services of the file, started one by one."""

    folder: Path
    variables: dict[str, str]
    """What the shell and `.env` would hold."""

    ports: dict[str, int] = field(default_factory=dict)
    logs: dict[str, Path] = field(default_factory=dict)
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.services: dict[str, dict[str, Any]] = load(self.variables)["services"]
        self.ports = {name: free_port() for name in _LISTENS}

    def environment(self, service: str) -> dict[str, str]:
        """What the container would see: the file's variables, and those it passes on."""
        declared: dict[str, Any] = self.services[service].get("environment", {})
        values = {
            name: self.variables.get(name) if value is None else str(value)
            for name, value in declared.items()
        }
        inherited = {name: os.environ[name] for name in ("PATH", "PYTHONPATH", "HOME") if name in os.environ}
        return {
            **inherited,
            **{name: self._translate(value) for name, value in values.items() if value is not None},
        }

    def command(self, service: str) -> list[str]:
        """The container's command with this machine's programs, ports and folders."""
        program, *arguments = [str(part) for part in self.services[service]["command"]]
        if program == "valkey-server":
            binary = str(find_binary().path)
            return [binary, *arguments, "--port", str(self.ports[service]), "--bind", "127.0.0.1"]
        programs = {"python": [sys.executable], "celery": [sys.executable, "-m", "celery"]}
        return [*programs[program], *(self._translate_argument(service, part) for part in arguments)]

    def start(self, service: str, number: int = 1) -> subprocess.Popen[bytes]:
        """Start one container's process. Several of one service differ in nothing but their host's name."""
        name = f"{service}-{number}"
        home = self.folder / name
        home.mkdir(parents=True)
        (self.folder / "var" / service).mkdir(parents=True, exist_ok=True)
        self.logs[name] = self.folder / f"{name}.log"
        command = self.command(service)
        if service == "worker":
            command += ["-n", f"celery@{name}"]  # in containers the host name differs
        with self.logs[name].open("wb") as log:
            self.processes[name] = self._popen(command, service, home, log)
        return self.processes[name]

    def _popen(self, command: list[str], service: str, home: Path, log: IO[bytes]) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            command, cwd=home, env=self.environment(service), stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )

    def stop(self) -> dict[str, int]:
        """Stop everything as `docker compose down` does: the servers last. Returns the exit codes."""
        codes: dict[str, int] = {}
        for servers in (False, True):
            group = {
                name: process
                for name, process in self.processes.items()
                if name.startswith(("redis-", "broker-")) is servers
            }
            for process in group.values():
                process.terminate()
            codes |= {name: _ended(process) for name, process in group.items()}
        return codes

    def client_environment(self) -> dict[str, str]:
        """What application code on the host needs."""
        settings = self.environment("beat")
        return {name: value for name, value in settings.items() if name.startswith("BATCHLINE_")}

    def health_command(self, service: str) -> list[str]:
        """The service's health check, for the checks that are ours."""
        test = self.services[service]["healthcheck"]["test"]
        script = str(ROOT / "ops" / "docker" / "healthcheck.py")
        arguments = [self._translate_argument(service, part) for part in test[3:]]
        assert test[:3] == ["CMD", "python", "/opt/batchline/healthcheck.py"], shlex.join(test)
        return [sys.executable, script, *arguments]

    def _translate(self, text: str) -> str:
        """Service names to loopback ports, in URLs."""
        for service, port in _LISTENS.items():
            text = text.replace(f"//{service}:{port}", f"//127.0.0.1:{self.ports[service]}")
        return text

    def _translate_argument(self, service: str, text: str) -> str:
        if service in _LISTENS:
            text = re.sub(rf"\b{_LISTENS[service]}\b", str(self.ports[service]), text)
        text = text.replace("0.0.0.0", "127.0.0.1")
        return text.replace("/var/lib/batchline/", f"{self.folder}/var/")


def _ended(process: subprocess.Popen[bytes]) -> int:
    """Wait as long as an engine would, more or less."""
    try:
        return process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()
