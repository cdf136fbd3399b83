"""The command line in this process, on a ledger in memory."""

from __future__ import annotations

import io
import json
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

import fakeredis
import orjson
import pytest

from batchline import BatchClient, Settings
from batchline_ops.cli import run
from batchline_shared.dialects.verdict import Verdict
from batchline_shared.ledger import JobStatus, Landing, keys
from batchline_shared.outcome_rows import encode_outcome, encode_unanswered
from batchline_shared.outcomes import ErrorType

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

MODEL = "openai/gpt-4.1-mini"


class Answer(NamedTuple):
    """What one command said."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Stdout, which must be one line of JSON."""
        assert self.out.count("\n") == 1
        return json.loads(self.out)

    @property
    def error(self) -> Any:
        """The error on stderr, which must be one line of JSON."""
        assert self.err.count("\n") == 1
        return json.loads(self.err)["error"]


class Cli:
    """Runs commands; every one connects anew, as processes do."""

    def __init__(self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self._capsys = capsys
        self._monkeypatch = monkeypatch
        self._server = fakeredis.FakeServer()
        self.urls: list[str | None] = []

    def client(self, redis_url: str | None = None) -> BatchClient:
        """A client of the ledger in memory."""
        self.urls.append(redis_url)
        settings = Settings(broker_url="memory://", durable_writes=False)
        return BatchClient(settings=settings, redis=fakeredis.FakeRedis(server=self._server))

    def __call__(self, *arguments: str, stdin: bytes = b"") -> Answer:
        """Run one command."""
        self._monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        self._capsys.readouterr()
        code = run(arguments, open_client=self.client)
        return Answer(int(code), *self._capsys.readouterr())

    def enqueue(self, count: int = 3, model: str = MODEL, **options: Any) -> str:
        """A job of text requests; its id."""
        conversations = [[{"role": "user", "content": f"secret prompt {i}"}] for i in range(count)]
        return self.client().enqueue(model, None, conversations, **options).id

    def finish(
        self, job_id: str, outcomes: Sequence[ErrorType | str], status: JobStatus = JobStatus.COMPLETED
    ) -> None:
        """End a job as a worker would: a text succeeds, an error type fails."""
        connection = self.client().connection
        store = connection.jobs
        lines = [line(row, outcome) for row, outcome in enumerate(outcomes)]
        counts = [
            {"errored": 1, f"err.{outcome}": 1} if isinstance(outcome, ErrorType) else {"succeeded": 1}
            for outcome in outcomes
        ]
        store.land(job_id, Landing(list(range(len(outcomes))), lines, counts))
        assert store.finish(job_id, status, message="", retention_s=0)
        connection.redis.delete(keys.work(keys.partition_of(job_id), job_id))  # so that it can be retried


def line(row: int, outcome: ErrorType | str) -> bytes:
    """An outcome as workers store it."""
    if isinstance(outcome, ErrorType):
        return encode_unanswered(row, 1, f"request-{row}", outcome, "no luck")
    message = {"role": "assistant", "content": outcome}
    body = {"choices": [{"message": message, "finish_reason": "stop"}], "usage": {}}
    raw = {"custom_id": f"bl-{row}", "response": {"status_code": 200, "body": body}, "error": None}
    return encode_outcome(row, 1, f"request-{row}", Verdict(None, "", 5, 7, 0, 0), orjson.dumps(raw))


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Cli:
    """The command line, in a directory of its own."""
    monkeypatch.chdir(tmp_path)
    return Cli(capsys, monkeypatch)
