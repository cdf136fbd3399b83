"""How a run ends: its exit code, and what it leaves behind."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest
from rich.console import Console

from batchline import BatchClient, BatchRequest, BatchSuccess, ProviderBatch, RetryPolicy
from batchline_ops.cli.exit_codes import ExitCode, exit_code_of
from batchline_ops.demo import DemoOptions, run_demo
from batchline_ops.demo.corpus import Corpus
from batchline_ops.demo.exactly_once import AcceptedBatch
from batchline_ops.demo.job_run import JobRun
from batchline_ops.demo.progress import live_progress
from batchline_ops.demo.session import run_session
from batchline_ops.demo.stack import DataDir, stack_options
from batchline_ops.supervisor import StackError, StackState
from batchline_shared.errors import BatchlineError, InvalidInputError, InvalidModelError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from batchline_ops.demo.summary import DemoSummary

STATE = StackState(ready=True, redis_url="redis://127.0.0.1:1/0", broker_url="", simulator_url="http://x")


class FakeQueue:
    """A client and a job in one, that answers as a perfect reader would and loses the last outcomes."""

    id = "job_fake"

    def __init__(self, lost: int) -> None:
        self.lost = lost
        self.requests: list[BatchRequest] = []

    def enqueue(
        self,
        model: str,
        response_model: type,
        requests: Iterable[BatchRequest],
        *,
        max_tokens: int,
        retry: RetryPolicy,
    ) -> FakeQueue:
        del model, response_model, max_tokens
        assert retry.max_attempts == 1
        self.requests = list(requests)
        return self

    def iter_results(self, timeout_s: float) -> Iterator[BatchSuccess[Any]]:
        del timeout_s
        truths = {question.custom_id: question.truth for question in Corpus().questions(len(self.requests))}
        for request in self.requests[: len(self.requests) - self.lost]:
            name = request.custom_id or ""
            yield BatchSuccess(custom_id=name, result=truths[name])

    def batches(self) -> list[ProviderBatch]:
        return [
            ProviderBatch(
                shard="s1",
                state="done",
                batch_id="b1",
                provider_status="completed",
                requests=len(self.requests),
                message="",
            )
        ]


def run_fake(lost: int) -> DemoSummary:
    queue = FakeQueue(lost)
    accepted = AcceptedBatch(id="b1", status="completed", line_count=20)
    run = JobRun(
        DemoOptions(requests=20),
        "openai/gpt-4.1-mini",
        STATE,
        cast("BatchClient", queue),
        ask_provider=lambda *_: [accepted],
    )
    with live_progress(Console(file=io.StringIO()), 20) as live:
        return run.run(Corpus().questions(20), live, start_s=1.0, data_dir=Path("/data"))


def test_a_job_whose_requests_all_came_back_is_good() -> None:
    summary = run_fake(lost=0)

    assert summary.exactly_once
    assert set(summary.agreement.values()) == {100.0}


def test_a_job_that_lost_an_outcome_is_not() -> None:
    summary = run_fake(lost=1)

    assert not summary.exactly_once
    assert summary.succeeded == 19
    assert summary.problems[0].startswith("1 requests have no outcome")


def ending(
    *, keep: bool = False, good: bool = True, error: type[BaseException] | None = None
) -> tuple[int, Path]:
    """Run a session whose work is faked; its exit code, as the command line gives it, and its directory."""
    used: list[Path] = []

    def run_in(data: DataDir, options: DemoOptions, notes: Console) -> bool:
        del options, notes
        used.append(data.path)
        if error is not None:
            raise error("no")
        return good

    try:
        return run_session(DemoOptions(keep=keep), run_in=run_in), used[0]
    except (BatchlineError, OSError) as error_of_run:
        return exit_code_of(error_of_run), used[0]


@pytest.fixture(autouse=True)
def _temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))


def test_a_good_run_exits_with_0_and_leaves_nothing() -> None:
    code, folder = ending()

    assert code == 0
    assert not folder.exists()


def test_a_run_with_a_missing_outcome_fails_and_leaves_its_logs() -> None:
    code, folder = ending(good=False)

    assert code == 1
    assert folder.exists()


def test_what_is_kept_stays() -> None:
    assert ending(keep=True)[1].exists()


@pytest.mark.parametrize(
    ("error", "code", "stays"),
    [
        (StackError, ExitCode.STACK, True),
        (InvalidInputError, ExitCode.BAD_INPUT, False),
        (KeyboardInterrupt, ExitCode.INTERRUPTED, False),
        (PermissionError, ExitCode.UNEXPECTED, True),
    ],
)
def test_what_ends_a_run_decides_on_its_exit_code(
    error: type[BaseException],
    code: ExitCode,
    stays: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    ended_with, folder = ending(error=error)

    assert ended_with == code
    assert folder.exists() is stays


def test_a_given_directory_is_never_removed(tmp_path: Path) -> None:
    assert run_session(DemoOptions(data_dir=tmp_path), run_in=lambda *_: True) == 0
    assert tmp_path.exists()


@pytest.mark.parametrize("provider", ["nobody", "openai@nowhere"])
def test_a_provider_that_cannot_be_used_is_named_before_anything_starts(
    provider: str, tmp_path: Path
) -> None:
    with pytest.raises(InvalidModelError, match=f"'{provider}'"):
        run_demo(DemoOptions(provider=provider, data_dir=tmp_path / "never"))

    assert not (tmp_path / "never").exists()


def test_no_variable_of_the_user_leads_the_workers_to_a_real_provider(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "https://real.example/v1")
    monkeypatch.setenv("OPENAI_API_KEY", "real")
    monkeypatch.setenv("NO_PROXY", "example.org")

    environment = stack_options(DemoOptions(), tmp_path).env

    assert environment["OPENAI_BASE_URL"] == environment["OPENAI_API_KEY"] == ""
    assert environment["NO_PROXY"] == "example.org,127.0.0.1,localhost"


def test_the_job_is_cut_into_parts_for_both_workers(tmp_path: Path) -> None:
    sizes = [
        stack_options(DemoOptions(requests=count), tmp_path).env["BATCHLINE_SHARD_MAX_REQUESTS"]
        for count in (1, 12, 1200, 1201)
    ]

    assert sizes == ["1", "1", "100", "101"]


def test_faults_can_be_switched_off(tmp_path: Path) -> None:
    assert "--fault" in stack_options(DemoOptions(), tmp_path).simulator_args
    assert "--fault" not in stack_options(DemoOptions(faults=False), tmp_path).simulator_args
