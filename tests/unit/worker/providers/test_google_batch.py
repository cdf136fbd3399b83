"""Reading Vertex AI's jobs, whatever they lack."""

from __future__ import annotations

from typing import Any

import pytest

from batchline_worker.providers.base import BatchPhase, SendAgain
from batchline_worker.providers.google_batch import label, location_of, remote_batch, seconds
from recordings import recorded

NAME = "projects/51/locations/us-central1/batchPredictionJobs/38"


def job(state: str = "JOB_STATE_FAILED", **fields: Any) -> dict[str, Any]:
    return {"name": NAME, "state": state, **fields}


def failed(code: int, message: str, **fields: Any) -> dict[str, Any]:
    return job(error={"code": code, "message": message}, **fields)


def test_a_job_is_read_whole() -> None:
    batch = remote_batch(
        job(
            "JOB_STATE_SUCCEEDED",
            displayName="abc-1",
            labels={"batchline_shard": "abc-1"},
            createTime="2026-09-02T20:06:30.166279Z",
            inputConfig={"gcsSource": {"uris": ["gs://b/batchline/x/input.jsonl"]}},
            outputInfo={"gcsOutputDirectory": "gs://b/batchline/x/output-1/prediction-model-2026"},
            completionStats={"successfulCount": "4", "failedCount": "1", "incompleteCount": "-1"},
        )
    )

    assert batch is not None
    assert (batch.id, batch.phase, batch.shard_id) == (NAME, BatchPhase.COMPLETED, "abc-1")
    assert (batch.total, batch.completed, batch.failed) == (5, 4, 1)
    assert batch.input_file_id == "gs://b/batchline/x/input.jsonl"
    assert batch.result_files == ("gs://b/batchline/x/output-1/prediction-model-2026",)
    assert batch.created_at_s == pytest.approx(1788379590.166279)


@pytest.mark.parametrize(
    ("state", "phase"),
    [
        ("JOB_STATE_QUEUED", BatchPhase.VALIDATING),
        ("JOB_STATE_RUNNING", BatchPhase.RUNNING),
        ("JOB_STATE_PARTIALLY_SUCCEEDED", BatchPhase.EXPIRED),
        ("JOB_STATE_CANCELLING", BatchPhase.CANCELLING),
        ("JOB_STATE_ARCHIVED", BatchPhase.UNKNOWN),
        (None, BatchPhase.UNKNOWN),
    ],
    ids=str,
)
def test_a_state_is_named_in_our_words_and_a_new_one_is_unknown(state: Any, phase: BatchPhase) -> None:
    batch = remote_batch(job(state))

    assert batch is not None
    assert batch.phase is phase


@pytest.mark.parametrize(
    ("code", "message", "again"),
    [
        (13, "System error. Please try this operation again.", SendAgain.BROKEN),
        (3, "Dataset 1:tenant_dataset was not found in location US.", SendAgain.BROKEN),
        (3, "Not found: URI gs://b/batchline/x/input.jsonl", SendAgain.FILE_UNFOUND),
        (3, "Failed to import data.", None),
        (7, "Service account x does not have sufficient permission", None),
        (9, "Failed to get GCS bucket location for b.", None),
    ],
    ids=["system", "tenant", "input", "import", "permission", "bucket"],
)
def test_only_googles_own_failures_are_sent_again(code: int, message: str, again: SendAgain | None) -> None:
    batch = remote_batch(failed(code, message))

    assert batch is not None
    assert batch.send_again is again
    assert [(error.code, error.message) for error in batch.errors] == [(str(code), message)]


@pytest.mark.parametrize(
    ("code", "message", "ours"),
    [
        (3, "Failed to import data.", True),
        (3, "Dataset 1:tenant_dataset was not found in location US.", False),
        (7, "doesn't have sufficient permission", False),
        (9, "Failed to get GCS bucket location for b.", False),
        (13, "System error.", False),
    ],
)
def test_only_an_invalid_argument_is_the_requests_fault(code: int, message: str, *, ours: bool) -> None:
    batch = remote_batch(failed(code, message))

    assert batch is not None
    assert [error.of_requests for error in batch.errors] == [ours]


def test_a_job_of_which_rows_ran_is_never_sent_again() -> None:
    batch = remote_batch(failed(13, "System error.", completionStats={"successfulCount": "2"}))

    assert batch is not None
    assert batch.send_again is None


def test_a_cancelled_job_has_not_failed() -> None:
    batch = remote_batch(job("JOB_STATE_CANCELLED", error={"code": 1, "message": "CANCELED"}))

    assert batch is not None
    assert batch.errors == ()


def test_a_job_of_somebody_elses_bears_no_mark() -> None:
    batch = remote_batch(job(displayName="abc-1", labels={"batchline_shard": "other"}))

    assert batch is not None
    assert batch.shard_id is None


@pytest.mark.parametrize(
    "body",
    [
        None,
        [],
        {},
        {"name": ""},
        {"name": "batches/1"},
        {"name": NAME.replace("us-central1", "evil.test/x")},
        {"name": f"{NAME}?x"},
    ],
    ids=str,
)
def test_what_is_no_job_is_none(body: Any) -> None:
    assert remote_batch(body) is None


def test_the_location_becomes_a_part_of_an_address_and_so_is_checked() -> None:
    assert location_of(NAME) == "us-central1"
    assert location_of("projects/1/locations/evil.test#/batchPredictionJobs/1") is None


def test_labels_keep_to_googles_letters() -> None:
    assert label("Job_ABC.1") == "job_abc-1"
    assert len(label("x" * 80)) == 63


def test_times_of_any_precision_are_read() -> None:
    assert seconds("2026-01-06T11:09:11.943530657Z") == pytest.approx(1767697751.94353)
    assert seconds("2026-01-06T11:09:20Z") == 1767697760.0
    assert [seconds(odd) for odd in ("", None, 3, "today")] == [None] * 4


@pytest.mark.parametrize(
    ("name", "phase", "places", "again"),
    [
        ("pending", BatchPhase.VALIDATING, 0, None),
        ("running", BatchPhase.RUNNING, 0, None),
        ("succeeded", BatchPhase.COMPLETED, 1, None),
        ("succeeded_with_row_failures", BatchPhase.COMPLETED, 1, None),
        ("partially_succeeded_UNOBSERVED", BatchPhase.EXPIRED, 1, None),
        ("cancelled", BatchPhase.CANCELLED, 0, None),
        ("failed_bad_bucket", BatchPhase.FAILED, None, None),
        ("failed_output_not_writable", BatchPhase.FAILED, 1, None),
        ("failed_system_error", BatchPhase.FAILED, 0, SendAgain.BROKEN),
        ("failed_import_schema", BatchPhase.FAILED, None, None),
        ("failed_import_metadata_column", BatchPhase.FAILED, None, None),
    ],
)
def test_recorded_jobs_are_read(
    name: str, phase: BatchPhase, places: int | None, again: SendAgain | None
) -> None:
    batch = remote_batch(recorded(f"google_vertex_job_{name}.json"))

    assert batch is not None
    assert (batch.phase, batch.send_again) == (phase, again)
    assert places is None or len(batch.result_files) == places
    assert bool(batch.errors) is (phase is BatchPhase.FAILED)
