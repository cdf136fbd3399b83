"""Every recorded payload has a reader here, and each result line its verdict.

A sample that is in none of the tables below fails `test_every_sample_has_a_reader`,
so that a new one is looked at.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from batchline_shared.dialects import anthropic_results, google_results, openai_results
from batchline_shared.dialects.jsonl import parse_line
from batchline_shared.outcomes import ErrorType
from batchline_worker.providers.base import BatchPhase
from batchline_worker.providers.jsonl import TruncatedError, complete_lines
from batchline_worker.providers.openai_batch import remote_batch
from recordings import FOLDER

if TYPE_CHECKING:
    from types import ModuleType

CANCELLED, EXPIRED, FILTERED = ErrorType.CANCELLED, ErrorType.EXPIRED, ErrorType.CONTENT_FILTERED
INVALID, LIMITED, OVERLOADED = ErrorType.INVALID_REQUEST, ErrorType.RATE_LIMITED, ErrorType.PROVIDER_ERROR
QUOTA, REFUSED, SCHEMA, CUT = (
    ErrorType.QUOTA_EXHAUSTED,
    ErrorType.REFUSED,
    ErrorType.SCHEMA_REJECTED,
    ErrorType.TRUNCATED,
)
READERS: list[ModuleType] = [openai_results, anthropic_results, google_results]

RESULTS: dict[ModuleType, dict[str, list[ErrorType | None]]] = {
    openai_results: {
        "openai_error_line_400_integer_below_min_value.jsonl": [INVALID],
        "openai_error_line_400_invalid_json_schema.jsonl": [SCHEMA],
        "openai_error_line_429_insufficient_quota.jsonl": [QUOTA],
        "openai_error_line_500_server_error.jsonl": [OVERLOADED],
        "openai_error_line_batch_cancelled_UNVERIFIED.jsonl": [CANCELLED],
        "openai_error_line_batch_expired.jsonl": [EXPIRED, EXPIRED],
        "openai_output_chat_3lines.jsonl": [None, None, None],
        "openai_output_chat_length_litellm.jsonl": [None, CUT],
        "openai_output_chat_resume_3lines.jsonl": [None, None, None],
        "openai_output_embeddings_3lines.jsonl": [None, None, None],
        "openai_output_partial_2of3_HANDEDITED.jsonl": [None, None],
        "openai_output_responses_structured_2026.jsonl": [None],
    },
    anthropic_results: {
        "anthropic_results_all_four_types.jsonl": [None, INVALID, CANCELLED, EXPIRED],
        "anthropic_results_errored_max_tokens.jsonl": [INVALID],
        "anthropic_results_errored_overloaded_FLAT.jsonl": [OVERLOADED],
        "anthropic_results_refusal_and_truncated.jsonl": [REFUSED, CUT],
        "anthropic_results_resume_3.jsonl": [None, None, None],
        "anthropic_results_single.jsonl": [None],
        "anthropic_results_succeeded_3.jsonl": [None, None, None],
        "anthropic_results_thinking_2.jsonl": [None, None],
    },
    google_results: {
        "google_gemini_result_line_thought_signature.jsonl": [None],
        "google_gemini_results_cookbook.jsonl": [None, None],
        "google_gemini_results_embeddings.jsonl": [None, None],
        "google_gemini_results_mixed_CONSTRUCTED.jsonl": [None, INVALID, LIMITED, FILTERED],
        "google_vertex_prediction_row_bad_request.jsonl": [INVALID],
        "google_vertex_prediction_row_blocked_prompt_CONSTRUCTED.jsonl": [FILTERED, FILTERED, CUT, None],
        "google_vertex_prediction_row_invalid_tool_name.jsonl": [INVALID],
        "google_vertex_prediction_row_litellm_2025.jsonl": [CUT],
        "google_vertex_prediction_row_normalized_echo.jsonl": [None],
        "google_vertex_predictions_custom_id_real.jsonl": [None, None, None],
    },
}
"""Result lines: whose they are, and what each one says."""

OPENAI_BATCHES: dict[str, BatchPhase] = {
    "openai_batch_cancelling_from_validating.json": BatchPhase.CANCELLING,
    "openai_batch_completed.json": BatchPhase.COMPLETED,
    "openai_batch_completed_all_failed_no_output.json": BatchPhase.COMPLETED,
    "openai_batch_completed_error_file_empty_string.json": BatchPhase.COMPLETED,
    "openai_batch_completed_partial_HANDEDITED.json": BatchPhase.COMPLETED,
    "openai_batch_completed_with_metadata.json": BatchPhase.COMPLETED,
    "openai_batch_failed_file_not_found.json": BatchPhase.FAILED,
    "openai_batch_failed_invalid_json_line.json": BatchPhase.FAILED,
    "openai_batch_failed_misc_validation.json": BatchPhase.FAILED,
    "openai_batch_failed_missing_fields.json": BatchPhase.FAILED,
    "openai_batch_failed_streaming.json": BatchPhase.FAILED,
    "openai_batch_failed_token_limit_exceeded.json": BatchPhase.FAILED,
    "openai_batch_finalizing.json": BatchPhase.FINALIZING,
    "openai_batch_in_progress_0.json": BatchPhase.RUNNING,
    "openai_batch_in_progress_1of3.json": BatchPhase.RUNNING,
    "openai_batch_validating_create.json": BatchPhase.VALIDATING,
}
"""Batch objects that `remote_batch` reads."""

REQUEST_LINES: dict[str, int] = {
    "google_vertex_input_rows_REJECTED.jsonl": 3,
    "google_vertex_input_rows_ok.jsonl": 1,
}
"""Lines of requests, and how many: split as result lines are, and taken for none."""

DOCUMENTS = {
    "anthropic_batch_canceling.json",
    "anthropic_batch_create_in_progress.json",
    "anthropic_batch_create_request.json",
    "anthropic_batch_ended.json",
    "anthropic_batch_retrieve_in_progress.json",
    "anthropic_delete_response.json",
    "anthropic_http_400_custom_id.json",
    "anthropic_http_413_request_too_large.json",
    "anthropic_list_page.json",
    "google_gemini_file_resource.json",
    "google_gemini_http_errors.json",
    "google_gemini_list_running.json",
    "google_gemini_op_cancelled.json",
    "google_gemini_op_failed_CONSTRUCTED.json",
    "google_gemini_op_pending_file.json",
    "google_gemini_op_succeeded_file.json",
    "google_gemini_op_succeeded_file_2026.json",
    "google_gemini_op_succeeded_inline.json",
    "google_gemini_webhook_resource.json",
    "google_sdk_wire_gcs.json",
    "google_sdk_wire_gemini.json",
    "google_sdk_wire_vertex.json",
    "google_vertex_http_errors.json",
    "google_vertex_job_cancelled.json",
    "google_vertex_job_failed_bad_bucket.json",
    "google_vertex_job_failed_import_metadata_column.json",
    "google_vertex_job_failed_import_schema.json",
    "google_vertex_job_failed_output_not_writable.json",
    "google_vertex_job_failed_system_error.json",
    "google_vertex_job_litellm_fixture.json",
    "google_vertex_job_partially_succeeded_UNOBSERVED.json",
    "google_vertex_job_pending.json",
    "google_vertex_job_running.json",
    "google_vertex_job_succeeded.json",
    "google_vertex_job_succeeded_with_row_failures.json",
    "openai_batch_create_request.json",
    "openai_file_create.json",
    "openai_file_create_2026.json",
    "openai_file_create_expires_null.json",
    "openai_file_retrieve.json",
    "openai_file_retrieve_expires_30d.json",
    "openai_http_400_invalid_endpoint.json",
    "openai_http_400_invalid_file_format.json",
    "openai_http_404_no_batch.json",
    "openai_http_409_cancel_completed.json",
    "openai_webhook_batch_completed.json",
}
"""JSON of other kinds; `tests/unit/worker/providers` reads those that a provider's code reads."""

UPLOADS = {"openai_file_create_request_multipart.txt"}
"""Bodies that are no JSON: they end as a download that broke off would."""

LINES = [(reader, name, said) for reader, samples in RESULTS.items() for name, said in samples.items()]
NAMES = [name for _, name, _ in LINES]


def content(name: str) -> bytes:
    path = FOLDER / name
    if not path.exists():
        pytest.skip(f"no recording {name} in {FOLDER}")
    return path.read_bytes()


def values(name: str) -> list[Any]:
    return [parse_line(line)[0] for line in complete_lines([content(name)])]


def manifest() -> dict[str, dict[str, str]]:
    entries = [
        entry
        for name in ("google_MANIFEST.json", "openai_anthropic_MANIFEST.json")
        for entry in json.loads(content(name))
    ]
    return {entry["file"]: entry for entry in entries}


def test_every_sample_has_a_reader() -> None:
    known = [name for _, name, _ in LINES]
    known += [*OPENAI_BATCHES, *REQUEST_LINES, *DOCUMENTS, *UPLOADS]

    assert sorted(manifest()) == sorted(known)
    files = {path.name for path in FOLDER.iterdir() if not path.stem.endswith(("_MANIFEST", "_SOURCES"))}
    assert files == set(known)


@pytest.mark.parametrize(("reader", "name", "said"), LINES, ids=NAMES)
def test_a_result_line_says_what_its_manifest_says(
    reader: Any, name: str, said: list[ErrorType | None]
) -> None:
    for line, kind in zip(values(name), said, strict=True):
        verdict = reader.classify(line, structured=False)

        assert verdict.error_type is kind
        assert bool(verdict.message) is (kind is not None)


@pytest.mark.parametrize(("reader", "name", "said"), LINES, ids=NAMES)
def test_a_failure_is_the_same_where_json_was_asked_for(
    reader: Any, name: str, said: list[ErrorType | None]
) -> None:
    for line, kind in zip(values(name), said, strict=True):
        judged = reader.classify(line, structured=True).error_type

        assert judged in {kind, ErrorType.INVALID_OUTPUT if kind is None else kind}


@pytest.mark.parametrize(("reader", "name", "said"), LINES, ids=NAMES)
def test_a_usable_line_has_a_text_and_its_tokens(
    reader: Any, name: str, said: list[ErrorType | None]
) -> None:
    for line, kind in zip(values(name), said, strict=True):
        if kind is None:
            assert reader.answer_text(line, structured=False)
            assert reader.classify(line, structured=False).input_tokens > 0


@pytest.mark.parametrize(("reader", "name"), [line[:2] for line in LINES], ids=NAMES)
def test_no_other_provider_s_reader_takes_a_line_for_an_answer(reader: Any, name: str) -> None:
    for line in values(name):
        for other in READERS:
            if other is not reader:
                assert other.classify(line, structured=False).error_type is not None


@pytest.mark.parametrize(("name", "phase"), OPENAI_BATCHES.items())
def test_a_batch_object_is_read(name: str, phase: BatchPhase) -> None:
    batch = remote_batch(parse_line(content(name))[0])

    assert batch is not None
    assert batch.phase is phase


@pytest.mark.parametrize("name", sorted({*DOCUMENTS, *OPENAI_BATCHES}))
def test_a_document_is_json_and_no_reader_takes_it_for_an_answer(name: str) -> None:
    value, _ = parse_line(content(name))

    assert isinstance(value, dict | list)
    for reader in READERS:
        assert reader.classify(value, structured=False).error_type is not None


@pytest.mark.parametrize(("name", "lines"), REQUEST_LINES.items())
def test_a_request_line_is_split_and_taken_for_no_answer(name: str, lines: int) -> None:
    rows = values(name)

    assert len(rows) == lines
    for row in rows:
        assert {reader.classify(row, structured=False).error_type for reader in READERS} == {
            ErrorType.UNKNOWN
        }


@pytest.mark.parametrize("name", sorted(UPLOADS))
def test_what_is_no_json_is_told_from_a_whole_download(name: str) -> None:
    with pytest.raises(TruncatedError):
        list(complete_lines([content(name)]))
