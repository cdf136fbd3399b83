"""Which process is at the other end of a connection, and how it is signalled.

So a fault can strike whoever made a call, without being told who that will be.
"""

import os
import re
from contextlib import suppress
from pathlib import Path

from starlette.requests import Request

from batchline_simulator.faults import Fault

_PROC = Path("/proc")
_SOCKET = re.compile(r"socket:\[(\d+)\]")
_LOOKS = 3
"""The kernel's table is read in pieces: a line that moves meanwhile may be in none of them."""

_LOCAL, _REMOTE, _INODE = 1, 2, 9
"""Columns of `/proc/net/tcp`."""


def send_signal(fault: Fault, request: Request) -> None:
    """Send a fault's signal to its process, or else to the caller; one that is gone is left in peace."""
    pid = fault.pid
    if pid is None and request.client is not None:
        pid = caller_of(request.client.port, server_port=int(request.scope["server"][1]))
    if pid is not None:
        with suppress(ProcessLookupError):
            os.kill(pid, fault.number)


def caller_of(port: int, *, server_port: int) -> int | None:
    """Find the process of this machine that calls our server from a local port; None where none is seen.

    Both ports name it: others may call from the same one, to another server.
    """
    inodes = (_inode_of(port, server_port) for _ in range(_LOOKS))
    inode = next((inode for inode in inodes if inode is not None), None)
    if inode is None:
        return None
    for process in _PROC.iterdir():
        if process.name.isdecimal() and inode in _sockets_of(process):
            return int(process.name)
    return None


def _inode_of(port: int, server_port: int) -> str | None:
    for table in (_PROC / "net" / "tcp", _PROC / "net" / "tcp6"):
        if not table.exists():
            continue
        for line in table.read_text().splitlines()[1:]:
            columns = line.split()
            ports = tuple(int(columns[end].rpartition(":")[2], 16) for end in (_LOCAL, _REMOTE))
            if ports == (port, server_port) and columns[_INODE] != "0":
                return columns[_INODE]
    return None


def _sockets_of(process: Path) -> set[str]:
    found: set[str] = set()
    # A process may end, or be another user's.
    with suppress(OSError):
        for handle in (process / "fd").iterdir():
            with suppress(OSError):
                if (match := _SOCKET.fullmatch(str(handle.readlink()))) is not None:
                    found.add(match[1])
    return found
