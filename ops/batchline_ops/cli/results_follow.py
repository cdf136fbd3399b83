"""Writing outcomes as they land, and going on where an earlier run stopped.

With a cursor file, a regular output file holds each outcome once, whatever ends
this process, and when: the cursor is saved after the lines are on disk, together
with the output's size, and what was written behind that is cut off before going
on. Output that cannot be cut (stdout, a pipe) may see its last lines again.
"""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple, Self

import orjson

from batchline_ops.cli.exit_codes import ExitCode
from batchline_ops.cli.output import counted, note, print_json
from batchline_ops.cli.results_file import STDOUT, chosen_job, naming, opened, replacing
from batchline_shared.errors import InvalidInputError
from batchline_shared.outcomes import BatchError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from batchline import BatchClient, BatchResult, Job

__all__ = ["follow_results"]


class _Place(NamedTuple):
    """How far an earlier run came."""

    cursor: str | None = None
    output_bytes: int | None = None
    """Size of the output then; None where that is not known."""

    @classmethod
    def read(cls, cursor_file: str) -> Self:
        """Read what `save` wrote; a file that is not there stands for the start.

        Raises:
            InvalidInputError: It cannot be read, or holds something else.
        """
        try:
            found = orjson.loads(Path(cursor_file).read_bytes())
            place = cls(**found)
        except FileNotFoundError:
            return cls()
        except OSError as error:
            raise InvalidInputError(f"--cursor-file {cursor_file}: {error.strerror}") from None
        except (orjson.JSONDecodeError, TypeError):
            raise InvalidInputError(f"--cursor-file {cursor_file} was not written by this command") from None
        if not isinstance(place.cursor, str) or not isinstance(place.output_bytes, int | None):
            raise InvalidInputError(f"--cursor-file {cursor_file} was not written by this command")
        return place

    def save(self, cursor_file: str) -> None:
        """Write it durably, or leave the file as it was."""
        with replacing(Path(os.path.realpath(cursor_file)), f"--cursor-file {cursor_file}") as target:
            target.write(orjson.dumps(self._asdict(), option=orjson.OPT_APPEND_NEWLINE))


def follow_results(
    client: BatchClient,
    job_id: str,
    output_file: str,
    *,
    model: str | None,
    response_model: str | None,
    raw: bool,
    after: str | None,
    cursor_file: str | None,
    as_json: bool,
) -> ExitCode:
    """Write outcomes as they land, until the job has ended. Lines are those of `write_results`.

    JSON, at the end: `{"id", "status", "output_file", "succeeded", "errored", "errors", "cursor"}`, the
    counts being those of this run.
    """
    if after is not None and cursor_file is not None:
        raise InvalidInputError("give --after or --cursor-file, not both: the file says after what")
    job = chosen_job(client, job_id, output_file, model, response_model, as_json=as_json)
    place = _Place(after) if cursor_file is None else _Place.read(cursor_file)
    run = _Run(job, place, raw=raw)
    code = ExitCode.OK
    with naming(output_file):
        try:
            with _output(output_file, place) as (target, sized):
                for size in run.write(target, sized=sized):
                    if cursor_file is not None:
                        _Place(run.cursor, size).save(cursor_file)
        except KeyboardInterrupt:
            code = ExitCode.INTERRUPTED
    _tell(run, job, output_file, cursor_file, as_json=as_json)
    return code


class _Run:
    """One run of the command: what it has written so far."""

    def __init__(self, job: Job[Any], place: _Place, *, raw: bool) -> None:
        self._stream = job.iter_results(after=place.cursor)
        self._left_out = None if raw else {"raw"}
        self.cursor = place.cursor
        """Behind the last outcome that was written for certain."""
        self.succeeded = 0
        self.errors: dict[str, int] = {}

    def write(self, target: IO[bytes], *, sized: bool) -> Iterator[int | None]:
        """Write what there is, page by page; after each, give the size of a file that has one."""
        for page in self._stream.pages():
            target.write("".join(map(self._line, page)).encode())
            target.flush()
            if sized:
                os.fsync(target.fileno())
            self.cursor = self._stream.cursor
            yield target.tell() if sized else None

    def _line(self, outcome: BatchResult[Any]) -> str:
        if isinstance(outcome, BatchError):
            kind = str(outcome.error_type)
            self.errors[kind] = self.errors.get(kind, 0) + 1
        else:
            self.succeeded += 1
        return outcome.model_dump_json(exclude=self._left_out) + "\n"


@contextlib.contextmanager
def _output(output_file: str, place: _Place) -> Iterator[tuple[IO[bytes], bool]]:
    """Open the output where the earlier run left it, and tell whether it is a file with a size.

    Raises:
        InvalidInputError: It cannot be written, or is shorter than it was.
    """
    if output_file == STDOUT:
        yield sys.stdout.buffer, False
        return
    path = Path(os.path.realpath(output_file))
    if path.is_dir():
        raise InvalidInputError(f"--output-file {output_file}: it is a directory")
    if place.cursor is None or not path.is_file():
        # From the start; or somebody has taken away what was written, and this goes on with a new file.
        with opened(path, f"--output-file {output_file}") as target:
            yield target, path.is_file()
        return
    with opened(path, f"--output-file {output_file}", "r+b") as target:
        size = target.seek(0, os.SEEK_END)
        if place.output_bytes is not None and size != place.output_bytes:
            if size < place.output_bytes:
                raise InvalidInputError(
                    f"--output-file {output_file} has {size:,} bytes, though {place.output_bytes:,} were "
                    "written; take it away to go on with a new one"
                )
            target.truncate(target.seek(place.output_bytes))
        yield target, True


def _tell(run: _Run, job: Job[Any], output_file: str, cursor_file: str | None, *, as_json: bool) -> None:
    errored = sum(run.errors.values())
    if as_json:
        counts = {"succeeded": run.succeeded, "errored": errored, "errors": run.errors, "cursor": run.cursor}
        print_json({"id": job.id, "status": job.status(), "output_file": output_file, **counts})
        return
    written = counted(run.succeeded + errored, "outcome")
    note(f"{written} written: {run.succeeded:,} succeeded, {errored:,} failed")
    if cursor_file is None and run.cursor is not None:
        note(f"Go on behind them with: --follow --after {run.cursor}")
