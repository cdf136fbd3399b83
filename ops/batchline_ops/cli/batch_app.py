"""`batchline batch …`: what each command takes. What it does is imported when it runs."""

from __future__ import annotations

from typing import Annotated

import typer

from batchline_ops.cli.batch_options import (  # noqa: TC001 - as below
    After,
    CursorFile,
    Follow,
    Force,
    JobId,
    ModelFilter,
    ResponseModel,
)
from batchline_ops.cli.enqueue_commands import create_from_file_command, submit_command
from batchline_ops.cli.exit_codes import ExitCode  # noqa: TC001 - Typer resolves the annotations
from batchline_ops.cli.session import JsonFlag, session_of
from batchline_shared.errors import InvalidInputError

__all__ = ["batch_app"]

# ruff: noqa: PLC0415 - what a command needs is imported by that command alone, so that help is quick

batch_app = typer.Typer(no_args_is_help=True, help="Jobs: submit them, follow them, fetch their results.")
batch_app.command("submit")(submit_command)
batch_app.command("create-from-file")(create_from_file_command)


@batch_app.command("list")
def list_command(
    context: typer.Context,
    model: ModelFilter = None,
    status: Annotated[str | None, typer.Option(help="Only jobs with this status.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 20,
    as_json: JsonFlag = False,  # noqa: FBT002 - a flag of the command line
) -> ExitCode:
    """List jobs, newest first."""
    from batchline_ops.cli.jobs import list_jobs

    session = session_of(context)
    with session.client() as client:
        return list_jobs(client, model=model, status=status, limit=limit, as_json=as_json or session.as_json)


@batch_app.command("results")
def results_command(
    context: typer.Context,
    batch_id: Annotated[
        str, typer.Option("--batch-id", "-b", metavar="JOB_ID", help="As submit printed it.")
    ],
    output_file: Annotated[
        str,
        typer.Option(
            "--output-file", "-o", metavar="FILE", help="One outcome a line, as they landed. - is stdout."
        ),
    ],
    model: Annotated[
        str | None, typer.Option("--model", "-m", metavar="PROVIDER/NAME", help="Checked against the job's.")
    ] = None,
    response_model: ResponseModel = None,
    raw: Annotated[bool, typer.Option(help="With each outcome, the provider's own line.")] = True,  # noqa: FBT002
    follow: Follow = False,  # noqa: FBT002 - a flag of the command line
    after: After = None,
    cursor_file: CursorFile = None,
    as_json: JsonFlag = False,  # noqa: FBT002 - a flag of the command line
) -> ExitCode:
    """Write the outcomes of a finished job, or with --follow of one that runs, one JSON object a line."""
    from batchline_ops.cli.results_file import write_results
    from batchline_ops.cli.results_follow import follow_results

    session = session_of(context)
    if not follow and (after is not None or cursor_file is not None):
        raise InvalidInputError("--after and --cursor-file go with --follow")
    with session.client() as client:
        if follow:
            return follow_results(
                client,
                batch_id,
                output_file,
                model=model,
                response_model=response_model,
                raw=raw,
                after=after,
                cursor_file=cursor_file,
                as_json=as_json or session.as_json,
            )
        return write_results(
            client,
            batch_id,
            output_file,
            model=model,
            response_model=response_model,
            raw=raw,
            as_json=as_json or session.as_json,
        )


@batch_app.command("costs")
def costs_command(
    context: typer.Context,
    by: Annotated[
        str, typer.Option("--by", metavar="WHAT", help="model, account, job or tag:NAME.")
    ] = "model",
    since: Annotated[
        str | None, typer.Option(metavar="DAY", help="Only jobs enqueued then or later: 2026-11-26, in UTC.")
    ] = None,
    as_json: JsonFlag = False,  # noqa: FBT002 - a flag of the command line
) -> ExitCode:
    """Add up what the jobs that are kept have cost so far, the dearest first."""
    from batchline_ops.cli.costing import show_costs

    session = session_of(context)
    with session.client() as client:
        return show_costs(client, by, since=since, as_json=as_json or session.as_json)


@batch_app.command("room")
def room_command(context: typer.Context, as_json: JsonFlag = False) -> ExitCode:  # noqa: FBT002
    """Show how much of each account's limits is used, and who waits for room."""
    from batchline_ops.cli.room import show_room

    session = session_of(context)
    with session.client() as client:
        return show_room(client, as_json=as_json or session.as_json)


@batch_app.command("status")
def status_command(context: typer.Context, job_id: JobId, as_json: JsonFlag = False) -> ExitCode:  # noqa: FBT002
    """Show a job and its batches at the provider."""
    from batchline_ops.cli.jobs import show_job

    session = session_of(context)
    with session.client() as client:
        return show_job(client, job_id, as_json=as_json or session.as_json)


@batch_app.command("deliveries")
def deliveries_command(context: typer.Context, job_id: JobId, as_json: JsonFlag = False) -> ExitCode:  # noqa: FBT002
    """Show who was told that a job has ended, each attempt, and when the next one is."""
    from batchline_ops.cli.deliveries import show_deliveries

    session = session_of(context)
    with session.client() as client:
        return show_deliveries(client, job_id, as_json=as_json or session.as_json)


@batch_app.command("watch")
def watch_command(
    context: typer.Context,
    job_id: JobId,
    timeout: Annotated[
        float | None, typer.Option(min=0.0, help="Seconds to wait; exit code 4 after.")
    ] = None,
    as_json: JsonFlag = False,  # noqa: FBT002 - a flag of the command line
) -> ExitCode:
    """Follow a job until it has ended. Exit code 0 if it completed, 9 if it failed."""
    from batchline_ops.cli.jobs import follow

    session = session_of(context)
    with session.client() as client:
        return follow(client.job(job_id), timeout_s=timeout, as_json=as_json or session.as_json)


@batch_app.command("cancel")
def cancel_command(context: typer.Context, job_id: JobId, as_json: JsonFlag = False) -> ExitCode:  # noqa: FBT002
    """Stop a job; what is done is kept."""
    from batchline_ops.cli.jobs import cancel_job

    session = session_of(context)
    with session.client() as client:
        return cancel_job(client, job_id, as_json=as_json or session.as_json)


@batch_app.command("delete")
def delete_command(
    context: typer.Context,
    job_id: JobId,
    force: Force = False,  # noqa: FBT002 - a flag of the command line
    timeout: Annotated[
        float | None, typer.Option(min=0.0, help="Seconds to wait for that; exit code 4 after.")
    ] = None,
    as_json: JsonFlag = False,  # noqa: FBT002 - as above
) -> ExitCode:
    """Delete a finished job: its requests and outcomes now, its files at the provider soon after."""
    from batchline_ops.cli.jobs import delete_job

    session = session_of(context)
    with session.client() as client:
        return delete_job(client, job_id, force=force, timeout_s=timeout, as_json=as_json or session.as_json)


@batch_app.command("retry")
def retry_command(
    context: typer.Context,
    job_id: JobId,
    error_type: Annotated[
        list[str] | None,
        typer.Option(
            "--error-type",
            metavar="TYPE",
            help="Only these failures. Repeatable. Without: all that a retry may help.",
        ),
    ] = None,
    as_json: JsonFlag = False,  # noqa: FBT002 - a flag of the command line
) -> ExitCode:
    """Send the failed requests of a finished job again."""
    from batchline_ops.cli.jobs import retry_job

    session = session_of(context)
    with session.client() as client:
        return retry_job(client, job_id, error_type or (), as_json=as_json or session.as_json)
