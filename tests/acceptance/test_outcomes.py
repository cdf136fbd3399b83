"""What becomes of requests that fail, on live processes: each gets its error type, and may be tried again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from pydantic import BaseModel

from acceptance.live_stack import LiveStack
from batchline import BatchError, BatchProcessor, JobStatus, RetryPolicy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from batchline_ops.embedded import EmbeddedServer
    from batchline_simulator import SimulatorProcess

MODEL = "openai/gpt-4o-mini"


class Topic(BaseModel):
    """What is asked for."""

    title: str
    words: int


ENDS = {
    "": None,
    "[[fault:fenced_json]]": None,
    "[[fault:line_separator]]": None,
    "[[fault:duplicate_line]]": None,
    "[[fault:bad_request]]": "invalid_request",
    "[[fault:rate_limit]]": "rate_limited",
    "[[fault:insufficient_quota]]": "quota_exhausted",
    "[[fault:server_error]]": "provider_error",
    "[[fault:status_zero]]": "provider_error",
    "[[fault:refusal]]": "refused",
    "[[fault:length]]": "truncated",
    "[[fault:content_filter]]": "content_filtered",
    "[[fault:not_json]]": "invalid_output",
    "[[fault:schema_violation]]": "invalid_output",
}
"""Marker in a request → its error type; None: it succeeds all the same.

Lines that are missing are not here: a worker reads the results again for half a minute before it believes it.
"""


@pytest.fixture(scope="module")
def stack(
    live_server: EmbeddedServer, live_simulator: SimulatorProcess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LiveStack]:
    stack = LiveStack(live_server.url, live_simulator, tmp_path_factory.mktemp("outcomes"))
    stack.worker()
    yield stack
    stack.close()


def test_every_way_to_fail_has_its_own_error_type(stack: LiveStack) -> None:
    requests = [[{"role": "user", "content": f"name it {marker}"}] for marker in ENDS]
    names = [f"ü\n{marker}" for marker in ENDS]

    job = stack.client.enqueue(MODEL, Topic, requests, custom_ids=names)

    assert job.wait(timeout_s=30) is JobStatus.COMPLETED
    ends = {o.custom_id: str(o.error_type) if isinstance(o, BatchError) else None for o in job.results()}
    assert ends == dict(zip(names, ENDS.values(), strict=True))
    assert job.info().errors["provider_error"] == 2


def test_failed_requests_are_tried_again_until_each_has_its_answer(stack: LiveStack) -> None:
    markers = ("", "[[fault:server_error:1]]", "[[fault:schema_violation:1]]", "[[fault:rate_limit:2]]")
    requests = [[{"role": "user", "content": f"again {marker}"}] for marker in markers]
    job = stack.client.enqueue(MODEL, Topic, requests)
    job.wait(timeout_s=30)

    tried: list[int] = []
    for _ in range(2):
        tried.append(job.retry_failed())
        assert job.wait(timeout_s=30) is JobStatus.COMPLETED

    assert (tried, job.retry_failed(), job.info().retries) == ([3, 1], 0, 2)
    assert [outcome.custom_id for outcome in job.iter_results(1) if outcome.success] != []
    assert all(outcome.success for outcome in job.results())
    stack.assert_paid_once(job.id, shards=3, requests=8)


def test_what_the_provider_failed_to_run_is_sent_again_by_itself(stack: LiveStack) -> None:
    markers = ("", "[[fault:server_error:1]]", "[[fault:rate_limit:2]]", "[[fault:server_error:9]]")
    requests = [[{"role": "user", "content": f"by itself {marker}"}] for marker in markers]

    job = stack.client.enqueue(MODEL, Topic, requests, retry=RetryPolicy(max_attempts=3, backoff_s=0.5))

    assert job.wait(timeout_s=30) is JobStatus.COMPLETED
    ends = [(outcome.success, outcome.attempts) for outcome in job.results()]
    assert ends == [(True, 1), (True, 2), (True, 3), (False, 3)]
    failures = sorted((one.custom_id, one.attempts) for one in job.iter_attempts())
    assert failures == [
        ("request-1", 1),
        ("request-2", 1),
        ("request-2", 2),
        ("request-3", 1),
        ("request-3", 2),
    ]
    assert (job.info().errors, job.info().retries) == ({"provider_error": 1}, 0)
    stack.assert_paid_once(job.id, shards=3, requests=9)


def test_a_window_that_ended_early_is_opened_again_by_itself(stack: LiveStack) -> None:
    stack.simulator.arm({"call": "batches.create", "kind": "expire", "fraction": 0.5})
    requests = [[{"role": "user", "content": f"reopened {n}"}] for n in range(10)]

    job = stack.client.enqueue(MODEL, Topic, requests, retry=RetryPolicy(max_attempts=2, backoff_s=0))

    assert job.wait(timeout_s=30) is JobStatus.COMPLETED
    assert (job.info().succeeded, job.info().errors) == (10, {})
    stack.assert_paid_once(job.id, shards=2, requests=15)


def test_a_window_that_ends_early_keeps_what_was_answered(stack: LiveStack) -> None:
    stack.simulator.arm({"call": "batches.create", "kind": "expire", "fraction": 0.5})
    job = stack.client.enqueue(MODEL, Topic, [[{"role": "user", "content": f"early {n}"}] for n in range(10)])

    assert job.wait(timeout_s=30) is JobStatus.COMPLETED
    assert job.info().errors == {"expired": 5}
    assert job.retry_failed() == 5
    assert job.wait(timeout_s=30) is JobStatus.COMPLETED
    assert job.info().succeeded == 10


def test_a_window_that_ends_before_any_answer_ends_the_documents_loops(stack: LiveStack) -> None:
    stack.simulator.arm({"call": "batches.create", "kind": "expire", "fraction": 1.0})
    job = stack.client.enqueue(MODEL, Topic, [[{"role": "user", "content": "too late"}]])

    assert job.wait(timeout_s=30) is JobStatus.EXPIRED
    status = BatchProcessor(MODEL, Topic, client=stack.client).get_batch_status(job.id)
    assert (status["status"], status["expired"]) == ("failed", True)


def test_a_batch_that_fails_as_a_whole_tells_every_request_why(stack: LiveStack) -> None:
    job = stack.client.enqueue(
        "openai/invalid-model-xyz", Topic, [[{"role": "user", "content": "a"}]] * 2, custom_ids=["x", "y"]
    )

    assert job.wait(timeout_s=30) is JobStatus.FAILED
    assert [outcome.custom_id for outcome in job.results()] == ["x", "y"]
    assert all("invalid-model-xyz" in o.error_message for o in job.results() if isinstance(o, BatchError))
