"""The command line's root: global options, and where each command comes from."""

from __future__ import annotations

from typing import Annotated

import typer

from batchline_ops.cli.adopting import adopt_command
from batchline_ops.cli.batch_app import batch_app
from batchline_ops.cli.exit_codes import EPILOG, ExitCode
from batchline_ops.cli.output import print_json, print_line
from batchline_ops.cli.resolving import release_command, resolve_command
from batchline_ops.cli.session import JsonFlag, session_of
from batchline_ops.cli.stack_commands import demo_command, doctor_command, simulate_command, up_command

__all__ = ["app"]

app = typer.Typer(
    help="LLM batch jobs on a queue of your own, with typed results.",
    epilog=EPILOG,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
batch_app.command("adopt")(adopt_command)
batch_app.command("resolve")(resolve_command)
batch_app.command("release")(release_command)
app.add_typer(batch_app, name="batch")
app.command("up")(up_command)
app.command("demo")(demo_command)
# The simulator's own parser takes its options, and shows its help.
app.command(
    "simulate",
    add_help_option=False,
    context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
)(simulate_command)
app.command("doctor")(doctor_command)


@app.callback(invoke_without_command=True)
def root(
    context: typer.Context,
    redis_url: Annotated[
        str | None,
        typer.Option(
            "--redis-url", metavar="URL", help="The ledger. Else BATCHLINE_REDIS_URL, else localhost."
        ),
    ] = None,
    as_json: JsonFlag = False,  # noqa: FBT002 - a flag of the command line
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,  # noqa: FBT002
) -> ExitCode:
    """Keep what all commands share."""
    session = session_of(context)
    session.redis_url, session.as_json = redis_url, as_json
    if version:
        _print_version(as_json=as_json)
        raise typer.Exit(ExitCode.OK)
    if context.invoked_subcommand is None:
        print_line(context.get_help())
        raise typer.Exit(ExitCode.BAD_INPUT)
    return ExitCode.OK


def _print_version(*, as_json: bool) -> None:
    from importlib.metadata import version  # noqa: PLC0415 - a hundredth of a second that others need not wait

    found = version("batchline")
    if as_json:
        print_json({"version": found})
    else:
        print_line(f"batchline {found}")
