"""`BatchProcessor`: the document's promises beyond its code blocks."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import pytest

from batchline import (
    BatchClient,
    BatchError,
    BatchProcessor,
    BatchSuccess,
    ErrorType,
    InvalidBatchFileError,
    InvalidInputError,
    InvalidModelError,
    InvalidRequestError,
    JobNotFoundError,
    JobNotReadyError,
    JobStatus,
)
from unit.client.sketches import ANN, MODEL, User, says
from unit.client.worker_desk import answer_line

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from unit.client.worker_desk import WorkerDesk


def test_a_model_of_no_known_form_is_refused_at_once() -> None:
    with pytest.raises(InvalidModelError, match='use "provider/model-name"'):
        BatchProcessor("gpt-4o-mini", User)


def test_without_a_path_the_batch_is_a_buffer_at_its_start(processor: BatchProcessor[User]) -> None:
    buffer = processor.create_batch_from_messages([says(), says()])

    lines = [json.loads(line) for line in buffer.getvalue().splitlines()]
    assert (type(buffer), buffer.tell()) == (io.BytesIO, 0)
    assert [line["custom_id"] for line in lines] == ["request-0", "request-1"]
    assert {line["body"]["max_tokens"] for line in lines} == {1000}
    assert {line["body"]["temperature"] for line in lines} == {0.1}


def test_a_buffer_stays_open_and_can_be_submitted_again_after_a_seek(
    client: BatchClient, processor: BatchProcessor[User]
) -> None:
    buffer = processor.create_batch_from_messages([says()])

    first = processor.submit_batch(buffer)
    assert not buffer.closed
    buffer.seek(0)
    second = processor.submit_batch(buffer)

    assert first != second
    assert {info.id for info in client.jobs()} == {first, second}


def test_a_buffer_that_was_not_rewound_is_refused(processor: BatchProcessor[User]) -> None:
    buffer = processor.create_batch_from_messages([says()])
    processor.submit_batch(buffer)

    with pytest.raises(InvalidInputError, match="read from where it stands"):
        processor.submit_batch(buffer)


@pytest.mark.parametrize("as_path", [str, lambda path: path], ids=["str", "path"])
def test_with_a_path_the_batch_is_a_file_and_the_path_comes_back(
    processor: BatchProcessor[User], tmp_path: Path, as_path: Any
) -> None:
    path = tmp_path / "batch.jsonl"

    returned = processor.create_batch_from_messages([says()], as_path(path))

    assert (returned, path.read_bytes()) == (
        str(path),
        processor.create_batch_from_messages([says()]).getvalue(),
    )


def test_a_failed_write_keeps_the_old_file_and_leaves_no_other(
    processor: BatchProcessor[User], tmp_path: Path
) -> None:
    path = tmp_path / "batch.jsonl"
    path.write_text("old")

    def conversations() -> Iterator[Any]:
        yield says()
        raise RuntimeError("the source broke")

    with pytest.raises(RuntimeError):
        processor.create_batch_from_messages(conversations(), path)
    with pytest.raises(InvalidRequestError, match="request 1"):
        processor.create_batch_from_messages([says(), []], path)
    with pytest.raises(InvalidInputError, match="empty"):
        processor.create_batch_from_messages([], path)

    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [("batch.jsonl", "old")]


@pytest.mark.parametrize("messages_list", [None, 5, "hi", {"role": "user"}], ids=str)
def test_what_is_no_list_of_conversations_is_refused(
    processor: BatchProcessor[User], messages_list: Any
) -> None:
    with pytest.raises(InvalidInputError, match="iterable of conversations"):
        processor.create_batch_from_messages(messages_list)


def test_a_misspelt_keyword_is_refused_rather_than_swallowed(processor: BatchProcessor[User]) -> None:
    buffer = processor.create_batch_from_messages([says()])

    with pytest.raises(InvalidInputError, match="no keyword idempotancy_key"):
        processor.submit_batch(buffer, idempotancy_key="a")
    with pytest.raises(InvalidInputError, match="completion_window"):
        processor.submit_batch(buffer, completion_window="1h")
    assert processor.submit_batch(buffer, completion_window="24h", metadata={"a": 1}).startswith("job_")


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (JobStatus.COMPLETED, "completed"),
        (JobStatus.FAILED, "failed"),
        (JobStatus.CANCELLED, "cancelled"),
        (JobStatus.EXPIRED, "failed"),
    ],
)
def test_a_final_status_ends_every_polling_loop_of_the_document(
    processor: BatchProcessor[User], desk: WorkerDesk, status: JobStatus, said: str
) -> None:
    job_id = processor.submit_batch(processor.create_batch_from_messages([says()]), {"run": 1})
    desk.answer(job_id, (0, ErrorType.EXPIRED))
    desk.end(job_id, status)

    found = processor.get_batch_status(job_id)

    assert json.loads(json.dumps(found)) == found
    assert (found["id"], found["status"], found["expired"]) == (job_id, said, status is JobStatus.EXPIRED)
    assert found["request_counts"] == {"total": 1, "completed": 0, "failed": 1}
    assert (found["metadata"], found["errors"]) == ({"run": 1}, {"expired": 1})


def test_results_come_once_the_job_has_ended(processor: BatchProcessor[User], desk: WorkerDesk) -> None:
    job_id = processor.submit_batch(processor.create_batch_from_messages([says()]))

    with pytest.raises(JobNotReadyError, match="queued"):
        processor.retrieve_results(job_id)

    desk.complete(job_id, (0, ANN))
    (outcome,) = processor.retrieve_results(job_id)
    assert isinstance(outcome, BatchSuccess)
    assert outcome.result == User(name="Ann", age=28)


def test_results_can_be_kept_in_a_file_and_parsed_again(
    processor: BatchProcessor[User], desk: WorkerDesk, tmp_path: Path
) -> None:
    job_id = processor.submit_batch(processor.create_batch_from_messages([says(), says(), says()]))
    desk.complete(job_id, (2, ANN), (0, '{"name":"Ann"}'), (1, ErrorType.EXPIRED))

    results = processor.get_results(job_id, tmp_path / "results.jsonl")
    again = processor.parse_results((tmp_path / "results.jsonl").read_text())

    assert [outcome.success for outcome in results] == [False, False, True]
    assert [outcome.custom_id for outcome in again] == ["request-0", "request-2"]
    assert [outcome.success for outcome in again] == [False, True]


@pytest.mark.parametrize("method", ["get_batch_status", "retrieve_results", "get_results", "cancel_batch"])
@pytest.mark.parametrize(("job_id", "error"), [("job_0", JobNotFoundError), ("", InvalidInputError)])
def test_an_id_of_no_job_is_refused(
    processor: BatchProcessor[User], method: str, job_id: str, error: type[Exception]
) -> None:
    with pytest.raises(error):
        getattr(processor, method)(job_id)


def test_a_cancelled_job_says_so(processor: BatchProcessor[User]) -> None:
    job_id = processor.submit_batch(processor.create_batch_from_messages([says()]))

    assert processor.cancel_batch(job_id)["status"] == "cancelling"
    assert processor.cancel_batch(job_id)["status"] == "cancelling"


def test_the_newest_jobs_of_this_model_are_listed(
    client: BatchClient, processor: BatchProcessor[User]
) -> None:
    client.enqueue("openai/gpt-4o", User, [says()])
    ids = [client.enqueue(MODEL, User, [says()]).id for _ in range(3)]

    assert {info.id for info in processor.list_batches()} == set(ids)
    assert len(processor.list_batches(limit=2)) == 2


def test_lines_of_any_kind_become_outcomes(processor: BatchProcessor[User]) -> None:
    good = json.dumps({**answer_line(ANN), "custom_id": "good"})
    lines = ["\ufeff" + good, "", "{broken", "[]", "{}", '{"custom_id": 5}', '{"custom_id": "odd"}', "null"]

    outcomes = processor.parse_results("\r\n".join(lines))

    found = [(outcome.custom_id, outcome.success) for outcome in outcomes]
    assert found == [
        ("good", True),
        ("line-3", False),
        ("line-4", False),
        ("line-5", False),
        ("line-6", False),
        ("odd", False),
        ("line-8", False),
    ]
    assert all(o.error_type is ErrorType.UNKNOWN for o in outcomes if isinstance(o, BatchError))


def test_only_a_newline_ends_a_line(processor: BatchProcessor[User]) -> None:
    odd = '{"name":"A\u2028B\x85C","age":1}'
    line = json.dumps({**answer_line(odd), "custom_id": "a"}, ensure_ascii=False)

    (outcome,) = processor.parse_results(line)

    assert isinstance(outcome, BatchSuccess)
    assert outcome.result.name == "A\u2028B\x85C"


def test_no_content_has_no_outcomes(processor: BatchProcessor[User]) -> None:
    assert processor.parse_results("") == processor.parse_results(b"\n\n") == []


def test_outcomes_written_as_json_can_be_parsed_again(
    processor: BatchProcessor[User], desk: WorkerDesk
) -> None:
    job_id = processor.submit_batch(processor.create_batch_from_messages([says(), says()]))
    desk.complete(job_id, (0, ANN), (1, ErrorType.RATE_LIMITED))
    outcomes = processor.retrieve_results(job_id)

    written = "\n".join(outcome.model_dump_json() for outcome in outcomes)

    assert processor.parse_results(written) == outcomes


def test_a_written_outcome_that_does_not_fit_is_an_invalid_output(processor: BatchProcessor[User]) -> None:
    (outcome,) = processor.parse_results('{"custom_id": "a", "success": true, "result": {"name": "Ann"}}')

    assert isinstance(outcome, BatchError)
    assert outcome.error_type == ErrorType.INVALID_OUTPUT


def test_a_file_that_cannot_be_written_is_named(processor: BatchProcessor[User], tmp_path: Path) -> None:
    path = tmp_path / "missing" / "batch.jsonl"

    with pytest.raises(InvalidBatchFileError, match=f"{path}: No such file or directory"):
        processor.create_batch_from_messages([says()], str(path))


def test_an_error_made_by_hand_knows_whether_a_retry_may_help() -> None:
    limited = BatchError(custom_id="a", error_type=ErrorType.RATE_LIMITED, error_message="")
    refused = BatchError(custom_id="a", error_type=ErrorType.REFUSED, error_message="")

    assert (limited.retry_may_help, refused.retry_may_help) == (True, False)
