"""Reading batches of the Gemini API, whose operations say more than the SDK shows."""

from __future__ import annotations

from typing import Any

import pytest

from batchline_worker.providers.base import BatchPhase, SendAgain
from batchline_worker.providers.gemini_batch import display_name, is_batch_name, remote_batch
from recordings import recorded

NAME = "batches/irvuen3h0t4o14vlsacnlr4wz8ba6ac4m4vu"


def operation(state: Any, *, error: Any = None, **metadata: Any) -> dict[str, Any]:
    body = {"name": NAME, "metadata": {"state": state, **metadata}}
    return body if error is None else {**body, "done": True, "error": error}


def test_a_batch_is_read_whole() -> None:
    batch = remote_batch(
        operation(
            "BATCH_STATE_SUCCEEDED",
            displayName=display_name("abc-1"),
            inputConfig={"fileName": "files/x"},
            createTime="2026-08-20T20:08:31.015405218Z",
            batchStats={"requestCount": "9", "successfulRequestCount": "8", "failedRequestCount": "1"},
            output={"responsesFile": "files/batch-irv"},
        )
    )

    assert batch is not None
    assert (batch.id, batch.phase, batch.shard_id) == (NAME, BatchPhase.COMPLETED, "abc-1")
    assert (batch.total, batch.completed, batch.failed) == (9, 8, 1)
    assert (batch.input_file_id, batch.result_files) == ("files/x", ("files/batch-irv",))
    assert batch.created_at_s == pytest.approx(1787256511.0154)


@pytest.mark.parametrize("prefix", ["BATCH", "JOB"])
def test_both_spellings_of_a_state_are_known(prefix: str) -> None:
    batch = remote_batch(operation(f"{prefix}_STATE_EXPIRED"))

    assert batch is not None
    assert batch.phase is BatchPhase.EXPIRED


def test_a_new_state_is_unknown() -> None:
    batch = remote_batch(operation("BATCH_STATE_ARCHIVED"))

    assert batch is not None
    assert (batch.status, batch.phase) == ("BATCH_STATE_ARCHIVED", BatchPhase.UNKNOWN)


def test_the_operations_error_is_the_batchs() -> None:
    error = {"code": 13, "message": "Internal error", "details": [{"links": [{"url": "x"}]}]}

    batch = remote_batch(operation("BATCH_STATE_FAILED", error=error))

    assert batch is not None
    assert [(one.code, one.message) for one in batch.errors] == [("13", "Internal error")]
    assert batch.send_again is SendAgain.BROKEN


def test_a_batch_of_which_requests_ran_is_never_sent_again() -> None:
    stats = {"successfulRequestCount": "1"}

    batch = remote_batch(operation("BATCH_STATE_FAILED", error={"code": 13}, batchStats=stats))

    assert batch is not None
    assert batch.send_again is None


def test_results_that_stand_only_in_the_response_are_found() -> None:
    body = operation("BATCH_STATE_SUCCEEDED") | {"response": {"responsesFile": "files/batch-irv"}}

    batch = remote_batch(body)

    assert batch is not None
    assert batch.result_files == ("files/batch-irv",)


def test_a_name_that_could_lead_elsewhere_is_none() -> None:
    batch = remote_batch(
        operation("BATCH_STATE_SUCCEEDED", output={"responsesFile": "files/../../x?y"}, displayName="mine")
    )

    assert batch is not None
    assert (batch.result_files, batch.shard_id) == ((), None)
    assert not is_batch_name("batches/x/../y")


@pytest.mark.parametrize("body", [None, [], {}, {"name": 3}, {"name": "files/x"}], ids=str)
def test_what_is_no_batch_is_none(body: Any) -> None:
    assert remote_batch(body) is None


@pytest.mark.parametrize(
    ("name", "phase", "places", "failed"),
    [
        ("op_pending_file", BatchPhase.VALIDATING, 0, False),
        ("op_succeeded_file", BatchPhase.COMPLETED, 1, False),
        ("op_succeeded_file_2026", BatchPhase.COMPLETED, 1, False),
        ("op_cancelled", BatchPhase.CANCELLED, 0, False),
        ("op_failed_CONSTRUCTED", BatchPhase.FAILED, 0, True),
    ],
)
def test_recorded_batches_are_read(name: str, phase: BatchPhase, places: int, *, failed: bool) -> None:
    batch = remote_batch(recorded(f"google_gemini_{name}.json"))

    assert batch is not None
    assert (batch.phase, len(batch.result_files), bool(batch.errors)) == (phase, places, failed)
