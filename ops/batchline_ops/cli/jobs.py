"""What the commands about jobs that exist do: list, status, watch, cancel, delete, retry."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from batchline_ops.cli.exit_codes import ExitCode, exit_code_of_status
from batchline_ops.cli.job_views import batches_table, job_grid, job_json, jobs_table
from batchline_ops.cli.output import counted, note, print_json, stdout_console
from batchline_shared.dialects.registry import known_model

if TYPE_CHECKING:
    from collections.abc import Sequence

    from batchline.client import BatchClient
    from batchline.job import Job

__all__ = ["cancel_job", "delete_job", "follow", "list_jobs", "retry_job", "show_job"]


def list_jobs(
    client: BatchClient, *, model: str | None, status: str | None, limit: int, as_json: bool
) -> ExitCode:
    """Print the newest jobs. JSON: `{"jobs": [job, …]}`."""
    if model is not None:
        known_model(model)
    jobs = client.jobs(status=status, model=model, limit=limit)
    if as_json:
        print_json({"jobs": [job_json(job) for job in jobs]})
    elif jobs:
        console = stdout_console()
        console.print(jobs_table(jobs, datetime.now(UTC), width=console.width))
    else:
        chosen = [
            text for text in (f"of {model}" if model else "", f"that are {status}" if status else "") if text
        ]
        note(" ".join(["There are no jobs", *chosen]))
    return ExitCode.OK


def show_job(client: BatchClient, job_id: str, *, as_json: bool) -> ExitCode:
    """Print one job and its batches. JSON: the job object, and `"batches": [batch, …]`."""
    job = client.job(job_id)
    info, batches = job.info(), job.batches()
    if as_json:
        print_json({**job_json(info), "batches": [batch.model_dump(mode="json") for batch in batches]})
        return ExitCode.OK
    console = stdout_console()
    console.print(job_grid(info))
    if batches:
        console.print()
        console.print(batches_table(batches))
    return ExitCode.OK


def follow(job: Job[Any], *, timeout_s: float | None, as_json: bool) -> ExitCode:
    """Show a job's progress until it has ended, then the job. JSON: the job object, at the end."""
    try:
        job.wait(timeout_s=timeout_s, progress=not as_json and sys.stderr.isatty())
    except KeyboardInterrupt:
        if as_json:
            print_json(job_json(job.info()))
        else:
            note(f"Stopped watching; the job goes on. See it again with: batchline batch watch {job.id}")
        return ExitCode.INTERRUPTED
    info = job.info()
    if as_json:
        print_json(job_json(info))
    else:
        stdout_console().print(job_grid(info))
    return exit_code_of_status(info.status)


def cancel_job(client: BatchClient, job_id: str, *, as_json: bool) -> ExitCode:
    """Ask for a job to be stopped. JSON: the job object."""
    job = client.job(job_id)
    before = job.status()
    status = job.cancel()
    if as_json:
        print_json(job_json(job.info()))
    elif before.is_final:
        note(f"{job_id} had already ended: {status}")
    else:
        note(f"{job_id} is {status}; what is done is kept")
    return ExitCode.OK


def delete_job(
    client: BatchClient, job_id: str, *, force: bool, timeout_s: float | None, as_json: bool
) -> ExitCode:
    """Delete a job. JSON: `{"id", "deleted": true}`."""
    client.job(job_id).delete(force=force, timeout_s=timeout_s)
    if as_json:
        print_json({"id": job_id, "deleted": True})
    else:
        note(f"{job_id} is deleted; workers delete what it left at the provider")
    return ExitCode.OK


def retry_job(client: BatchClient, job_id: str, error_types: Sequence[str], *, as_json: bool) -> ExitCode:
    """Send failed requests again. JSON: the job object, and `"retried": number`."""
    job = client.job(job_id)
    retried = job.retry_failed(error_types or None)
    if as_json:
        print_json({**job_json(job.info()), "retried": retried})
    elif retried:
        note(f"{counted(retried, 'request')} sent again. Follow with: batchline batch watch {job_id}")
    else:
        kinds = ", ".join(error_types) if error_types else "a kind that a retry may help"
        note(f"No request of {job_id} failed with {kinds}; nothing was sent again")
    return ExitCode.OK
