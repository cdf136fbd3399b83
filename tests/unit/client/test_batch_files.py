"""Batch files handed to `submit_batch`: what is read, what is refused and which line is named."""

from __future__ import annotations

import io
import json
import tempfile
from typing import TYPE_CHECKING, Any

import pytest

from batchline import BatchClient, BatchProcessor, DuplicateCustomIdError, InvalidBatchFileError, JobStatus
from batchline_shared.ledger import JobStore
from unit.client.sketches import ANN, MODEL, User, keys_left, says

if TYPE_CHECKING:
    from pathlib import Path

    from redis import Redis

    from unit.client.worker_desk import WorkerDesk


def line(custom_id: Any = "a", **changes: Any) -> bytes:
    """One line of a batch file; `body__…` changes a field of its body."""
    body = {"model": "gpt-4o-mini", "messages": says(), "max_tokens": 9, "temperature": 0.5}
    row = {"custom_id": custom_id, "method": "POST", "url": "/v1/chat/completions", "body": body}
    for name, value in changes.items():
        target = body if name.startswith("body__") else row
        target[name.removeprefix("body__")] = value
    return json.dumps(row).encode() + b"\n"


def names(count: int) -> bytes:
    return b"".join(line(f"row-{n}") for n in range(count))


ANTHROPIC = json.dumps({"custom_id": "a", "params": {"model": "claude", "messages": says()}}).encode()
BAD_LINES = [
    (b"{", "it is not JSON"),
    (b'{"custom_id": "\xff"}', "it is not UTF-8"),
    (b"[]", "expected a JSON object"),
    (b'"text"', "expected a JSON object"),
    (b"{}", "custom_id must be a string"),
    (line(5), "custom_id must be a string"),
    (line(""), "custom_id must be a non-empty string"),
    (line("x" * 513), "custom_id has 513 bytes"),
    (line(method="GET"), 'method must be "POST"'),
    (line(url="/v1/embeddings"), 'url must be "/v1/chat/completions"'),
    (line(body=None), "body must be an object"),
    (line(body__model="gpt-4o"), "body.model is 'gpt-4o', but the job is for 'gpt-4o-mini'"),
    (line(body__stream=True), "body.stream: a batch cannot stream"),
    (line(body__messages=[]), "body.the list of messages is empty"),
    (line(body__messages=says(role="robot")), r"body.messages\[0\].role 'robot' does not exist"),
    (ANTHROPIC, "this is a request for anthropic, not for openai"),
]


@pytest.mark.parametrize("number", [5, 1], ids=["a later line", "the first line"])
@pytest.mark.parametrize(("bad", "reason"), BAD_LINES)
def test_a_bad_line_is_named_by_its_number(
    processor: BatchProcessor[User], ledger: Redis, bad: bytes, reason: str, number: int
) -> None:
    content = bad if number == 1 else b"\n" + names(2) + b"\n" + bad

    with pytest.raises(InvalidBatchFileError, match=f"^line {number}: {reason}") as caught:
        processor.submit_batch(io.BytesIO(content))

    assert (caught.value.line, keys_left(ledger)) == (number, [])


@pytest.mark.parametrize(
    "content", [b"", b"\n \r\n\n", b"\xef\xbb\xbf\n"], ids=["empty", "blank lines", "bom"]
)
def test_an_empty_file_is_refused(processor: BatchProcessor[User], content: bytes) -> None:
    with pytest.raises(InvalidBatchFileError, match="empty"):
        processor.submit_batch(io.BytesIO(content))


def test_a_file_in_another_encoding_is_refused(processor: BatchProcessor[User], tmp_path: Path) -> None:
    path = tmp_path / "utf16.jsonl"
    path.write_text(line().decode(), encoding="utf-16")

    with pytest.raises(InvalidBatchFileError, match="line 1: it is not UTF-8"):
        processor.submit_batch(path)


@pytest.mark.parametrize("name", ["missing.jsonl", "."], ids=["missing", "folder"])
def test_a_path_that_cannot_be_read_is_named(
    processor: BatchProcessor[User], tmp_path: Path, name: str
) -> None:
    with pytest.raises(InvalidBatchFileError, match=str(tmp_path)):
        processor.submit_batch(tmp_path / name)


def test_a_stream_that_cannot_be_read_as_bytes_is_refused(processor: BatchProcessor[User]) -> None:
    closed = io.BytesIO(line())
    closed.close()
    for source in (io.StringIO("{}"), [line()], None, 5, closed):
        with pytest.raises(InvalidBatchFileError):
            processor.submit_batch(source)  # type: ignore[arg-type]  # the point
    with tempfile.NamedTemporaryFile("w+") as text:
        text.write(line().decode())
        text.seek(0)
        with pytest.raises(InvalidBatchFileError, match="open it in binary mode"):
            processor.submit_batch(text)  # type: ignore[arg-type]  # the point


def test_two_lines_with_one_id_are_refused(processor: BatchProcessor[User], ledger: Redis) -> None:
    with pytest.raises(DuplicateCustomIdError, match="'a' is borne by request 0 and by request 1"):
        processor.submit_batch(io.BytesIO(line() + line()))

    assert keys_left(ledger) == []


def test_bom_blank_lines_and_windows_line_ends_are_borne(
    client: BatchClient, processor: BatchProcessor[User], desk: WorkerDesk
) -> None:
    content = b"\xef\xbb\xbf" + names(2).replace(b"\n", b"\r\n\r\n")

    job = client.job(processor.submit_batch(io.BytesIO(content)), User)
    desk.complete(job.id, (0, ANN), (1, ANN))

    assert [outcome.custom_id for outcome in job.results()] == ["row-0", "row-1"]


def test_a_file_without_a_last_newline_is_whole(
    client: BatchClient, processor: BatchProcessor[User], tmp_path: Path
) -> None:
    path = tmp_path / "batch.jsonl"
    path.write_bytes(names(3).removesuffix(b"\n"))

    assert client.job(processor.submit_batch(str(path))).info().total == 3


def test_lines_that_differ_from_the_first_keep_their_own_options(
    processor: BatchProcessor[User], ledger: Redis
) -> None:
    other = {"model": "gpt-4o-mini", "messages": says("other"), "seed": 4}

    job_id = processor.submit_batch(io.BytesIO(line("a") + line("b", body=other)))

    template = json.loads(JobStore(ledger).meta(job_id).template)
    plain, own = map(json.loads, next(JobStore(ledger).rows(job_id, [0])))
    assert template == {"model": "gpt-4o-mini", "max_tokens": 9, "temperature": 0.5}
    assert plain == says()
    assert own == {**other, "max_tokens": None, "temperature": None}


def test_a_file_of_our_own_making_stores_its_schema_once(
    client: BatchClient, processor: BatchProcessor[User], ledger: Redis
) -> None:
    buffer = processor.create_batch_from_messages([says()] * 100, max_tokens=50, temperature=0.2)

    from_file = JobStore(ledger).meta(processor.submit_batch(buffer))
    enqueued = client.enqueue(MODEL, User, [says()] * 100, max_tokens=50, temperature=0.2)

    direct = JobStore(ledger).meta(enqueued.id)
    assert (from_file.template, from_file.structured) == (direct.template, True)
    assert next(JobStore(ledger).rows(from_file.id, [0])) == next(JobStore(ledger).rows(direct.id, [0]))


def test_a_file_that_asks_for_no_schema_is_a_text_job(
    client: BatchClient, processor: BatchProcessor[User], desk: WorkerDesk
) -> None:
    job = client.job(processor.submit_batch(io.BytesIO(line())))
    desk.complete(job.id, (0, "plain words"))

    (outcome,) = job.results()
    assert outcome.success
    assert (outcome.result, job.status()) == ("plain words", JobStatus.COMPLETED)
