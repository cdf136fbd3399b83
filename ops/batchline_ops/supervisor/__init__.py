"""One process that runs the whole stack on one machine, restarts what dies, and leaves nothing behind.

`up` is the command; `SupervisedStack` is the same from Python, as a child process.
"""

from __future__ import annotations

from batchline_ops.supervisor.errors import ServiceFailedError, StackError
from batchline_ops.supervisor.options import UpOptions
from batchline_ops.supervisor.probes import Alive, HttpAnswer, LogLine, RedisPing
from batchline_ops.supervisor.service import RestartPolicy, Service
from batchline_ops.supervisor.stack import SupervisedStack
from batchline_ops.supervisor.state import StackState
from batchline_ops.supervisor.supervisor import Supervisor
from batchline_ops.supervisor.up import up

__all__ = [
    "Alive",
    "HttpAnswer",
    "LogLine",
    "RedisPing",
    "RestartPolicy",
    "Service",
    "ServiceFailedError",
    "StackError",
    "StackState",
    "SupervisedStack",
    "Supervisor",
    "UpOptions",
    "up",
]
