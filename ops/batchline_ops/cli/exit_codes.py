"""What the exit code of `batchline` means, and which exception leads to which.

The only place that knows. `tests/unit/ops/cli/test_exit_codes.py` walks the whole tree
of exceptions, so a new class without a code fails there.
"""

from __future__ import annotations

from enum import IntEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from batchline_shared import errors

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["EPILOG", "MEANINGS", "ExitCode", "exit_code_of", "exit_code_of_status"]


class ExitCode(IntEnum):
    """A closed set: scripts branch on it."""

    OK = 0
    UNEXPECTED = 1
    BAD_INPUT = 2
    JOB_NOT_FOUND = 3
    NOT_READY = 4
    REDIS_UNAVAILABLE = 5
    REDIS_FULL = 6
    CONFIGURATION = 7
    PROVIDER = 8
    JOB_FAILED = 9
    LEDGER = 10
    STACK = 11
    UNHEALTHY = 12
    INTERRUPTED = 130


MEANINGS: Final[Mapping[ExitCode, str]] = MappingProxyType(
    {
        ExitCode.OK: "done",
        ExitCode.UNEXPECTED: "an error that has no code of its own",
        ExitCode.BAD_INPUT: "wrong usage or input; nothing was enqueued",
        ExitCode.JOB_NOT_FOUND: "there is no such job",
        ExitCode.NOT_READY: "the job has not ended, or not in time",
        ExitCode.REDIS_UNAVAILABLE: "Redis cannot be reached",
        ExitCode.REDIS_FULL: "Redis is out of memory",
        ExitCode.CONFIGURATION: "a setting or an installed part is missing or wrong",
        ExitCode.PROVIDER: "a provider refused or failed",
        ExitCode.JOB_FAILED: "the job ended as failed, cancelled or expired",
        ExitCode.LEDGER: "the ledger is not one that this version can read",
        ExitCode.STACK: "a process of the stack did not start or answer",
        ExitCode.UNHEALTHY: "the doctor found something that must be repaired",
        ExitCode.INTERRUPTED: "Ctrl-C",
    }
)
"""For people; shown by `batchline --help`."""

EPILOG: Final = "\n".join(["Exit codes:", *(f"{code:>4}  {text}" for code, text in MEANINGS.items())])
"""For `batchline --help`."""

_BY_CLASS: Final[Mapping[type[BaseException], ExitCode]] = MappingProxyType(
    {
        errors.BatchlineError: ExitCode.UNEXPECTED,
        errors.InvalidInputError: ExitCode.BAD_INPUT,
        errors.JobError: ExitCode.NOT_READY,
        errors.JobNotFoundError: ExitCode.JOB_NOT_FOUND,
        errors.QueueUnavailableError: ExitCode.REDIS_UNAVAILABLE,
        errors.QueueFullError: ExitCode.REDIS_FULL,
        errors.LedgerError: ExitCode.LEDGER,
        errors.ConfigurationError: ExitCode.CONFIGURATION,
        errors.ProviderError: ExitCode.PROVIDER,
    }
)

# By name: importing them here would cost every start of the command its time.
_BY_NAME: Final[Mapping[str, ExitCode]] = MappingProxyType(
    {
        "batchline_ops.supervisor.errors.StackError": ExitCode.STACK,
        "batchline_ops.embedded.errors.EmbeddedServerError": ExitCode.STACK,
    }
)


def exit_code_of(error: BaseException) -> ExitCode:
    """The code of an exception: that of its nearest class that has one."""
    for kind in type(error).__mro__:
        code = _BY_CLASS.get(kind) or _BY_NAME.get(f"{kind.__module__}.{kind.__qualname__}")
        if code is not None:
            return code
    return ExitCode.UNEXPECTED


def exit_code_of_status(status: str) -> ExitCode:
    """The code with which following a job ends, by the job's final status."""
    return ExitCode.OK if status == "completed" else ExitCode.JOB_FAILED
