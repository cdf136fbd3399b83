"""The names and signatures that users have written down: the document's, and the queue's own."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import pytest

import batchline
import batchline.batch
from batchline import BatchClient, BatchError, BatchProcessor, BatchSuccess, ErrorType, Job

if TYPE_CHECKING:
    from collections.abc import Callable

DOCUMENTED = {
    "create_batch_from_messages": "messages_list, file_path=None, max_tokens=1000, temperature=0.1",
    "submit_batch": "file_path_or_buffer, metadata=None, **kwargs",
    "get_batch_status": "batch_id",
    "retrieve_results": "batch_id",
    "get_results": "batch_id, file_path=None",
    "parse_results": "results_content",
    "list_batches": "limit=10",
    "cancel_batch": "batch_id",
}
CLIENT = {
    "enqueue": "model, response_model, requests, *, custom_ids=None, max_tokens=1000, temperature=0.1, "
    "metadata=None, idempotency_key=None, max_cost_usd=None, options=None, endpoint=None, retention_s=None, "
    "retry=None, priority='normal', deadline=None, on_deadline='cancel', deduplicate=False, "
    "prompt_cache=None, on_complete=None, webhook=None, reask=0, linger_s=None",
    "estimate": "model, response_model, requests, *, max_tokens=1000, temperature=0.1, options=None, "
    "endpoint=None, deduplicate=False",
    "costs": "group_by='model', *, since=None",
    "job": "job_id, response_model=None",
    "jobs": "status=None, model=None, limit=100",
    "provider_webhook": "route, headers, body",
}
JOB = {
    "status": "",
    "info": "",
    "batches": "",
    "deliveries": "",
    "wait": "timeout_s=None, progress=False",
    "results": "",
    "iter_results": "timeout_s=None, after=None",
    "cancel": "",
    "retry_failed": "error_types=None",
    "reask": "",
    "release": "shard=None, *, give_up=False",
    "resolve": "shard, *, batch_id, timeout_s=60.0",
    "delete": "*, force=False, timeout_s=None",
}


def written(function: Callable[..., Any]) -> str:
    """A signature without types, as a user reads it."""
    signature = inspect.signature(function)
    plain = [
        parameter.replace(annotation=inspect.Parameter.empty)
        for name, parameter in signature.parameters.items()
        if name != "self"
    ]
    return str(inspect.Signature(plain)).removeprefix("(").removesuffix(")")


@pytest.mark.parametrize(
    ("owner", "name", "expected"),
    [(BatchProcessor, *item) for item in DOCUMENTED.items()]
    + [(BatchClient, *item) for item in CLIENT.items()]
    + [(Job, *item) for item in JOB.items()],
)
def test_a_signature_keeps_its_names_order_and_defaults(owner: type, name: str, expected: str) -> None:
    assert written(getattr(owner, name)) == expected


def test_the_constructors_take_what_the_document_gives_them() -> None:
    assert written(BatchProcessor.__init__).startswith("model, response_model, *,")
    assert written(BatchClient.__init__).startswith("redis_url=None, *,")


def test_every_name_of_the_document_is_the_same_in_both_places() -> None:
    documented = {"BatchProcessor", "filter_successful", "filter_errors", "extract_results"}

    assert documented | {"get_results_by_custom_id"} <= set(batchline.batch.__all__)
    for name in batchline.batch.__all__:
        assert getattr(batchline.batch, name) is getattr(batchline, name)


def test_outcomes_keep_their_fields() -> None:
    assert list(BatchSuccess.model_fields) == [
        *("custom_id", "result", "usage", "raw", "attempts", "source", "duplicate_of", "reasks", "success"),
    ]
    assert list(BatchError.model_fields) == [
        *("custom_id", "error_type", "error_message", "retry_may_help", "usage", "raw", "attempts"),
        *("source", "duplicate_of", "reasks", "success"),
    ]


def test_the_provider_s_line_of_an_error_has_instructor_s_name_too() -> None:
    error = BatchError(custom_id="a", error_type=ErrorType.UNKNOWN, error_message="", raw={"id": 1})

    assert error.raw_data == {"id": 1}


def test_the_set_of_error_types_is_closed_and_known() -> None:
    assert [str(kind) for kind in ErrorType] == [
        *("invalid_request", "schema_rejected", "provider_error", "rate_limited", "expired", "cancelled"),
        *("refused", "content_filtered", "truncated", "invalid_output", "missing", "quota_exhausted"),
        "unknown",
    ]
