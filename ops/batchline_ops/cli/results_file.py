"""Writing a job's outcomes to a file, one JSON object a line, in bounded memory.

The file is there whole or not at all: it is written beside its place and then renamed.
Devices and pipes cannot be renamed over, so they are written to as they are.
"""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final, Literal

from batchline_ops.cli.exit_codes import ExitCode
from batchline_ops.cli.output import counted, note, print_json
from batchline_ops.cli.response_models import load_response_model
from batchline_shared.dialects.registry import known_model
from batchline_shared.errors import InvalidInputError, JobNotReadyError
from batchline_shared.outcomes import BatchError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from batchline.client import BatchClient
    from batchline.job import Job

__all__ = ["STDOUT", "chosen_job", "naming", "opened", "replacing", "write_results"]

STDOUT: Final = "-"

_LINES: Final = 256
"""Outcomes that are written at once."""


def write_results(
    client: BatchClient,
    job_id: str,
    output_file: str,
    *,
    model: str | None,
    response_model: str | None,
    raw: bool,
    as_json: bool,
) -> ExitCode:
    """Write every outcome of a finished job, in the order in which they landed.

    A line is `{"custom_id", "success": true, "result", "usage", "raw"}` or
    `{"custom_id", "success": false, "error_type", "error_message", "retry_may_help", "usage", "raw"}`.
    JSON: `{"id", "status", "output_file", "succeeded", "errored", "errors": {type: number}}`.
    """
    job = chosen_job(client, job_id, output_file, model, response_model, as_json=as_json)
    info = job.info()
    if not info.status.is_final:
        raise JobNotReadyError(
            f"job {job_id} is {info.status}, {info.pending:,} of {info.total:,} requests are open; "
            f"wait for it with: batchline batch watch {job_id}",
            job_id=job_id,
        )
    with naming(output_file), _target(output_file) as target:
        errors = _write(job, target, raw=raw)
    errored = sum(errors.values())
    succeeded = info.total - errored
    if as_json:
        counts = {"succeeded": succeeded, "errored": errored, "errors": errors}
        print_json({"id": job_id, "status": info.status, "output_file": output_file, **counts})
        return ExitCode.OK
    kinds = ", ".join(f"{kind} {count:,}" for kind, count in sorted(errors.items()))
    place = "" if output_file == STDOUT else f" written to {output_file}"
    note(
        f"{counted(info.total, 'outcome')}{place}: {succeeded:,} succeeded, {errored:,} failed"
        + (f" ({kinds})" if kinds else "")
    )
    return ExitCode.OK


def chosen_job(
    client: BatchClient,
    job_id: str,
    output_file: str,
    model: str | None,
    response_model: str | None,
    *,
    as_json: bool,
) -> Job[Any]:
    """The job whose outcomes are asked for.

    Raises:
        InvalidInputError: It is for another model, or two things would go to stdout.
    """
    if as_json and output_file == STDOUT:
        raise InvalidInputError(
            "--output-file - writes outcomes to stdout, where --json writes its own answer"
        )
    if model is not None:
        known_model(model)
    answer = load_response_model(response_model) if response_model is not None else None
    job: Job[Any] = client.job(job_id, answer)
    if model is not None and (given := job.info().model) != model:
        raise InvalidInputError(f"job {job_id} is for {given}, not for {model}")
    return job


def _write(job: Job[Any], target: IO[bytes], *, raw: bool) -> dict[str, int]:
    """Write the outcomes; the failed ones by type."""
    errors: dict[str, int] = {}
    lines: list[str] = []
    left_out = None if raw else {"raw"}
    for outcome in job.iter_results():
        if isinstance(outcome, BatchError):
            kind = str(outcome.error_type)
            errors[kind] = errors.get(kind, 0) + 1
        lines.append(outcome.model_dump_json(exclude=left_out) + "\n")
        if len(lines) == _LINES:
            target.write("".join(lines).encode())
            lines.clear()
    target.write("".join(lines).encode())
    return errors


@contextlib.contextmanager
def _target(output_file: str) -> Iterator[IO[bytes]]:
    """Open the place to write to; a regular file appears when the block has ended well.

    Raises:
        InvalidInputError: It cannot be written.
    """
    if output_file == STDOUT:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    # What a link points to is replaced, not the link.
    path = Path(os.path.realpath(output_file))
    if path.exists() and not path.is_file() and not path.is_dir():
        with opened(path, f"--output-file {output_file}") as device:
            yield device
        return
    if path.is_dir():
        raise InvalidInputError(f"--output-file {output_file}: it is a directory")
    with replacing(path, f"--output-file {output_file}") as target:
        yield target


@contextlib.contextmanager
def replacing(path: Path, option: str) -> Iterator[IO[bytes]]:
    """Open a file that takes the place of `path` once it is whole and on disk.

    Raises:
        InvalidInputError: It cannot be written; names the option that named it.
    """
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with opened(unfinished, option) as target:
            yield target
            target.flush()
            os.fsync(target.fileno())
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


@contextlib.contextmanager
def naming(output_file: str) -> Iterator[None]:
    """Say which file it was that could not be written to the end: a full disk does not."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OSError(error.errno, error.strerror, output_file) from error


def opened(path: Path, option: str, mode: Literal["wb", "r+b"] = "wb") -> IO[bytes]:
    """Open a file that an option names.

    Raises:
        InvalidInputError: It cannot be opened.
    """
    try:
        return path.open(mode)
    except OSError as error:
        raise InvalidInputError(f"{option}: {error.strerror}") from None
