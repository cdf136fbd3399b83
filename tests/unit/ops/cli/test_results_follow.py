"""`batch results --follow`: outcomes as they land, each once however often it is stopped."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest

from batchline_ops.cli.results_follow import follow_results
from batchline_shared.ledger import JobStatus, Landing
from batchline_shared.outcomes import ErrorType
from unit.ops.cli.conftest import Answer, line

if TYPE_CHECKING:
    from pathlib import Path

    from unit.ops.cli.conftest import Cli


def follow(cli: Cli, job_id: str, *options: str, output: str = "out.jsonl") -> Answer:
    return cli("batch", "results", "-b", job_id, "-o", output, "--follow", "--no-raw", *options)


def land(cli: Cli, job_id: str, rows: range) -> None:
    """What a worker does with some of the answers; the job goes on."""
    store = cli.client().connection.jobs
    lines = [line(row, f"answer {row}") for row in rows]
    store.land(job_id, Landing(list(rows), lines, [{"succeeded": 1}] * len(rows)))


def end(cli: Cli, job_id: str) -> None:
    assert cli.client().connection.jobs.finish(job_id, JobStatus.COMPLETED, message="", retention_s=0)


def written(path: Path) -> list[str]:
    return [json.loads(text)["custom_id"].removeprefix("request-") for text in path.read_text().splitlines()]


def numbers(count: int) -> list[str]:
    return [str(n) for n in range(count)]


def test_the_outcomes_of_a_finished_job_come_at_once_with_the_cursor_behind_them(
    cli: Cli, tmp_path: Path
) -> None:
    job_id = cli.enqueue(3)
    cli.finish(job_id, ["yes", ErrorType.REFUSED, "no"])

    answer = follow(cli, job_id)

    assert (answer.code, answer.out) == (0, "")
    assert written(tmp_path / "out.jsonl") == numbers(3)
    assert "3 outcomes written: 2 succeeded, 1 failed" in answer.err
    cursor = answer.err.split("--after ")[1].strip()
    assert "0 outcomes written" in follow(cli, job_id, "--after", cursor).err
    assert written(tmp_path / "out.jsonl") == numbers(3)


def test_counts_and_cursor_are_json_on_demand(cli: Cli) -> None:
    job_id = cli.enqueue(2)
    cli.finish(job_id, ["yes", ErrorType.REFUSED])

    answer = follow(cli, job_id, "--json")

    assert answer.json == {
        "id": job_id,
        "status": "completed",
        "output_file": "out.jsonl",
        "succeeded": 1,
        "errored": 1,
        "errors": {"refused": 1},
        "cursor": f"{job_id}:0-2",
    }


def test_with_after_the_file_goes_on_behind_what_it_has(cli: Cli, tmp_path: Path) -> None:
    job_id = cli.enqueue(3)
    cli.finish(job_id, ["a", "b", "c"])
    (tmp_path / "out.jsonl").write_text('{"custom_id":"request-0"}\n')

    assert follow(cli, job_id, "--after", f"{job_id}:0-1").code == 0
    assert written(tmp_path / "out.jsonl") == numbers(3)


class Interrupts:
    """A client like another, whose streams are interrupted after some pages."""

    def __init__(self, client: Any, pages: int) -> None:
        self._client = client
        self._pages = pages

    def job(self, job_id: str, response_model: Any) -> Any:
        job = self._client.job(job_id, response_model)
        read = job.iter_results

        def iter_results(**arguments: Any) -> Any:
            stream = read(**arguments)
            pages = stream.pages

            def some() -> Any:
                for n, page in enumerate(pages()):
                    if n == self._pages:
                        raise KeyboardInterrupt
                    yield page

            stream.pages = some
            return stream

        job.iter_results = iter_results
        return job


def interrupted(cli: Cli, job_id: str, pages: int, output: str = "out.jsonl") -> int:
    client: Any = Interrupts(cli.client(), pages)
    return follow_results(
        client,
        job_id,
        output,
        model=None,
        response_model=None,
        raw=False,
        after=None,
        cursor_file="cursor",
        as_json=False,
    )


@pytest.mark.parametrize("torn", [b"", b'{"custom_id":"request-64"', b'{"custom_id":"request-64"}\n'])
def test_a_run_that_was_stopped_is_gone_on_with_and_nothing_is_twice(
    cli: Cli, tmp_path: Path, torn: bytes
) -> None:
    job_id = cli.enqueue(200)
    land(cli, job_id, range(150))
    assert interrupted(cli, job_id, 1) == 130
    assert written(tmp_path / "out.jsonl") == numbers(64)
    with (tmp_path / "out.jsonl").open("ab") as output:
        output.write(torn)  # as if it had died while it wrote the next page
    assert interrupted(cli, job_id, 1) == 130
    land(cli, job_id, range(150, 200))
    end(cli, job_id)

    assert follow(cli, job_id, "--cursor-file", "cursor").code == 0

    assert written(tmp_path / "out.jsonl") == numbers(200)
    assert "0 outcomes" in follow(cli, job_id, "--cursor-file", "cursor").err
    assert written(tmp_path / "out.jsonl") == numbers(200)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cursor", "out.jsonl"]


def test_what_was_taken_away_is_gone_on_with_in_a_new_file(cli: Cli, tmp_path: Path) -> None:
    job_id = cli.enqueue(100)
    land(cli, job_id, range(90))
    assert interrupted(cli, job_id, 1) == 130
    (tmp_path / "out.jsonl").rename(tmp_path / "taken.jsonl")
    land(cli, job_id, range(90, 100))
    end(cli, job_id)

    follow(cli, job_id, "--cursor-file", "cursor")

    assert written(tmp_path / "taken.jsonl") + written(tmp_path / "out.jsonl") == numbers(100)


def test_a_file_that_has_lost_what_was_written_is_not_written_to(cli: Cli, tmp_path: Path) -> None:
    job_id = cli.enqueue(3)
    cli.finish(job_id, ["a", "b", "c"])
    follow(cli, job_id, "--cursor-file", "cursor")
    (tmp_path / "out.jsonl").write_text("short")

    answer = follow(cli, job_id, "--cursor-file", "cursor")

    assert answer.code == 2
    assert "has 5 bytes, though" in answer.err
    assert (tmp_path / "out.jsonl").read_text() == "short"


def test_stdout_and_pipes_are_gone_on_with_too(cli: Cli, tmp_path: Path) -> None:
    job_id = cli.enqueue(3)
    cli.finish(job_id, ["a", "b", "c"])
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)

    assert follow(cli, job_id, "--cursor-file", "cursor", output="-").out.count("\n") == 3
    assert follow(cli, job_id, "--cursor-file", "cursor", output="-").out == ""
    assert follow(cli, job_id, output="pipe").code == 0
    assert os.read(reader, 1 << 16).count(b"\n") == 3
    os.close(reader)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--follow", "--after", "x"], "after must be a cursor"),
        (["--follow", "--after", "x", "--cursor-file", "cursor"], "not both"),
        (["--after", "x"], "go with --follow"),
        (["--cursor-file", "cursor"], "go with --follow"),
        (["--follow", "--cursor-file", "foreign"], "was not written by this command"),
        (["--follow", "--cursor-file", "."], "--cursor-file .: Is a directory"),
    ],
    ids="".join,
)
def test_a_place_that_cannot_be_gone_on_from_is_refused(
    cli: Cli, tmp_path: Path, options: list[str], words: str
) -> None:
    job_id = cli.enqueue(1)
    cli.finish(job_id, ["a"])
    (tmp_path / "foreign").write_text('{"cursor": 3}')
    (tmp_path / "out.jsonl").write_text("old")

    answer = cli("batch", "results", "-b", job_id, "-o", "out.jsonl", *options)

    assert answer.code == 2
    assert words in answer.err
    assert (tmp_path / "out.jsonl").read_text() == "old"


def test_deleting_says_so_and_a_job_that_runs_is_refused(cli: Cli) -> None:
    job_id, running = cli.enqueue(1), cli.enqueue(1)
    cli.finish(job_id, ["a"])

    assert "is deleted" in cli("batch", "delete", job_id).err
    assert cli("batch", "delete", job_id).code == 3
    assert cli("batch", "delete", running).code == 4
    assert cli("batch", "delete", running, "--force", "--timeout", "0").code == 4
    cli.finish(running, ["a"], JobStatus.CANCELLED)
    assert cli("batch", "delete", running, "--json").json == {"id": running, "deleted": True}


def test_how_long_a_job_is_kept_can_be_said_when_it_is_submitted(cli: Cli) -> None:
    request = b'[{"role": "user", "content": "hi"}]\n'

    answer = cli("batch", "submit", "-m", "openai/gpt-4.1-mini", "--retention-s", "3600", stdin=request)

    assert cli.client().connection.jobs.meta(answer.out.strip()).retention_s == 3600
