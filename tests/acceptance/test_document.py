"""Every Python block of the user's document runs, against real processes."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from acceptance import document
from acceptance.live_stack import LiveStack

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from batchline_ops.embedded import EmbeddedServer
    from batchline_simulator import SimulatorProcess

BLOCKS = document.blocks()
ALONE = [block for block in BLOCKS if document.stands_alone(block)]
pytestmark = pytest.mark.skipif(not BLOCKS, reason=f"there is no document at {document.PATH}")

HURRIED = "import runpy, sys, time; sleep = time.sleep; time.sleep = lambda s: sleep(min(s, 0.05)); "
"""The document's loops look every 10 or 30 s; only that is shortened."""

PRINTED = [
    [r"Batch job submitted: job_", "Status: "],
    [
        *(
            "Created batch buffer: <class '_io.BytesIO'>",
            "Buffer size: ",
            "Batch submitted successfully! ID: job_",
        ),
        *("Status: completed", "Successful: 2", "Errors: 0", " years old"),
    ],
    [],
    [
        "Created batch file: openai_gpt-4.1-mini_batch.jsonl",
        "Created batch file: anthropic_claude-3-5-sonnet-20241022_batch.jsonl",
        "Created batch file: google_gemini-2.5-flash_batch.jsonl",
        "Batch job submitted: job_",
        *("Status: completed", "Successfully parsed: 2 results", "  - request-0: ", "  - request-1: "),
    ],
]
"""What each program among the blocks has to print."""


@pytest.fixture(scope="module")
def stack(
    live_server: EmbeddedServer, live_simulator: SimulatorProcess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LiveStack]:
    stack = LiveStack(live_server.url, live_simulator, tmp_path_factory.mktemp("document"))
    stack.worker()
    yield stack
    stack.close()


def test_the_document_has_the_blocks_that_these_tests_know() -> None:
    assert (len(BLOCKS), len(ALONE)) == (10, len(PRINTED))


@pytest.mark.parametrize(("block", "printed"), list(zip(ALONE, PRINTED, strict=False)))
def test_a_program_of_the_document_runs_and_prints_what_it_should(
    stack: LiveStack, tmp_path: Path, block: str, printed: list[str]
) -> None:
    (tmp_path / "program.py").write_text(block, encoding="utf-8")

    run = subprocess.run(
        [sys.executable, "-c", f"{HURRIED} runpy.run_path('program.py', run_name='__main__')"],
        cwd=tmp_path,
        env=stack.environment(PYTHONIOENCODING="utf-8"),
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )

    assert (run.returncode, run.stderr) == (0, "")
    assert [text for text in printed if text not in run.stdout] == []
    assert "❌" not in run.stdout
    assert run.stdout.count("Successfully parsed: 2 results") in (0, 1, 3)


def run_block(namespace: dict[str, Any], block: str) -> None:
    """Run a block where the names of those before it are known."""
    exec(compile(block, str(document.PATH), "exec"), namespace)  # noqa: S102 - the user's document is the test


def test_the_other_blocks_go_on_where_those_before_them_ended(
    stack: LiveStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in stack.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"__name__": "document"}
    run_block(names, ALONE[0])
    stack.client.job(names["batch_id"]).wait(timeout_s=30)
    names["status"] = names["processor"].get_batch_status(names["batch_id"])

    run_block(names, document.last_statement(ALONE[0]))  # "Retrieve results when completed"
    assert "Successfully parsed: 2 results" in capsys.readouterr().out

    names["messages"] = names["messages_list"]
    for block in BLOCKS:
        if document.stands_alone(block):
            continue
        if "batch_results.jsonl" in block:
            names["processor"].get_results(names["batch_id"], "batch_results.jsonl")
        # One provider's set-up stands beside the next one's: each is for another reader.
        only_this = dict(names) if "# Use " in block else names
        run_block(only_this, block)

    output = capsys.readouterr().out
    assert names["batch_id_1"] != names["batch_id_2"]
    assert "Success: name=" in output
    assert "Successfully parsed: 2 results" in output
    assert "Errors: 0 results" in output
    assert output.count("ID: request-") == 2


@pytest.mark.parametrize(
    ("model", "heading"),
    [
        ("openai/gpt-4.1-mini", "OpenAI"),
        ("anthropic/claude-3-5-sonnet-20241022", "Anthropic"),
        ("google/gemini-2.5-flash", "Google GenAI"),
    ],
)
def test_the_documents_own_example_of_a_response_is_read(model: str, heading: str) -> None:
    """Its JSON blocks have no status, finish reason or usage, and Google's has no id."""
    from batchline.batch import BatchProcessor  # noqa: PLC0415 - as the document's reader does

    text = document.PATH.read_text(encoding="utf-8")
    example = (
        text.partition(f"### {heading} Response Format")[2].partition("```json\n")[2].partition("```")[0]
    )
    names: dict[str, Any] = {"__name__": "document"}
    run_block(names, "from pydantic import BaseModel\nclass User(BaseModel):\n    name: str\n    age: int\n")

    (outcome,) = BatchProcessor(model, names["User"]).parse_results(" ".join(example.splitlines()))

    assert outcome.success
    assert outcome.result == names["User"](name="Alice", age=28)
