"""Writing outcomes to a file."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

from batchline_shared.outcomes import ErrorType

if TYPE_CHECKING:
    from pathlib import Path

    from unit.ops.cli.conftest import Cli

MODEL = "openai/gpt-4.1-mini"


@pytest.fixture
def job_id(cli: Cli) -> str:
    """A finished job: two successes, one failure."""
    job_id = cli.enqueue(3)
    cli.finish(job_id, ["yes", ErrorType.REFUSED, "no"])
    return job_id


def results(cli: Cli, job_id: str, *options: str, output: str = "out.jsonl") -> tuple[int, str, str]:
    return cli("batch", "results", "--batch-id", job_id, "--output-file", output, "--model", MODEL, *options)


def test_every_outcome_becomes_one_line(cli: Cli, job_id: str, tmp_path: Path) -> None:
    code, out, err = results(cli, job_id)

    written = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert (code, out) == (0, "")
    assert err == "3 outcomes written to out.jsonl: 2 succeeded, 1 failed (refused 1)\n"
    assert [line["custom_id"] for line in written] == ["request-0", "request-1", "request-2"]
    assert [line["success"] for line in written] == [True, False, True]
    assert (written[0]["result"], written[1]["error_type"]) == ("yes", "refused")
    assert written[0]["raw"]["response"]["status_code"] == 200
    assert [path.name for path in tmp_path.iterdir()] == ["out.jsonl"]


def test_counts_are_json_on_demand(cli: Cli, job_id: str) -> None:
    code, out, _ = results(cli, job_id, "--json")

    assert code == 0
    assert json.loads(out) == {
        "id": job_id,
        "status": "completed",
        "output_file": "out.jsonl",
        "succeeded": 2,
        "errored": 1,
        "errors": {"refused": 1},
    }


def test_the_providers_lines_can_be_left_out_and_stdout_be_the_file(cli: Cli, job_id: str) -> None:
    code, out, _ = results(cli, job_id, "--no-raw", output="-")

    assert code == 0
    assert set(json.loads(out.splitlines()[0])) == {
        "custom_id", "result", "usage", "attempts", "source", "success",
        "duplicate_of", "reasks",
    }  # fmt: skip
    assert results(cli, job_id, "--json", output="-")[0] == 2


def test_a_response_model_types_the_answers(cli: Cli, job_id: str, tmp_path: Path) -> None:
    (tmp_path / "cli_answers.py").write_text(
        "from pydantic import BaseModel\nclass User(BaseModel):\n    name: str\n"
    )

    _, out, _ = results(cli, job_id, "--response-model", "cli_answers:User", "--json")
    assert json.loads(out)["errors"] == {"refused": 1, "invalid_output": 2}


def test_results_asked_for_too_early_leave_the_old_file_alone(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "out.jsonl").write_text("old")
    job_id = cli.enqueue(3)

    code, out, err = results(cli, job_id)
    assert (code, out) == (4, "")
    assert err.count("\n") == 1
    assert "3 of 3 requests" in err
    assert (tmp_path / "out.jsonl").read_text() == "old"


def test_a_model_that_is_not_the_jobs_is_refused(cli: Cli, job_id: str, tmp_path: Path) -> None:
    answer = cli("batch", "results", "-b", job_id, "-o", "out.jsonl", "-m", "openai/gpt-4o")

    assert answer.code == 2
    assert f"is for {MODEL}, not for openai/gpt-4o" in answer.err
    assert not (tmp_path / "out.jsonl").exists()


@pytest.mark.parametrize("output", ["missing/out.jsonl", "."])
def test_a_place_that_cannot_be_written_is_refused(cli: Cli, job_id: str, output: str) -> None:
    code, _, err = results(cli, job_id, output=output)

    assert code == 2
    assert err.startswith(f"Error: --output-file {output}: ")


def test_an_unknown_job_has_its_own_code(cli: Cli) -> None:
    assert results(cli, "job_none")[0] == 3


def test_a_link_is_kept_and_what_it_points_to_is_replaced(cli: Cli, job_id: str, tmp_path: Path) -> None:
    (tmp_path / "target.jsonl").write_text("old")
    (tmp_path / "out.jsonl").symlink_to("target.jsonl")

    assert results(cli, job_id)[0] == 0
    assert (tmp_path / "out.jsonl").is_symlink()
    assert len((tmp_path / "target.jsonl").read_text().splitlines()) == 3


def test_a_device_is_written_to_and_not_replaced(cli: Cli, job_id: str, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)

    assert results(cli, job_id, "--no-raw", output="pipe")[0] == 0
    assert os.read(reader, 1 << 16).count(b"\n") == 3
    os.close(reader)
    assert pipe.is_fifo()


def test_a_full_disk_is_one_line_with_the_files_name(cli: Cli, job_id: str) -> None:
    code, _, err = results(cli, job_id, output="/dev/full")

    assert (code, err) == (1, "Error: /dev/full: No space left on device\n")
