"""Tests of reading an OpenAI batch object."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchline_worker.providers.base import BatchPhase, RemoteBatch
from batchline_worker.providers.openai_batch import marks, remote_batch
from recordings import recorded


def sample(name: str) -> RemoteBatch:
    batch = remote_batch(recorded(f"openai_batch_{name}.json"))
    assert batch is not None
    return batch


def batch(**fields: Any) -> RemoteBatch:
    read = remote_batch({"object": "batch", "id": "batch_1", "status": "in_progress"} | fields)
    assert read is not None
    return read


@pytest.mark.parametrize(
    ("name", "phase"),
    [
        ("validating_create", BatchPhase.VALIDATING),
        ("in_progress_0", BatchPhase.RUNNING),
        ("finalizing", BatchPhase.FINALIZING),
        ("completed", BatchPhase.COMPLETED),
        ("cancelling_from_validating", BatchPhase.CANCELLING),
        ("failed_streaming", BatchPhase.FAILED),
    ],
)
def test_recorded_statuses_have_their_phase(name: str, phase: BatchPhase) -> None:
    assert sample(name).phase is phase


def test_progress_is_read() -> None:
    read = sample("in_progress_1of3")

    assert (read.total, read.completed, read.failed) == (3, 1, 0)


def test_a_completed_batch_in_which_all_failed_has_its_error_file_alone() -> None:
    read = sample("completed_all_failed_no_output")

    assert len(read.result_files) == 1
    assert read.failed == 9


def test_an_empty_error_file_id_is_no_file() -> None:
    assert sample("completed_error_file_empty_string").result_files == ("file-YYYY",)


def test_the_output_file_comes_before_the_error_file_and_a_file_only_once() -> None:
    assert batch(output_file_id="o", error_file_id="e").result_files == ("o", "e")
    assert batch(output_file_id="o", error_file_id="o").result_files == ("o",)


def test_every_line_at_fault_is_kept() -> None:
    errors = sample("failed_misc_validation").errors

    assert [error.line for error in errors] == [1, 2, 3, 4]
    assert errors[0].param == "body.model"
    assert errors[3].code == "model_not_found"


def test_the_enqueued_token_limit_is_read_from_the_refusal() -> None:
    assert sample("failed_token_limit_exceeded").enqueued_limit_tokens == 2_000_000


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("token_limit_exceeded", "Enqueued request limit reached for x. Limit: 1,000,000 enqueued requests."),
        ("token_limit_exceeded", "Enqueued token limit reached."),
        ("invalid_request", "Limit: 5 enqueued tokens"),
        ("token_limit_exceeded", "Limit: ,,, enqueued tokens"),
    ],
)
def test_another_limit_is_not_taken_for_tokens(code: str, message: str) -> None:
    assert batch(errors={"data": [{"code": code, "message": message}]}).enqueued_limit_tokens is None


def test_an_unknown_status_keeps_its_word_and_is_not_final() -> None:
    read = batch(status="archiving")

    assert (read.status, read.phase) == ("archiving", BatchPhase.UNKNOWN)
    assert not read.phase.is_final


@pytest.mark.parametrize("phase", BatchPhase)
def test_four_phases_are_final(phase: BatchPhase) -> None:
    assert phase.is_final == (phase.value in {"completed", "failed", "expired", "cancelled"})


@pytest.mark.parametrize("counts", [None, {}, {"total": None, "completed": "many", "failed": -1}, []])
def test_counts_that_are_none_are_0(counts: Any) -> None:
    read = batch(request_counts=counts)

    assert (read.total, read.completed, read.failed) == (0, 0, 0)


def test_our_mark_is_read_from_the_metadata() -> None:
    assert batch(metadata={"batchline_shard": "s1"}).shard_id == "s1"
    assert batch(metadata=None).shard_id is None


@pytest.mark.parametrize(
    "body",
    [
        None,
        "<html>",
        [],
        {},
        {"object": "list", "data": []},
        {"object": "batch"},
        {"object": "batch", "id": ""},
    ],
)
def test_what_is_no_batch_object_is_not_taken_for_one(body: Any) -> None:
    assert remote_batch(body) is None


NAMES = st.sampled_from(
    [
        *("id", "status", "errors", "data", "line", "code", "message"),
        *("request_counts", "total", "metadata", "created_at", "output_file_id"),
    ]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=5),
    max_leaves=20,
)


@given(fields=st.dictionaries(NAMES, JSON))
def test_any_batch_object_can_be_read(fields: dict[str, Any]) -> None:
    read = remote_batch({**fields, "object": "batch", "id": "batch_1"})

    assert read is not None
    assert read.id == "batch_1"


def test_metadata_is_cut_to_openai_s_limits_and_never_loses_our_mark() -> None:
    others = {f"{n:02}" + "k" * 100: "v" * 600 for n in range(20)} | {"batchline_shard": "forged"}

    marked = marks("shard-1", others)

    assert marked["batchline_shard"] == "shard-1"
    assert len(marked) == 16
    assert max(map(len, marked)) == 64
    assert max(map(len, marked.values())) == 512


@pytest.mark.parametrize(
    ("status", "phase"),
    [
        ("COMPLETED", BatchPhase.COMPLETED),
        ("In-Progress", BatchPhase.RUNNING),
        ("canceled", BatchPhase.CANCELLED),
        ("queued", BatchPhase.VALIDATING),
    ],
)
def test_what_servers_like_openai_call_a_status_has_its_phase(status: str, phase: BatchPhase) -> None:
    read = batch(status=status)

    assert (read.status, read.phase) == (status, phase)


def test_an_object_that_does_not_say_what_it_is_is_a_batch_where_it_has_a_status() -> None:
    read = remote_batch({"id": 7, "status": "in_progress"})

    assert read is not None
    assert read.id == "7"
    assert remote_batch({"id": 7}) is None
    assert remote_batch({"id": "file-1", "object": "file", "status": "processed"}) is None


def test_counts_may_be_text() -> None:
    read = batch(request_counts={"total": "3", "completed": 2.0, "failed": "1"})

    assert (read.total, read.completed, read.failed) == (3, 2, 1)


@pytest.mark.parametrize(
    "moment",
    [
        1736489775,
        1736489775.0,
        "1736489775",
        1736489775000,
        "2025-01-10T06:16:15Z",
        "2025-01-10T06:16:15",
        "2025-01-10T07:16:15.000+01:00",
    ],
)
def test_a_time_may_be_a_number_or_text(moment: Any) -> None:
    assert batch(created_at=moment).created_at_s == 1736489775


@pytest.mark.parametrize("moment", [None, "yesterday", "", [], {}, True, float("nan"), "inf"])
def test_a_time_that_is_none_is_none(moment: Any) -> None:
    assert batch(created_at=moment).created_at_s is None


@pytest.mark.parametrize(
    "errors",
    [
        {"data": [{"message": "No.", "line": "2"}]},
        [{"message": "No.", "line": 2}],
        {"message": "No.", "line": 2},
    ],
)
def test_errors_may_come_without_their_list(errors: Any) -> None:
    (error,) = batch(status="failed", errors=errors).errors

    assert (error.message, error.line) == ("No.", 2)


def test_errors_may_be_text() -> None:
    for errors in ("No.", ["No."]):
        assert [error.message for error in batch(status="failed", errors=errors).errors] == ["No."]


@pytest.mark.parametrize("errors", [None, {}, [], "", {"data": None}, {"object": "list"}, [None, 3], 7])
def test_errors_that_say_nothing_are_none(errors: Any) -> None:
    assert batch(errors=errors).errors == ()


def test_results_may_be_named_by_links() -> None:
    linked = {"output_file_url": "/r/out", "error_file_url": "/r/err"}

    assert batch(**linked).result_files == ("/r/out", "/r/err")
    assert batch(output_file_id="o", **linked).result_files == ("o", "/r/err")
    assert batch(results_url="/r/all").result_files == ("/r/all",)
    assert batch(output_file_id="o", results_url="/r/all").result_files == ("o",)
