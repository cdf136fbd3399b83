"""Commands about jobs that exist."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from batchline import JobInfo
from batchline_ops.cli.job_views import jobs_table
from batchline_shared.ledger import JobStatus, keys
from batchline_shared.outcomes import ErrorType

if TYPE_CHECKING:
    from unit.ops.cli.conftest import Cli

MODEL = "openai/gpt-4.1-mini"
FIELDS = {
    "id", "status", "model", "total", "succeeded", "errored", "pending", "errors", "input_tokens",
    "output_tokens", "message", "metadata", "retries", "created_at", "submitted_at", "finished_at",
    "cached_input_tokens", "price_list", "max_cost_usd", "cost", "deadline", "on_deadline",
    "duplicates",
}  # fmt: skip


def test_the_list_shows_the_newest_jobs_of_a_model(cli: Cli) -> None:
    ours = [cli.enqueue(), cli.enqueue()]
    cli.enqueue(model="openai/gpt-4o")

    assert {job["id"] for job in cli("batch", "list", "--model", MODEL, "--json").json["jobs"]} == set(ours)
    assert len(cli("batch", "list", "--limit", "1", "--json").json["jobs"]) == 1
    table = cli("batch", "list", "--model", MODEL).out
    assert all(job_id in table for job_id in ours)
    assert "gpt-4o " not in table


def test_the_list_can_be_narrowed_to_a_status(cli: Cli) -> None:
    done, _ = cli.enqueue(1), cli.enqueue(1)
    cli.finish(done, ["yes"])

    jobs = cli("batch", "list", "--status", "completed", "--json").json["jobs"]
    assert [(job["id"], job["status"]) for job in jobs] == [(done, "completed")]
    assert set(jobs[0]) == FIELDS
    assert cli("batch", "list", "--status", "finished").code == 2


def test_an_empty_list_says_so_and_leaves_stdout_empty(cli: Cli) -> None:
    answer = cli("batch", "list", "--model", MODEL)

    assert (answer.code, answer.out) == (0, "")
    assert answer.err == f"There are no jobs of {MODEL}\n"


@pytest.mark.parametrize("model", ["gpt-4.1-mini", "openai/", "/x", "nobody/x"])
def test_a_malformed_model_is_refused(cli: Cli, model: str) -> None:
    answer = cli("batch", "list", "--model", model)

    assert answer.code == 2
    assert answer.err.count("\n") == 1


def test_status_shows_counts_and_failures(cli: Cli) -> None:
    job_id = cli.enqueue(3, metadata={"team": "[red]x\x1b[31m"})
    cli.finish(job_id, ["yes", ErrorType.REFUSED, ErrorType.REFUSED])

    found = cli("batch", "status", job_id, "--json").json
    shown = cli("batch", "status", job_id).out
    assert set(found) == FIELDS | {"batches"}
    assert (found["succeeded"], found["errors"], found["pending"]) == (1, {"refused": 2}, 0)
    assert "1 succeeded, 2 failed" in shown
    assert "refused 2" in shown
    assert "team=[red]x [31m" in shown
    assert "secret prompt" not in shown


@pytest.mark.parametrize(
    ("status", "outcome", "code"),
    [
        (JobStatus.COMPLETED, "yes", 0),
        (JobStatus.FAILED, ErrorType.PROVIDER_ERROR, 9),
        (JobStatus.CANCELLED, ErrorType.CANCELLED, 9),
        (JobStatus.EXPIRED, ErrorType.EXPIRED, 9),
    ],
)
def test_watch_ends_with_the_code_of_the_final_status(
    cli: Cli, status: JobStatus, outcome: ErrorType | str, code: int
) -> None:
    job_id = cli.enqueue(1)
    cli.finish(job_id, [outcome], status)

    answer = cli("batch", "watch", job_id, "--json")
    assert (answer.code, answer.json["status"]) == (code, status)


def test_watch_gives_up_when_its_time_is_up(cli: Cli) -> None:
    answer = cli("batch", "watch", cli.enqueue(), "--timeout", "0.1", "--json")

    assert (answer.code, answer.error["type"], answer.out) == (4, "WaitTimeoutError", "")


def test_cancel_may_be_repeated(cli: Cli) -> None:
    job_id = cli.enqueue()
    ended = cli.enqueue(1)
    cli.finish(ended, ["yes"])

    assert cli("batch", "cancel", job_id, "--json").json["status"] == "cancelling"
    assert cli("batch", "cancel", job_id).code == 0
    assert "had already ended: completed" in cli("batch", "cancel", ended).err


def test_retry_sends_only_the_chosen_failures_again(cli: Cli) -> None:
    job_id = cli.enqueue(3)
    cli.finish(job_id, [ErrorType.REFUSED, ErrorType.EXPIRED, "yes"])

    assert "nothing was sent again" in cli("batch", "retry", job_id, "--error-type", "missing").err
    answer = cli("batch", "retry", job_id, "--error-type", "refused", "--json")
    assert (answer.json["retried"], answer.json["retries"], answer.json["pending"]) == (1, 1, 1)


def test_retry_refuses_unknown_types_and_jobs_that_run(cli: Cli) -> None:
    job_id = cli.enqueue()

    assert cli("batch", "retry", job_id, "--error-type", "bad_luck").code == 2
    assert cli("batch", "retry", job_id).code == 4


@pytest.mark.parametrize("command", ["status", "watch", "cancel", "retry"])
def test_an_unknown_job_has_its_own_code(cli: Cli, command: str) -> None:
    answer = cli("batch", command, "job_none")

    assert (answer.code, answer.out) == (3, "")
    assert answer.err.startswith("Error: there is no job 'job_none'")


def test_a_ledger_of_another_version_has_its_own_code(cli: Cli) -> None:
    cli.client().connection.redis.set(keys.SCHEMA, "999")

    answer = cli("batch", "list")
    assert (answer.code, answer.out) == (10, "")
    assert "schema version" in answer.err


def test_a_table_keeps_whole_ids_in_eighty_columns() -> None:
    now = datetime.now(UTC)
    job = JobInfo(
        id="job_" + "a" * 20, status=JobStatus.IN_PROGRESS, model="openai/gpt-4.1-mini-2025-04-14",
        total=50_000, succeeded=1_000, errored=234, errors={}, input_tokens=0, output_tokens=0, message="",
        metadata={}, retries=0, created_at=now - timedelta(hours=5), submitted_at=None, finished_at=None,
    )  # fmt: skip
    console = Console(width=80, file=io.StringIO())
    console.print(jobs_table([job], now, width=80))
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]

    assert max(map(len, lines)) <= 80
    assert all(word in lines[1] for word in (job.id, "in_progress", "1,234/50,000", "234", "5h"))
