"""Commands about money."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from batchline_ops.cli.costing import usd
from batchline_ops.cli.job_views import jobs_table
from batchline_shared.dialects.verdict import Verdict
from batchline_shared.ledger import Landing
from batchline_shared.outcome_rows import encode_outcome
from batchline_shared.pricing import token_counts

if TYPE_CHECKING:
    from pathlib import Path

    from unit.ops.cli.conftest import Cli

MODEL = "openai/gpt-4.1-mini"
TALK = json.dumps([{"role": "user", "content": "secret prompt"}]).encode() + b"\n"


def answer(cli: Cli, job_id: str, *, millions: int) -> None:
    """Land one answer that took so many million tokens each way: $1.00 for each million."""
    verdict = Verdict(None, "", millions * 10**6, millions * 10**6, 0, 0)
    counts = {"succeeded": 1} | token_counts(verdict)
    line = encode_outcome(0, 1, "request-0", verdict, b"null")
    assert cli.client().connection.jobs.land(job_id, Landing([0], [line], [counts])) == 1


def test_costs_are_added_up_by_a_tag(cli: Cli) -> None:
    for team, millions in (("[red]a", 1), ("b", 2), ("b", 3)):
        answer(cli, cli.enqueue(1, metadata={"team": team}), millions=millions)
    cli.enqueue(1, model="openai/no-such-model")

    found = cli("batch", "costs", "--by", "tag:team", "--json").json
    shown = cli("batch", "costs", "--by", "tag:team").out.splitlines()

    assert found["group_by"] == "tag:team"
    lines = [(line["group"], line["jobs"], line["cost"]["batch_usd"]) for line in found["costs"]]
    assert lines == [("b", 2, 5.0), ("[red]a", 1, 1.0), (None, 1, None)]
    assert " ".join(shown[0].split()) == "Team Jobs Requests Tokens in Tokens out Cost Without batch"
    assert shown[1].split() == ["b", "2", "2", "5,000,000", "5,000,000", "$5.00", "$10.00"]
    assert shown[2].startswith("[red]a ")
    assert shown[3].split()[-2:] == ["unknown", "unknown"]


def test_a_sum_that_leaves_jobs_out_says_so(cli: Cli) -> None:
    answer(cli, cli.enqueue(1), millions=1)
    cli.enqueue(1, model="openai/no-such-model")

    assert "over $1.00" in cli("batch", "costs", "--by", "account").out


def test_costs_begin_with_a_day(cli: Cli) -> None:
    cli.enqueue(1)
    today = f"{datetime.now(UTC):%Y-%m-%d}"

    assert len(cli("batch", "costs", "--since", today, "--json").json["costs"]) == 1
    assert cli("batch", "costs", "--since", "2999-01-01").err == "There are no jobs\n"
    assert cli("batch", "costs", "--since", "yesterday").code == 2
    assert cli("batch", "costs", "--by", "team").code == 2


def test_a_job_s_cost_stands_beside_its_tokens(cli: Cli) -> None:
    job_id = cli.enqueue(1, max_cost_usd=7)
    answer(cli, job_id, millions=1)

    assert cli("batch", "status", job_id, "--json").json["cost"]["batch_usd"] == 1.0
    shown = cli("batch", "status", job_id).out
    assert "$1.00 ($2.00 without a batch)" in shown
    assert "of $7.00 at most" in shown


def test_a_wide_list_has_costs_too(cli: Cli) -> None:
    answer(cli, cli.enqueue(1), millions=1)
    console = Console(width=100, file=io.StringIO())

    console.print(jobs_table(cli.client().jobs(), datetime.now(UTC), width=100))

    assert "$1.00" in console.file.getvalue()  # type: ignore[attr-defined]
    assert "$1.00" in cli("batch", "list").out


@pytest.mark.parametrize("command", ["submit", "create-from-file"])
def test_a_dry_run_tells_the_cost_and_enqueues_nothing(cli: Cli, tmp_path: Path, command: str) -> None:
    body = {"model": "gpt-4.1-mini", "messages": json.loads(TALK), "max_tokens": 100}
    line = {"custom_id": "a", "method": "POST", "url": "/v1/chat/completions", "body": body}
    (tmp_path / "talks.jsonl").write_bytes(TALK * 2)
    (tmp_path / "lines.jsonl").write_bytes(json.dumps(line).encode())
    source = {"submit": ["talks.jsonl", "--max-tokens", "50"], "create-from-file": ["-f", "lines.jsonl"]}

    arguments = ("batch", command, *source[command], "--model", MODEL, "--dry-run")
    found, shown = cli(*arguments, "--json"), cli(*arguments)

    assert found.json["max_output_tokens"] == 100
    assert found.json["low_usd"] < found.json["typical_usd"] < found.json["high_usd"]
    assert "between" in shown.out
    assert "secret prompt" not in shown.out + shown.err
    assert shown.err == "Nothing was enqueued.\n"
    assert cli("batch", "list", "--json").json == {"jobs": []}


def test_a_dry_run_names_a_bad_line(cli: Cli) -> None:
    answered = cli("batch", "submit", "--model", MODEL, "--dry-run", stdin=TALK + b'[{"role":"nobody"}]\n')

    assert answered.code == 2
    assert "line 2" in answered.err


@pytest.mark.parametrize("command", ["submit", "create-from-file"])
def test_what_costs_too_much_is_refused(cli: Cli, tmp_path: Path, command: str) -> None:
    body = {"model": "gpt-4.1-mini", "messages": json.loads(TALK)}
    line = {"custom_id": "a", "method": "POST", "url": "/v1/chat/completions", "body": body}
    content = TALK if command == "submit" else json.dumps(line).encode()
    (tmp_path / "file.jsonl").write_bytes(content)
    file = ["file.jsonl"] if command == "submit" else ["-f", "file.jsonl"]

    answered = cli("batch", command, *file, "--model", MODEL, "--max-cost", "0.0000001", "--json")

    assert answered.code == 2
    assert answered.error["type"] == "BudgetExceededError"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "unknown"),
        ("0", "$0.00"),
        ("1234.567", "$1,234.57"),
        ("0.1234", "$0.1234"),
        ("0.00001", "under $0.0001"),
    ],
)
def test_dollars_are_shown_to_what_matters(value: str | None, text: str) -> None:
    assert usd(None if value is None else Decimal(value)) == text
