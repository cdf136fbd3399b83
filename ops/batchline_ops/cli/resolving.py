"""`batchline batch resolve` and `release`: what a person decides, as workers must not by themselves."""

from __future__ import annotations

from typing import Annotated

import typer

from batchline_ops.cli.batch_options import JobId  # noqa: TC001 - Typer resolves the annotations
from batchline_ops.cli.exit_codes import ExitCode
from batchline_ops.cli.session import JsonFlag, session_of
from batchline_shared.errors import InvalidInputError

__all__ = ["release_command", "resolve_command"]

# ruff: noqa: PLC0415 - what a command needs is imported by that command alone, so that help is quick

_Shard = Annotated[str, typer.Argument(metavar="SHARD", help="As batchline batch status names it.")]
_Timeout = Annotated[
    float, typer.Option(min=0.0, help="Seconds to wait for a worker to carry it out; exit code 4 after.")
]


def resolve_command(
    context: typer.Context,
    job_id: JobId,
    shard: _Shard,
    batch: Annotated[
        str | None, typer.Option("--batch", "-b", metavar="ID", help="The provider's id of its batch.")
    ] = None,
    none: Annotated[  # noqa: FBT002 - a flag of the command line
        bool, typer.Option("--none", help="No batch exists: send the requests again.")
    ] = False,
    timeout: _Timeout = 60.0,
    as_json: JsonFlag = False,  # noqa: FBT002 - as above
) -> ExitCode:
    """Decide which batch a shard in doubt has, or that there is none. JSON: `{"id", "batch": batch}`."""
    from batchline_ops.cli.job_views import batches_table
    from batchline_ops.cli.output import print_json, stdout_console

    if none == (batch is not None):
        raise InvalidInputError("give one of --batch ID and --none")
    session = session_of(context)
    with session.client() as client:
        part = client.job(job_id).resolve(shard, batch_id=batch, timeout_s=timeout)
    if as_json or session.as_json:
        print_json({"id": job_id, "batch": part.model_dump(mode="json")})
    else:
        stdout_console().print(batches_table([part]))
    return ExitCode.OK


def release_command(
    context: typer.Context,
    job_id: JobId,
    shard: Annotated[
        str | None, typer.Argument(metavar="SHARD", help="Without it, all that is set aside of the job.")
    ] = None,
    give_up: Annotated[  # noqa: FBT002 - a flag of the command line
        bool, typer.Option("--give-up", help="End the shard instead; its requests become failures.")
    ] = False,
    as_json: JsonFlag = False,  # noqa: FBT002 - as above
) -> ExitCode:
    """Have what was set aside worked on again. JSON: `{"id", "released": [name, …]}`."""
    from batchline_ops.cli.output import note, print_json

    session = session_of(context)
    with session.client() as client:
        released = client.job(job_id).release(shard, give_up=give_up)
    if as_json or session.as_json:
        print_json({"id": job_id, "released": released})
    else:
        note(f"{', '.join(released)} {'given up' if give_up else 'released'}; workers see to it")
    return ExitCode.OK
