"""Answers that do not fit are sent back until they do, on live processes and by every provider's own SDK."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import BaseModel, field_validator

from acceptance.live_stack import LiveStack
from batchline import BatchError, BatchSuccess, JobStatus
from batchline_ops.simulated import SIMULATED
from batchline_shared.dialects.registry import PROVIDERS, endpoints

if TYPE_CHECKING:
    from collections.abc import Iterator

    from batchline_ops.embedded import EmbeddedServer
    from batchline_simulator import SimulatorProcess

MARKERS = ("", "[[fault:schema_violation:told:1]]", "[[fault:not_json:told:2]]", "[[fault:schema_violation]]")
"""What the model gets right at once, when told once, when told twice, and never."""

ENDPOINTS = [(name, path) for name in PROVIDERS for path in endpoints(name) if path != "/v1/embeddings"]


class Topic(BaseModel):
    """What is asked for."""

    title: str
    words: int


class Strange(BaseModel):
    """A model that takes no title which it has seen before."""

    title: str

    @field_validator("title")
    @classmethod
    def is_new(cls, value: str) -> str:
        if value in SEEN:
            raise ValueError("another title, please")
        return value


SEEN: set[str] = set()


@pytest.fixture(scope="module")
def stack(
    live_server: EmbeddedServer, live_simulator: SimulatorProcess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LiveStack]:
    stack = LiveStack(live_server.url, live_simulator, tmp_path_factory.mktemp("reasking"))
    stack.worker()
    yield stack
    stack.close()


def requests(text: str) -> list[list[dict[str, Any]]]:
    system = {"role": "system", "content": "Name it."}
    return [[system, {"role": "user", "content": f"{text} {marker}"}] for marker in MARKERS]


def said(raw: Any) -> str:
    """All texts of a result line in a row, as Google gives some answers in several parts."""
    if isinstance(raw, dict | list):
        return "".join(map(said, raw.values() if isinstance(raw, dict) else raw))
    return raw if isinstance(raw, str) else ""


@pytest.mark.parametrize(("provider", "endpoint"), ENDPOINTS)
def test_a_model_that_is_told_what_is_wrong_gets_it_right(
    stack: LiveStack, provider: str, endpoint: str
) -> None:
    job = stack.client.enqueue(
        SIMULATED[provider].model, Topic, requests("told"), endpoint=endpoint, reask=2, max_tokens=None
    )

    assert job.wait(timeout_s=60) is JobStatus.COMPLETED
    ends = [(one.success, one.attempts, one.reasks) for one in job.results()]
    assert ends == [(True, 1, 0), (True, 2, 1), (True, 3, 2), (False, 3, 2)]
    never = job.results()[3]
    assert isinstance(never, BatchError)
    assert never.error_type == "invalid_output"
    assert "unexpected" in json.dumps(never.raw) or any(
        odd in said(never.raw) for odd in ("unexpected", "[]")
    )
    assert sum(1 for _ in job.iter_attempts()) == 5
    stack.assert_paid_once(job.id, shards=3, requests=9)


def test_what_the_users_validator_refuses_is_sent_back_by_its_reader(stack: LiveStack) -> None:
    passages = [[{"role": "user", "content": f"new {number}"}] for number in range(3)]
    job = stack.client.enqueue(SIMULATED["openai"].model, Strange, passages, reask=1)
    job.wait(timeout_s=30)
    SEEN.update(one.result.title for one in job.results() if isinstance(one, BatchSuccess))
    assert len(SEEN) == 3

    assert job.reask() == 3
    assert job.wait(timeout_s=30) is JobStatus.COMPLETED
    assert [(one.success, one.attempts, one.reasks) for one in job.results()] == [(True, 2, 1)] * 3
    stack.assert_paid_once(job.id, shards=2, requests=6)


def test_the_command_line_asks_for_it_too(stack: LiveStack, tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(
        "from pydantic import BaseModel\nclass Item(BaseModel):\n    name: str\n"
    )
    (tmp_path / "in.jsonl").write_text("".join(f"{json.dumps(one)}\n" for one in requests("typed")))
    command = [Path(sys.executable).with_name("batchline"), "batch", "submit", "in.jsonl", "--json"]
    done = subprocess.run(
        [*command, "-m", "openai/gpt-4.1-mini", "--response-model", "shop:Item", "--reask", "2", "--wait"],
        cwd=tmp_path,
        env=stack.environment(),
        stdout=subprocess.PIPE,
        timeout=60,
        check=False,
    )

    job = json.loads(done.stdout)
    assert (job["status"], job["succeeded"], job["errored"]) == ("completed", 4, 0)
    stack.assert_paid_once(job["id"], shards=3, requests=9)
