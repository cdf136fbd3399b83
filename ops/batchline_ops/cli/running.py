"""From arguments to an exit code: the one place where the command line's exceptions end.

A traceback is never shown, unless `BATCHLINE_DEBUG` asks for it.
"""

from __future__ import annotations

import os
import sys
import traceback
from typing import TYPE_CHECKING

import typer

from batchline_ops.cli.exit_codes import ExitCode, exit_code_of
from batchline_ops.cli.output import print_error
from batchline_ops.cli.session import Session
from batchline_shared.errors import BatchlineError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from batchline.client import BatchClient

__all__ = ["main", "run"]


def main() -> int:
    """The console script `batchline`."""
    return run(sys.argv[1:])


def run(arguments: Sequence[str], *, open_client: Callable[[str | None], BatchClient] | None = None) -> int:
    """Run one command.

    Args:
        arguments: What stands after `batchline`.
        open_client: Makes the queue's client from `--redis-url`; None connects to a real Redis.

    Returns:
        The exit code; see `exit_codes`.
    """
    from batchline_ops.cli.app import app  # noqa: PLC0415 - so that `run` can be imported by its commands

    as_json = "--json" in arguments
    session = Session(open_client) if open_client is not None else Session()
    command = typer.main.get_command(app)
    try:
        result = command.main(list(arguments), prog_name="batchline", standalone_mode=False, obj=session)
        return int(result or ExitCode.OK)
    except SystemExit as ended:
        # Typer ends so when a pipe's reader has gone, the simulator's parser after its help.
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except (typer.Abort, KeyboardInterrupt):
        return ExitCode.INTERRUPTED
    except Exception as error:  # noqa: BLE001 - the end of the line; see the module's text
        return _report(error, as_json=as_json)


def _report(error: Exception, *, as_json: bool) -> ExitCode:
    if os.environ.get("BATCHLINE_DEBUG"):
        traceback.print_exception(error)
    if isinstance(error, typer.TyperException):
        code = ExitCode.BAD_INPUT
        print_error("UsageError", _usage(error), exit_code=code, as_json=as_json)
        return code
    code = exit_code_of(error)
    print_error(type(error).__name__, _message(error), exit_code=code, as_json=as_json)
    return code


def _usage(error: typer.TyperException) -> str:
    """What is wrong with the arguments, and where the right ones are listed."""
    context = getattr(error, "ctx", None)
    hint = f" (see `{context.command_path} --help`)" if context is not None else ""
    # Typer has no words for a missing command: it shows the help instead.
    return f"{error.format_message().rstrip('.') or 'a command is missing'}{hint}"


def _message(error: Exception) -> str:
    if isinstance(error, BatchlineError):
        return str(error)
    if isinstance(error, OSError):
        return f"{error.filename}: {error.strerror}" if error.filename else str(error)
    # Its words may quote a prompt or a key, so only its place is told.
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {frames[-1].filename}:{frames[-1].lineno}" if frames else ""
    return f"unexpected {type(error).__name__}{place}; set BATCHLINE_DEBUG=1 to see the whole of it"
